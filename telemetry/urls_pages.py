"""Routes of this room; see factorypulse.urls_*."""

from django.urls import URLPattern, URLResolver, path

from telemetry import first_run, metric_pages, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("first-run", first_run.first_run, name="first_run"),
    path("first-run/waiting", first_run.first_run_waiting, name="first_run_waiting"),
    # Keys may hold slashes, so what is done stands before them.
    path("parts/metrics/<path:key>", metric_pages.metrics_part, name="metrics_part"),
    path("metrics/<int:metric_id>/confirm", metric_pages.metric_confirm, name="metric_confirm"),
    path("metrics/confirm/<path:key>", metric_pages.metrics_confirm, name="metrics_confirm"),
    path("plan", pages.plan, name="plan"),
    path("quarantine", pages.quarantine, name="quarantine"),
]
