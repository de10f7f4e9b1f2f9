"""Routes of this room; see factorypulse.urls_*."""

from django.urls import URLPattern, URLResolver, path

from reports import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("reports", api.ReportsView.as_view(), name="report_api_list"),
    path("reports/<int:report_id>", api.ReportView.as_view(), name="report_api_detail"),
    path("reports/<int:report_id>/download", api.DownloadView.as_view(), name="report_download"),
    path("report-schedules", api.SchedulesView.as_view(), name="report_schedules"),
]
