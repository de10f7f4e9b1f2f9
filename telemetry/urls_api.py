"""The API of machines and what they say."""

from django.urls import URLPattern, URLResolver, include, path

from telemetry import api
from telemetry.history import api as history

urlpatterns: list[URLPattern | URLResolver] = [
    # First: `telemetry/ingest` is no machine.
    path("", include("telemetry.urls_ingest")),
    path("telemetry/<str:machine>", history.TelemetryView.as_view(), name="api_telemetry"),
    path("machines", api.MachinesView.as_view(), name="api_machines"),
    path("machines/<str:key>", api.MachineView.as_view(), name="api_machine"),
    path("machines/<str:key>/metrics", api.MetricsView.as_view(), name="api_metrics"),
    # Names of metrics may hold a slash.
    path("machines/<str:key>/metrics/<path:name>", api.MetricView.as_view(), name="api_metric"),
    path("machines/<str:key>/kpis/live", history.KpisLiveView.as_view(), name="api_kpis_live"),
    path("machines/<str:key>/kpis/history", history.KpisHistoryView.as_view(), name="api_kpis_history"),
]
