"""The device doors' addresses: each proves a key by itself and needs nothing of what pages need."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path

from telemetry.ingest import line_doors
from telemetry.ingest.http import IngestView, ingest

# Inside /api/v1, where the API's documentation describes it.
urlpatterns: list[URLPattern | URLResolver] = [path("telemetry/ingest", IngestView.as_view(), name="telemetry_ingest")]

# At the host's root, where InfluxDB's clients ask.
influx_patterns: list[URLPattern | URLResolver] = [
    path("write", line_doors.write_v1, name="influx_write"),
    path("api/v2/write", line_doors.write_v2, name="influx_write_v2"),
    path("query", line_doors.query, name="influx_query"),
    path("ping", line_doors.ping, name="influx_ping"),
    path("health", line_doors.health, name="influx_health"),
]

# What devices send by the second goes straight to its view, see factorypulse.device_doors.
DEVICE_DOORS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/api/v1/telemetry/ingest": ingest,
    "/write": line_doors.write_v1,
    "/api/v2/write": line_doors.write_v2,
}
