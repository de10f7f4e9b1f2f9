"""The API about people and keys, under /api/v1."""

from django.urls import include, path

from accounts.audit_api import AuditView
from accounts.domain_api import DomainCheckView, DomainView
from accounts.factory_api import DeletionView, ExportFileView, ExportsView, ExportView, FactoryView
from accounts.keys_api import ApiKeyRotateView, ApiKeysView, ApiKeyView
from accounts.people_api import InvitationAgainView, InvitationsView, InvitationView, PeopleView, PersonView
from accounts.roles_api import RolesView, RoleView
from accounts.sessions_api import SessionsView, SessionView

urlpatterns = [
    path("", include("accounts.urls_auth")),
    path("users", PeopleView.as_view(), name="api_users"),
    path("users/<int:person_id>", PersonView.as_view(), name="api_user"),
    path("sessions", SessionsView.as_view(), name="api_sessions"),
    path("sessions/<int:session_id>", SessionView.as_view(), name="api_session"),
    path("roles", RolesView.as_view(), name="api_roles"),
    path("roles/<int:role_id>", RoleView.as_view(), name="api_role"),
    path("invitations", InvitationsView.as_view(), name="api_invitations"),
    path("invitations/<int:invitation_id>", InvitationView.as_view(), name="api_invitation"),
    path("invitations/<int:invitation_id>/resend", InvitationAgainView.as_view(), name="api_invitation_again"),
    path("api-keys", ApiKeysView.as_view(), name="api_api_keys"),
    path("api-keys/<int:key_id>", ApiKeyView.as_view(), name="api_api_key"),
    path("api-keys/<int:key_id>/rotate", ApiKeyRotateView.as_view(), name="api_api_key_rotate"),
    path("factory", FactoryView.as_view(), name="api_factory"),
    path("factory/deletion", DeletionView.as_view(), name="api_factory_deletion"),
    path("factory/domain", DomainView.as_view(), name="api_factory_domain"),
    path("factory/domain/check", DomainCheckView.as_view(), name="api_factory_domain_check"),
    path("factory/exports", ExportsView.as_view(), name="api_factory_exports"),
    path("factory/exports/<int:export_id>", ExportView.as_view(), name="api_factory_export"),
    path("factory/exports/<int:export_id>/file", ExportFileView.as_view(), name="api_factory_export_file"),
    path("audit", AuditView.as_view(), name="api_audit"),
]
