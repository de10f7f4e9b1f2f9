from django.apps import AppConfig


class AnomaliesConfig(AppConfig):
    name = "anomalies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to the floor below."""
        from anomalies import receivers  # noqa: F401  # importing it connects it
