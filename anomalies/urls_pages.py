"""Routes of this room; see factorypulse.urls_*. Keys may hold slashes, so partials stand apart from machines."""

from django.urls import URLPattern, URLResolver, path

from anomalies import (
    detector_list_pages,
    detector_pages,
    detector_replay_pages,
    explore_pages,
    fleet_pages,
    machine_pages,
    wall_pages,
)
from anomalies.alerts import urls as alerts_urls
from anomalies.notify import urls_pages as notify_urls
from anomalies.rules import urls as rules_urls

urlpatterns: list[URLPattern | URLResolver] = [
    path("", fleet_pages.fleet, name="fleet"),
    path("detectors", detector_list_pages.detectors, name="detectors"),
    path("detectors/<path:key>", detector_pages.detector, name="detector"),
    path("detector-teaching/<path:key>", detector_pages.detector_teach, name="detector_teach"),
    path("detector-versions/<int:version_id>/activate", detector_pages.detector_activate, name="detector_activate"),
    path("detector-versions/<int:version_id>/unpin", detector_pages.detector_unpin, name="detector_unpin"),
    path("detector-roles/<path:key>", detector_pages.detector_roles, name="detector_roles"),
    path("detector-replaying/<path:key>", detector_replay_pages.replay_begin, name="replay_begin"),
    path("detector-replays/<int:replay_id>", detector_replay_pages.replay, name="replay"),
    path("detector-replays/<int:replay_id>/remove", detector_replay_pages.replay_forget, name="replay_forget"),
    path("machines/<path:key>", machine_pages.machine, name="machine"),
    *alerts_urls.page_patterns,
    *rules_urls.page_patterns,
    path("wall", wall_pages.wall, name="wall"),
    path("wall/<str:token>", wall_pages.wall_by_link, name="wall_by_link"),
    path("parts/wall-alerts", wall_pages.wall_alerts, name="wall_alerts"),
    path("explore", explore_pages.explore, name="explore"),
    path("explore/export.csv", explore_pages.explore_csv, name="explore_csv"),
    path("explore/views", explore_pages.explore_save, name="explore_save"),
    path("explore/views/<int:view_id>/remove", explore_pages.explore_forget, name="explore_forget"),
    path("parts/explore-choices", explore_pages.explore_choices, name="explore_choices"),
    path("parts/summary", fleet_pages.fleet_summary, name="fleet_summary"),
    path("parts/tile/<path:key>", fleet_pages.tile_state, name="tile_state"),
    path("parts/health/<path:key>", machine_pages.machine_health, name="machine_health"),
    path("parts/figures/<path:key>", machine_pages.machine_figures, name="machine_figures"),
    *notify_urls.urlpatterns,
]
