"""The API about people and keys, under /api/v1."""

from django.urls import include, path

from accounts import api

urlpatterns = [
    path("", include("accounts.urls_auth")),
    path("users", api.PeopleView.as_view(), name="api_users"),
    path("users/<int:person_id>", api.PersonView.as_view(), name="api_user"),
    path("invitations", api.InvitationsView.as_view(), name="api_invitations"),
    path("invitations/<int:invitation_id>", api.InvitationView.as_view(), name="api_invitation"),
    path("api-keys", api.ApiKeysView.as_view(), name="api_api_keys"),
    path("api-keys/<int:key_id>", api.ApiKeyView.as_view(), name="api_api_key"),
    path("api-keys/<int:key_id>/rotate", api.ApiKeyRotateView.as_view(), name="api_api_key_rotate"),
    path("audit", api.AuditView.as_view(), name="api_audit"),
]
