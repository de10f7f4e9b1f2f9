"""Routes of the pages about notifications; see anomalies.urls_pages."""

from django.urls import URLPattern, URLResolver, path

from anomalies.notify.pages import deliveries, inbox, on_call, preferences, routes, targets

urlpatterns: list[URLPattern | URLResolver] = [
    path("notifications", routes.routes, name="routes"),
    path("notifications/routes/new", routes.route_new, name="route_new"),
    path("notifications/routes/<int:route_id>", routes.route, name="route"),
    path("notifications/routes/<int:route_id>/test", routes.route_try, name="route_test"),
    path("notifications/routes/<int:route_id>/delete", routes.route_end, name="route_delete"),
    path("notifications/targets", targets.targets, name="targets"),
    path("notifications/targets/<int:target_id>", targets.target, name="target"),
    path("notifications/targets/<int:target_id>/test", targets.target_try, name="target_test"),
    path("notifications/targets/<int:target_id>/secret", targets.target_secret, name="target_secret"),
    path("notifications/targets/<int:target_id>/delete", targets.target_end, name="target_delete"),
    path("notifications/on-call", on_call.on_call, name="on_call"),
    path("notifications/on-call/new", on_call.schedule_new, name="schedule_new"),
    path("notifications/on-call/<int:schedule_id>", on_call.schedule, name="schedule"),
    path("notifications/on-call/<int:schedule_id>/delete", on_call.schedule_end, name="schedule_delete"),
    path("notifications/on-call/<int:schedule_id>/overrides", on_call.override_new, name="override_new"),
    path("notifications/on-call/overrides/<int:override_id>/delete", on_call.override_end, name="override_delete"),
    path("notifications/deliveries", deliveries.deliveries, name="deliveries"),
    path("notifications/deliveries/resume", deliveries.delivery_resume, name="delivery_resume"),
    path("notifications/deliveries/<int:notification_id>/again", deliveries.delivery_again, name="delivery_again"),
    path("inbox", inbox.inbox, name="inbox"),
    path("inbox/newest", inbox.inbox_newest, name="inbox_newest"),
    path("inbox/read", inbox.inbox_read_all, name="inbox_read_all"),
    path("inbox/<int:entry_id>", inbox.inbox_open, name="inbox_open"),
    path("inbox/<int:entry_id>/mark", inbox.inbox_mark, name="inbox_mark"),
    path("account/notifications", preferences.preferences, name="preferences"),
    path("account/notifications/phone", preferences.phone, name="preference_phone"),
    path("account/notifications/code", preferences.phone_code, name="preference_code"),
    path("account/notifications/test", preferences.preference_test, name="preference_test"),
    path("account/notifications/browser", preferences.browser, name="preference_browser"),
]
