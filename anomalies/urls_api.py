"""The API about what is wrong."""

from django.urls import URLPattern, URLResolver, path

from anomalies import api, detector_api, detector_replay_api
from anomalies.alerts import urls as alerts_urls
from anomalies.notify import urls_api as notify_urls
from anomalies.rules import urls as rules_urls

urlpatterns: list[URLPattern | URLResolver] = [
    *alerts_urls.api_patterns,
    *notify_urls.urlpatterns,
    *rules_urls.api_patterns,
    # Keys of machines may hold slashes.
    path("telemetry/analyze/<path:machine>", api.AnalyzeView.as_view(), name="api_analyze"),
    path("detectors", detector_api.DetectorsView.as_view(), name="api_detectors"),
    path("detectors/<path:machine>", detector_api.DetectorView.as_view(), name="api_detector"),
    path("detector-teaching/<path:machine>", detector_api.TeachView.as_view(), name="api_detector_teach"),
    path(
        "detector-versions/<int:version_id>/activate",
        detector_api.ActivateView.as_view(),
        name="api_detector_activate",
    ),
    path("detector-versions/<int:version_id>/pin", detector_api.PinView.as_view(), name="api_detector_pin"),
    path("detector-roles/<path:machine>", detector_replay_api.RolesView.as_view(), name="api_detector_roles"),
    path("detector-replaying/<path:machine>", detector_replay_api.ReplaysView.as_view(), name="api_detector_replays"),
    path("detector-replays/<int:replay_id>", detector_replay_api.ReplayView.as_view(), name="api_detector_replay"),
    path("dashboard/summary", api.SummaryView.as_view(), name="api_summary"),
]
