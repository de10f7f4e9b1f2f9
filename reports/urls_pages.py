"""Routes of this room; see factorypulse.urls_*."""

from django.urls import URLPattern, URLResolver, path

from reports import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("reports", pages.reports, name="reports"),
    path("reports/list", pages.report_list, name="report_list"),
    path("reports/make", pages.report_make, name="report_make"),
    path("reports/<int:report_id>/pdf", pages.report_pdf, name="report_pdf"),
    path("reports/<int:report_id>/xlsx", pages.report_xlsx, name="report_xlsx"),
]
