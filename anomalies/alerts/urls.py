"""Routes about alerts and planned quiet: the API's under /api/v1, and the pages'."""

from django.urls import URLPattern, URLResolver, path

from anomalies.alerts import api, figures_api, figures_pages, maintenance_api, maintenance_pages, pages

api_patterns: list[URLPattern | URLResolver] = [
    path("alerts", api.AlertsView.as_view(), name="api_alerts"),
    path("alerts/figures", figures_api.FiguresView.as_view(), name="api_alert_figures"),
    path("alerts/precision", figures_api.PrecisionView.as_view(), name="api_alert_precision"),
    path("alerts/precision/<int:rule_id>/apply", figures_api.ApplyView.as_view(), name="api_proposal_apply"),
    path("alerts/bulk", api.BulkView.as_view(), name="api_alerts_bulk"),
    path("alerts/<int:alert_id>", api.AlertView.as_view(), name="api_alert"),
    path("alerts/<int:alert_id>/similar", api.SimilarView.as_view(), name="api_alert_similar"),
    path("alerts/<int:alert_id>/acknowledge", api.AcknowledgeView.as_view(), name="api_alert_acknowledge"),
    path("alerts/<int:alert_id>/shelve", api.ShelveView.as_view(), name="api_alert_shelve"),
    path("alerts/<int:alert_id>/unshelve", api.UnshelveView.as_view(), name="api_alert_unshelve"),
    path("alerts/<int:alert_id>/comment", api.CommentView.as_view(), name="api_alert_comment"),
    path("alerts/<int:alert_id>/close", api.CloseView.as_view(), name="api_alert_close"),
    path("alerts/<int:alert_id>/accept", api.AcceptView.as_view(), name="api_alert_accept"),
    path("maintenance", maintenance_api.WindowsView.as_view(), name="api_maintenance"),
    path("maintenance/<int:window_id>", maintenance_api.WindowView.as_view(), name="api_maintenance_window"),
    # Keys of machines may hold slashes.
    path("machine-service/<path:machine>", maintenance_api.ServiceView.as_view(), name="api_machine_service"),
]

page_patterns: list[URLPattern | URLResolver] = [
    path("alerts", pages.alerts, name="alerts"),
    path("alerts/banner", pages.alert_banner, name="alert_banner"),
    path("alerts/handle", pages.alerts_handle_page, name="alerts_handle"),
    path("alerts/figures", figures_pages.alert_figures, name="alert_figures"),
    path("alerts/figures.csv", figures_pages.alert_figures_csv, name="alert_figures_csv"),
    path("alerts/verdicts", figures_pages.alert_verdicts, name="alert_verdicts"),
    path("alerts/verdicts/<int:rule_id>/apply", figures_pages.proposal_apply_page, name="proposal_apply"),
    path("maintenance", maintenance_pages.maintenance, name="maintenance"),
    path("maintenance/create", maintenance_pages.maintenance_create, name="maintenance_create"),
    path("maintenance/service", maintenance_pages.service_change, name="service_change"),
    path("maintenance/<int:window_id>/end", maintenance_pages.maintenance_end, name="maintenance_end"),
    path("alerts/<int:alert_id>", pages.alert, name="alert"),
    path("alerts/<int:alert_id>/acknowledge", pages.alert_acknowledge_page, name="alert_acknowledge"),
    path("alerts/<int:alert_id>/accept", pages.alert_accept_page, name="alert_accept"),
    path("alerts/<int:alert_id>/<slug:action>", pages.alert_deed, name="alert_deed"),
]
