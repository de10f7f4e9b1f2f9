"""What both the public site and a factory answer: API, its documentation, health."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from factorypulse import health

urlpatterns = [
    path("", include("factorypulse.urls_api")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="api_docs"),
    path("api/redoc", SpectacularRedocView.as_view(url_name="schema"), name="api_redoc"),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
]
