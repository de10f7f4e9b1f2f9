"""The whole API, /api/v1, for the factory's host and, with a key or token that names its factory, for DOMAIN."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("accounts.urls_api")),
    path("api/v1/", include("telemetry.urls_api")),
    path("api/v1/", include("anomalies.urls_api")),
    path("api/v1/", include("reports.urls_api")),
]
