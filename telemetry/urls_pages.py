"""Routes of this room; see factorypulse.urls_*."""

from django.urls import URLPattern, URLResolver, path

from telemetry import first_run, metric_pages, pages
from telemetry.notebook import pages as notebook
from telemetry.viewing import pages as viewing

urlpatterns: list[URLPattern | URLResolver] = [
    path("first-run", first_run.first_run, name="first_run"),
    path("first-run/waiting", first_run.first_run_waiting, name="first_run_waiting"),
    # Keys may hold slashes, so what is done stands before them.
    path("parts/metrics/<path:key>", metric_pages.metrics_part, name="metrics_part"),
    path("metrics/<int:metric_id>/confirm", metric_pages.metric_confirm, name="metric_confirm"),
    path("metrics/<int:metric_id>/remove", metric_pages.metric_remove, name="metric_remove"),
    path("metrics/confirm/<path:key>", metric_pages.metrics_confirm, name="metrics_confirm"),
    path("parts/notebook/<path:key>", notebook.notebook_part, name="notebook_part"),
    path("notes/<int:note_id>/remove", notebook.note_drop, name="note_remove"),
    path("notes/add/<path:key>", notebook.note_write, name="note_add"),
    path("documents/<int:document_id>", notebook.document_download, name="document"),
    path("documents/<int:document_id>/remove", notebook.document_drop, name="document_remove"),
    path("documents/add/<path:key>", notebook.document_upload, name="document_add"),
    path("viewing/metrics/<path:key>", viewing.metrics_pick, name="metrics_pick"),
    path("viewing/units", viewing.units_pick, name="units_pick"),
    path("plan", pages.plan, name="plan"),
    path("quarantine", pages.quarantine, name="quarantine"),
]
