from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register what `check --deploy` asks."""
        from tenants import checks  # noqa: F401  # importing it registers it
