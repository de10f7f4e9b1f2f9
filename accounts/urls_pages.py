"""A factory's pages about people: signing in, invitations, people, keys."""

from django.urls import include, path

from accounts import audit_pages, doors, factory_pages, keys_pages, language, pages, wall_link_pages

urlpatterns = [
    path("welcome/<str:token>", doors.signup_handover, name="signup_handover"),
    path("invitations/<str:token>", doors.invitation_page, name="invitation_accept"),
    # Before allauth's view of the same name, which says less about a used link.
    path("accounts/confirm-email/<str:key>/", doors.ConfirmAddressView.as_view(), name="account_confirm_email"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
    path("accounts/3rdparty/", include("allauth.socialaccount.urls")),
    path("accounts/", include("allauth.socialaccount.providers.openid_connect.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("account", pages.account, name="account_home"),
    path("account/language", language.language_choose, name="language_choose"),
    path("people", pages.people, name="people"),
    path("people/<int:person_id>", pages.person_access, name="person_access"),
    path("people/<int:person_id>/active", pages.person_active, name="person_active"),
    path("people/invitations/<int:invitation_id>/again", pages.invitation_again, name="invitation_again"),
    path("people/invitations/<int:invitation_id>/revoke", pages.invitation_take_back, name="invitation_revoke"),
    path("people/invite", pages.invite_many, name="invite_many"),
    path("people/roles", pages.roles, name="roles"),
    path("people/roles/<int:role_id>/delete", pages.role_remove, name="role_remove"),
    path("keys", keys_pages.api_keys, name="api_keys"),
    path("keys/<int:key_id>/rotate", keys_pages.api_key_renew, name="api_key_renew"),
    path("keys/<int:key_id>/revoke", keys_pages.api_key_end, name="api_key_revoke"),
    path("wall-links", wall_link_pages.wall_links, name="wall_links"),
    path("wall-links/<int:link_id>/revoke", wall_link_pages.wall_link_end, name="wall_link_revoke"),
    path("factory", factory_pages.factory_home, name="factory_home"),
    path("factory/export", factory_pages.factory_export, name="factory_export"),
    path("factory/delete", factory_pages.factory_leave, name="factory_leave"),
    path("factory/keep", factory_pages.factory_stay, name="factory_stay"),
    path("factory/identity", factory_pages.identity_set, name="identity_set"),
    path("factory/support", factory_pages.support_allow, name="support_allow"),
    path("factory/support/<int:grant_id>/end", factory_pages.support_end, name="support_end"),
    path("support/<str:token>", factory_pages.support_arrive, name="support_enter"),
    path("audit", audit_pages.audit, name="audit"),
    path("audit/export", audit_pages.audit_export, name="audit_export"),
]
