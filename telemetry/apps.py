from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TelemetryConfig(AppConfig):
    name = "telemetry"
    verbose_name = _("Equipment")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from telemetry.notebook import documents
        from telemetry.reach import reach_wire
        from telemetry.store import archiving, farewell

        documents.connect()
        farewell.connect()
        archiving.register()
        reach_wire()
