from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AnomaliesConfig(AppConfig):
    name = "anomalies"
    verbose_name = _("Detection")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to the floor below, and lend it the client that reaches nothing inside our own network."""
        from accounts import identity_calls
        from anomalies import (
            explore_export,  # noqa: F401  # workers make its errands
            receivers,  # noqa: F401  # importing it connects it
            resealing,  # noqa: F401  # as above
        )
        from anomalies.notify import safe_http
        from anomalies.rules import trying  # noqa: F401  # workers make its errands
        from tenants import own_domain

        identity_calls.ask_by(safe_http.ask)
        own_domain.fetch_by(safe_http.fetch)
