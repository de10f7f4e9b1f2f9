"""Routes of this room; see factorypulse.urls_*."""

from django.urls import URLPattern, URLResolver, path

from telemetry import first_run, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("first-run", first_run.first_run, name="first_run"),
    path("first-run/waiting", first_run.first_run_waiting, name="first_run_waiting"),
    path("quarantine", pages.quarantine, name="quarantine"),
    path("styleguide", pages.styleguide, name="styleguide"),
]
