"""How the factory's admin looks: words, colours, and the sidebar in the order of the work."""

from typing import Any

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _item(title: Any, icon: str, url_name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(url_name)}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "FactoryPulse",
    "SITE_HEADER": "FactoryPulse",
    "SITE_SUBHEADER": "accounts.admin_site.factory_name",
    "SITE_SYMBOL": "monitoring",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .014 195)",
            "100": "oklch(94% .03 195)",
            "200": "oklch(88% .06 195)",
            "300": "oklch(80% .09 195)",
            "400": "oklch(70% .11 195)",
            "500": "oklch(60% .11 197)",
            "600": "oklch(52% .10 199)",
            "700": "oklch(45% .085 200)",
            "800": "oklch(39% .07 202)",
            "900": "oklch(33% .055 204)",
            "950": "oklch(25% .04 206)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [_item(_("Back to the plant"), "arrow_back", "fleet")],
            },
            {
                "title": _("Equipment"),
                "separator": True,
                "items": [
                    _item(_("Sites"), "location_on", "admin:telemetry_site_changelist"),
                    _item(_("Areas"), "grid_view", "admin:telemetry_area_changelist"),
                    _item(_("Lines"), "conveyor_belt", "admin:telemetry_line_changelist"),
                    _item(_("Machines"), "precision_manufacturing", "admin:telemetry_machine_changelist"),
                    _item(_("Metrics"), "show_chart", "admin:telemetry_metric_changelist"),
                    _item(_("Quarantine"), "gpp_maybe", "admin:telemetry_quarantinedreading_changelist"),
                ],
            },
            {
                "title": _("Detection"),
                "separator": True,
                "items": [
                    _item(_("Rules"), "rule", "admin:anomalies_rule_changelist"),
                    _item(_("Alerts"), "notifications_active", "admin:anomalies_alert_changelist"),
                    _item(_("Detector models"), "neurology", "admin:anomalies_detectormodel_changelist"),
                ],
            },
            {
                "title": _("Reports"),
                "separator": True,
                "items": [
                    _item(_("Schedules"), "event_repeat", "admin:reports_schedule_changelist"),
                    _item(_("Reports"), "description", "admin:reports_report_changelist"),
                ],
            },
            {
                "title": _("People"),
                "separator": True,
                "items": [
                    _item(_("People"), "group", "admin:accounts_user_changelist"),
                    _item(_("Invitations"), "mail", "admin:accounts_invitation_changelist"),
                    _item(_("API keys"), "key", "admin:accounts_apikey_changelist"),
                    _item(_("Audit"), "history", "admin:accounts_auditentry_changelist"),
                ],
            },
        ],
    },
}

# The public host knows none of the factory's pages, so its staff admin lists what is registered by itself.
UNFOLD_STAFF: dict[str, Any] = {
    "SITE_TITLE": _("FactoryPulse staff"),
    "SITE_HEADER": _("FactoryPulse staff"),
    "SITE_SYMBOL": "monitoring",
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": UNFOLD["COLORS"],
    "SIDEBAR": {"show_search": False, "show_all_applications": True},
}
