"""How the factory's admin looks: words, colours, and the sidebar in the order of the work."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _item(title: Any, icon: str, url_name: str, description: Any = "") -> dict[str, Any]:
    """A line of the sidebar; the description stands on the admin's first page."""
    return {"title": title, "icon": icon, "link": reverse_lazy(url_name), "description": description}


def _never(request: HttpRequest) -> bool:  # unfold's signature
    return False


def _favicon(request: HttpRequest) -> str:
    return static("icons/favicon.svg")


_FAVICONS = [{"rel": "icon", "type": "image/svg+xml", "href": _favicon}]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "FactoryPulse",
    "SITE_HEADER": "FactoryPulse",
    "SITE_SUBHEADER": "accounts.admin_site.factory_name",
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": _FAVICONS,
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
                # Its path is the beginning of every other, so unfold would take it for the open page.
                "items": [{**_item(_("Back to the plant"), "arrow_back", "fleet"), "active": _never}],
            },
            {
                "title": _("Equipment"),
                "separator": True,
                "items": [
                    _item(
                        _("Sites"), "location_on", "admin:telemetry_site_changelist", _("Plants, each in its time zone")
                    ),
                    _item(
                        _("Areas"), "grid_view", "admin:telemetry_area_changelist", _("Halls and other parts of a site")
                    ),
                    _item(
                        _("Lines"),
                        "conveyor_belt",
                        "admin:telemetry_line_changelist",
                        _("Machines that make one product together"),
                    ),
                    _item(
                        _("Machines"),
                        "precision_manufacturing",
                        "admin:telemetry_machine_changelist",
                        _("Names, places and when a machine counts as silent"),
                    ),
                    _item(
                        _("Metrics"),
                        "show_chart",
                        "admin:telemetry_metric_changelist",
                        _("Units and kinds: confirm what was inferred"),
                    ),
                    _item(
                        _("Quarantine"),
                        "gpp_maybe",
                        "admin:telemetry_quarantinedreading_changelist",
                        _("Readings that were refused, and why"),
                    ),
                ],
            },
            {
                "title": _("Detection"),
                "separator": True,
                "items": [
                    _item(_("Rules"), "rule", "admin:anomalies_rule_changelist", _("Conditions that raise an alert")),
                    _item(
                        _("Vibration limits"),
                        "vibration",
                        "admin:anomalies_vibrationzones_changelist",
                        _("The table of ISO 20816 that rules are made from"),
                    ),
                    _item(
                        _("Alerts"),
                        "notifications_active",
                        "admin:anomalies_alert_changelist",
                        _("Everything that was wrong"),
                    ),
                    _item(
                        _("Detector models"),
                        "neurology",
                        "admin:anomalies_detectormodel_changelist",
                        _("What each machine’s detector has learned"),
                    ),
                    _item(
                        _("Metric roles"),
                        "tune",
                        "admin:anomalies_metricrole_changelist",
                        _("How metrics move, where somebody said so"),
                    ),
                    _item(
                        _("Back-tests"),
                        "history",
                        "admin:anomalies_replay_changelist",
                        _("Versions run over the past"),
                    ),
                ],
            },
            {
                "title": _("Notifications"),
                "separator": True,
                "items": [
                    _item(
                        _("Sent messages"),
                        "outgoing_mail",
                        "admin:anomalies_notification_changelist",
                        _("What was sent to whom, and what came of it"),
                    ),
                    _item(
                        _("Routes"), "alt_route", "admin:anomalies_route_changelist", _("Who is told of which alerts")
                    ),
                    _item(
                        _("Webhooks and chat"),
                        "webhook",
                        "admin:anomalies_notificationtarget_changelist",
                        _("Programs and rooms that are told"),
                    ),
                    _item(
                        _("On call"), "support_agent", "admin:anomalies_oncallschedule_changelist", _("Who takes turns")
                    ),
                ],
            },
            {
                "title": _("Reports"),
                "separator": True,
                "items": [
                    _item(
                        _("Schedules"),
                        "event_repeat",
                        "admin:reports_schedule_changelist",
                        _("When the weekly report is made, and for whom"),
                    ),
                    _item(_("Reports"), "description", "admin:reports_report_changelist", _("Reports that were made")),
                ],
            },
            {
                "title": _("People"),
                "separator": True,
                "items": [
                    _item(_("People"), "group", "admin:accounts_user_changelist", _("Roles, and who may sign in")),
                    _item(
                        _("Invitations"),
                        "mail",
                        "admin:accounts_invitation_changelist",
                        _("Who was invited, and what became of it"),
                    ),
                    _item(_("API keys"), "key", "admin:accounts_apikey_changelist", _("Keys of devices and programs")),
                    _item(_("Audit"), "history", "admin:accounts_auditentry_changelist", _("Who did what, when")),
                ],
            },
        ],
    },
}

UNFOLD_STAFF: dict[str, Any] = {
    "SITE_TITLE": _("FactoryPulse staff"),
    "SITE_HEADER": _("FactoryPulse staff"),
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": _FAVICONS,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": UNFOLD["BORDER_RADIUS"],
    "COLORS": UNFOLD["COLORS"],
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item(_("Factories"), "factory", "staff:tenants_factory_changelist"),
                    _item(_("How they fare"), "monitor_heart", "staff:factory_health"),
                    _item(_("Plans"), "sell", "staff:tenants_plan_changelist"),
                    _item(_("Dead letters"), "mark_email_unread", "staff:dead_letters"),
                    _item(_("Staff"), "badge", "staff:accounts_user_changelist"),
                    _item(_("Second factor"), "key", "staff:second_factor"),
                ],
            },
        ],
    },
}
