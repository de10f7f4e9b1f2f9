"""The HTTP door's address."""

from django.urls import URLPattern, URLResolver, path

from telemetry.ingest.http import IngestView

urlpatterns: list[URLPattern | URLResolver] = [path("telemetry/ingest", IngestView.as_view(), name="telemetry_ingest")]
