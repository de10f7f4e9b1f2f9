"""What both the public site and a factory answer: API, its documentation, health."""

from csp.decorators import csp_update
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from factorypulse import health
from telemetry.urls_ingest import influx_patterns

# Both viewers write style elements while they draw, and Swagger UI carries its icons as data.
_viewer = csp_update({"style-src": ["'self'", "'unsafe-inline'"], "worker-src": ["'self'", "blob:"]})

urlpatterns = [
    path("", include("factorypulse.urls_api")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", _viewer(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="api_docs"),
    path("api/redoc", _viewer(SpectacularRedocView.as_view(url_name="schema")), name="api_redoc"),
    path("", include(influx_patterns)),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
]
