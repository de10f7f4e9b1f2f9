"""A factory's pages about people: signing in, invitations, people, keys."""

from django.urls import include, path

from accounts import audit_pages, doors, keys_pages, language, pages

urlpatterns = [
    path("welcome/<str:token>", doors.signup_handover, name="signup_handover"),
    path("invitations/<str:token>", doors.invitation_page, name="invitation_accept"),
    # Before allauth's view of the same name, which says less about a used link.
    path("accounts/confirm-email/<str:key>/", doors.ConfirmAddressView.as_view(), name="account_confirm_email"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("account", pages.account, name="account_home"),
    path("account/language", language.language_choose, name="language_choose"),
    path("people", pages.people, name="people"),
    path("people/<int:person_id>", pages.person_access, name="person_access"),
    path("people/<int:person_id>/active", pages.person_active, name="person_active"),
    path("people/invitations/<int:invitation_id>/again", pages.invitation_again, name="invitation_again"),
    path("people/invitations/<int:invitation_id>/revoke", pages.invitation_take_back, name="invitation_revoke"),
    path("people/roles", pages.roles, name="roles"),
    path("people/roles/<int:role_id>/delete", pages.role_remove, name="role_remove"),
    path("keys", keys_pages.api_keys, name="api_keys"),
    path("keys/<int:key_id>/rotate", keys_pages.api_key_renew, name="api_key_renew"),
    path("keys/<int:key_id>/revoke", keys_pages.api_key_end, name="api_key_revoke"),
    path("audit", audit_pages.audit, name="audit"),
    path("audit/export", audit_pages.audit_export, name="audit_export"),
]
