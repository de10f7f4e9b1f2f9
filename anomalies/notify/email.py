"""Alerts as mail: what is wrong, since when, and a link to the place where one can act."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from anomalies.alerts.sentences import part_title, since_text
from anomalies.models import Alert, Notification
from telemetry.figures import figure
from telemetry.history.spans import machine_zone
from telemetry.models import Metric
from tenants.addresses import factory_url
from tenants.context import factory_current

# Severity as a colour that carries in light and dark mail programs; the word stands beside it.
_COLOURS = {"critical": "#a61b1b", "high": "#c2410c", "medium": "#a16207", "low": "#3f6212"}
_CALM = "#2b7a3d"


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready for the outbox."""

    subject: str
    text: str
    html: str


def compose(alert: Alert, *, occasion: str) -> Composed:
    """The mail about a transition (“raised” or “returned”) of an alert, in the machine's plant time."""
    context = _context(alert, occasion=occasion)
    if occasion == "returned":
        subject = _("Back to normal: %(machine)s – %(title)s")
    else:
        subject = _("%(severity)s: %(machine)s – %(title)s")
    values = {"severity": alert.get_severity_display(), "machine": str(alert.machine), "title": alert.title}
    return Composed(
        # A metric's name comes from a device and may hold anything; a header is one line.
        subject=" ".join((subject % values).split())[:200],
        text=render_to_string("email/alert.txt", context).strip() + "\n",
        html=render_to_string("email/alert.html", context),
    )


def send(row: Notification) -> None:
    """Hand one message of the outbox to the mail server. Raises OSError or SMTPException when it is not taken."""
    message = EmailMultiAlternatives(
        row.subject,
        row.body_text,
        settings.DEFAULT_FROM_EMAIL,
        [row.recipient],
        headers={"Message-ID": message_id(row.dedupe_key), "Auto-Submitted": "auto-generated", **_thread(row)},
    )
    if row.body_html:
        message.attach_alternative(row.body_html, "text/html")
    message.send()


def message_id(key: str) -> str:
    """The same for every attempt at the same notification, and different in every factory."""
    factory = factory_current()
    digest = hashlib.sha256(f"{factory.schema_name if factory else ''}/{key}".encode()).hexdigest()[:40]
    return f"<{digest}@{settings.DOMAIN_HOST}>"


def _thread(row: Notification) -> dict[str, str]:
    """Mails about one alert are shown together by mail programs."""
    if row.alert_id is None:
        return {}
    return {"References": message_id(f"alert:{row.alert_id}:{row.recipient}")}


def _context(alert: Alert, *, occasion: str) -> dict[str, Any]:
    zone = machine_zone(alert.machine)
    factory = factory_current()
    return {
        "alert": alert,
        "machine": alert.machine,
        "place": _place(alert),
        "factory": factory,
        "returned": occasion == "returned",
        "colour": _CALM if occasion == "returned" else _COLOURS.get(alert.severity, _COLOURS["high"]),
        "since": since_text(alert.since_at, zone),
        "returned_since": since_text(alert.returned_at, zone) if alert.returned_at else "",
        "rows": _evidence_rows(alert),
        "alert_url": factory_url(factory, f"/alerts/{alert.pk}") if factory else "",
    }


def _place(alert: Alert) -> str:
    line = alert.machine.line
    return f"{line.site} · {line}" if line is not None else ""


def _evidence_rows(alert: Alert) -> list[dict[str, str]]:
    metrics = {metric.name: metric for metric in Metric.objects.filter(machine=alert.machine)}
    rows = []
    for part in alert.evidence.get("metrics", []):
        metric = metrics.get(part["metric"]) or Metric(name=part["metric"], unit=part.get("unit", ""))
        low, high = part.get("expected") or (None, None)
        rows.append(
            {
                "metric": part_title(part, metric),
                "observed": figure(part.get("observed")),
                "expected": f"{figure(low)}–{figure(high)}" if low is not None and high is not None else "",
                "limit": figure(part["limit"]) if part.get("limit") is not None else "",
                "unit": metric.unit,
            }
        )
    return rows
