"""Routes of the API about notifications; see anomalies.urls_api."""

from django.urls import URLPattern, URLResolver, path

from anomalies.notify import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("notifications", api.NotificationsView.as_view(), name="api_notifications"),
    path(
        "notifications/<int:notification_id>/retry",
        api.NotificationRetryView.as_view(),
        name="api_notification_retry",
    ),
    path("notification-preview", api.PreviewView.as_view(), name="api_notification_preview"),
    path("notification-routes", api.RoutesView.as_view(), name="api_routes"),
    path("notification-targets", api.TargetsView.as_view(), name="api_targets"),
    path("notification-targets/<int:target_id>", api.TargetView.as_view(), name="api_target"),
    path("notification-targets/<int:target_id>/test", api.TargetTestView.as_view(), name="api_target_test"),
    path("on-call", api.OnCallView.as_view(), name="api_on_call"),
]
