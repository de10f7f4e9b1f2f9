"""The public host: landing, sign-up, staff admin; in the trial also the mailbox."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from tenants.admin import staff_site

# The rooms above bring their pages to the staff's site in their admin modules.
admin.autodiscover()

urlpatterns = [
    path("", include("factorypulse.urls_common")),
    path("admin/", staff_site.urls),
    path("", include("accounts.urls_public")),
]
if settings.TRIAL:
    urlpatterns.append(path("mailbox/", include("factorypulse.dev.urls_mailbox")))

handler400 = "factorypulse.api_errors.bad_request"
handler403 = "factorypulse.api_errors.forbidden"
handler404 = "factorypulse.api_errors.not_found"
handler500 = "factorypulse.api_errors.server_error"
