from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = _("Factories and plans")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register what `check --deploy` asks."""
        from tenants import checks  # noqa: F401  # importing it registers it
