from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Each factory's schema has this app's tables, so its migration says once a factory that it is through."""
        from tenants.roles import factory_migrated

        post_migrate.connect(factory_migrated, sender=self, dispatch_uid="tenants.roles")
