"""A factory's host: its pages, admin, API and sign-in."""

from django.contrib import admin
from django.urls import include, path

from factorypulse.offline import manifest, service_worker
from factorypulse.styleguide import styleguide

admin.autodiscover()

urlpatterns = [
    path("", include("factorypulse.urls_common")),
    path("admin/", admin.site.urls),
    path("", include("telemetry.urls_pages")),
    path("", include("anomalies.urls_pages")),
    path("", include("reports.urls_pages")),
    path("", include("accounts.urls_pages")),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("service-worker.js", service_worker, name="service_worker"),
    path("styleguide", styleguide, name="styleguide"),
]

handler400 = "factorypulse.api_errors.bad_request"
handler403 = "factorypulse.api_errors.forbidden"
handler404 = "factorypulse.api_errors.not_found"
handler500 = "factorypulse.api_errors.server_error"
