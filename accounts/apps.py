from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Each factory's schema has this app's tables, so its migration says once a factory that it is through."""
        from django.contrib.auth.signals import user_logged_in

        from accounts import audit_export  # noqa: F401  # workers make its errands
        from accounts.factory_changes import others_note
        from accounts.second_factor import second_factor_enough
        from accounts.session_life import session_started
        from tenants.consumers import lets_in
        from tenants.life import others_acted
        from tenants.roles import factory_migrated

        lets_in.append(second_factor_enough)
        others_acted.connect(others_note, dispatch_uid="accounts.factory_changes")
        user_logged_in.connect(session_started, dispatch_uid="accounts.session_life")
        post_delete.connect(_session_ended, sender="usersessions.UserSession", dispatch_uid="accounts.sessions")
        post_migrate.connect(factory_migrated, sender=self, dispatch_uid="tenants.roles")


def _session_ended(instance: Any, **_signal: Any) -> None:
    """A session that is over watches nothing any more; the person's other browsers come back by themselves."""
    from accounts.people import person_sockets_close

    person_sockets_close(instance.user)
