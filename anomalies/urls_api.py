"""The API about what is wrong."""

from django.urls import URLPattern, URLResolver, path

from anomalies import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("alerts", api.AlertsView.as_view(), name="api_alerts"),
    path("alerts/<int:alert_id>", api.AlertView.as_view(), name="api_alert"),
    path("alerts/<int:alert_id>/acknowledge", api.AcknowledgeView.as_view(), name="api_alert_acknowledge"),
    # Keys of machines may hold slashes.
    path("telemetry/analyze/<path:machine>", api.AnalyzeView.as_view(), name="api_analyze"),
    path("dashboard/summary", api.SummaryView.as_view(), name="api_summary"),
]
