"""A report's contents in the reader's words: numbers with units, times in plant time, reasons as sentences."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from anomalies.models import HealthStatus, Severity
from reports.contents import SEVERITIES, Document
from telemetry.figures import decimal_mark

NOTHING = "–"
_GERMAN_MARKS = str.maketrans(",.", ".,")


def number_text(value: float | None, *, digits: int = 4) -> str:
    """A measured value with as many digits as a person reads.

    >>> [number_text(v) for v in (None, 71.3, 0.0123456, 12345.678, 221.04, 0.0)]
    ['–', '71.30', '0.0123', '12,346', '221.0', '0']
    """
    if value is None:
        return NOTHING
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1:
        return _marked(f"{value:.3g}")
    decimals = max(0, digits - len(str(int(size))))
    return _marked(f"{value:,.{decimals}f}")


def _marked(text: str) -> str:
    """A number with the marks of the reader's language: in German 1.234,5."""
    return text.translate(_GERMAN_MARKS) if decimal_mark() == "," else text


def share_text(share: float) -> str:
    """A share as percent; only a whole one is “100 %”.

    >>> share_text(0.99996), share_text(1.0), share_text(0.5)
    ('99.9 %', '100 %', '50.0 %')
    """
    if share >= 1.0:
        return "100 %"
    return _marked(f"{int(share * 1000) / 10:.1f} %")


def minutes_text(minutes: int) -> str:
    """A duration in its two largest units.

    >>> minutes_text(0), minutes_text(12), minutes_text(125), minutes_text(1500)
    ('< 1 min', '12 min', '2 h 5 min', '1 d 1 h')
    """
    if minutes < 1:
        return "< 1 min"
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {left} min" if hours else f"{left} min"


def instant_text(told: str | None) -> str:
    """An instant of the contents, which carries its plant time already."""
    if told is None:
        return NOTHING
    return date_format(datetime.fromisoformat(told).replace(tzinfo=None), "D j M Y, H:i")


def period_text(period: Mapping[str, str]) -> str:
    """The period as its first and last day, or with times where it doesn't begin and end at midnight."""
    begin, end = (datetime.fromisoformat(period[side]).replace(tzinfo=None) for side in ("from", "to"))
    if begin.time() == end.time() == begin.min.time():
        return f"{date_format(begin, 'D j M Y')} – {date_format(end - timedelta(days=1), 'D j M Y')}"
    return f"{date_format(begin, 'D j M Y, H:i')} – {date_format(end, 'D j M Y, H:i')}"


def severity_text(severity: str) -> str:
    """The severity's name."""
    return str(Severity(severity).label)


def health_text(health: Mapping[str, Any]) -> str:
    """What detection says, with the percentage where it has one."""
    label = str(HealthStatus(health["status"]).label)
    return label if health["percent"] is None else f"{label}, {health['percent']:.0f} %"


def urgency_text(urgency: str) -> str:
    """When to look."""
    return {"now": _("Look now"), "soon": _("This week"), "watch": _("Keep watching")}[urgency]


def reason_text(reason: Document) -> str:
    """Why a machine is on the list, as one sentence."""
    return _REASONS[reason["code"]](reason)


def _alert_open(reason: Document) -> str:
    return _("%(severity)s alert since %(since)s: %(title)s. %(summary)s.") % {
        "severity": severity_text(reason["severity"]),
        "since": instant_text(reason["from"]),
        "title": reason["title"].rstrip("."),
        "summary": reason["summary"].rstrip("."),
    }


def _alerts_cleared(reason: Document) -> str:
    return ngettext(
        "%(count)s alert came and went, at worst %(severity)s, %(time)s in all.",
        "%(count)s alerts came and went, at worst %(severity)s, %(time)s in all.",
        reason["count"],
    ) % {
        "count": reason["count"],
        "severity": severity_text(reason["severity"]).lower(),
        "time": minutes_text(reason["minutes"]),
    }


def _anomalous_now(reason: Document) -> str:
    return _("Its readings were unlike its normal ones when this report was made.")


def _no_data(reason: Document) -> str:
    if reason["last_seen_at"] is None:
        return _("It has never sent a reading.")
    return _("No reading arrived in the period; last seen %(at)s.") % {"at": instant_text(reason["last_seen_at"])}


def _availability_low(reason: Document) -> str:
    return _("Readings are there for %(share)s of the time: check sensor, gateway and network.") % {
        "share": share_text(reason["availability"])
    }


_REASONS = {
    "alert_open": _alert_open,
    "alerts_cleared": _alerts_cleared,
    "anomalous_now": _anomalous_now,
    "no_data": _no_data,
    "availability_low": _availability_low,
}


def document_view(contents: Document) -> dict[str, Any]:
    """Everything a template prints, as text: nothing is left to format there."""
    totals = contents["totals"]
    return {
        "factory": contents["factory"]["name"],
        "period": period_text(contents["period"]),
        "time_zone": contents["period"]["time_zone"],
        "machines_count": totals["machines"],
        "readings": f"{totals['readings']:,}",
        "availability": share_text(totals["availability"]),
        "alerts_all": totals["alerts_all"],
        "alerts_open": totals["alerts_open"],
        "severities": [(name, severity_text(name), totals["alerts"][name]) for name in SEVERITIES],
        "look_first": [_ranked_view(entry) for entry in contents["look_first"]],
        "machines": [_machine_view(machine) for machine in contents["machines"]],
    }


def _ranked_view(entry: Document) -> dict[str, Any]:
    return {
        "rank": entry["rank"],
        "key": entry["machine"],
        "name": entry["name"],
        "urgency": entry["urgency"],
        "urgency_text": urgency_text(entry["urgency"]),
        "reasons": [reason_text(reason) for reason in entry["reasons"]],
    }


def _machine_view(machine: Document) -> dict[str, Any]:
    return {
        "key": machine["key"],
        "anchor": "machine-" + re.sub(r"\W", "-", machine["key"]),
        "name": machine["name"],
        "place": " · ".join(part for part in (machine["type"], machine["line"]) if part),
        "availability": share_text(machine["availability"]),
        "readings": f"{machine['readings']:,}",
        "health": health_text(machine["health"]),
        "health_status": machine["health"]["status"],
        "last_seen": instant_text(machine["last_seen_at"]),
        "alerts_count": len(machine["alerts"]),
        "alerts_open": sum(alert["to"] is None for alert in machine["alerts"]),
        "metrics": [_metric_view(metric) for metric in machine["metrics"]],
        "alerts": [_alert_view(alert) for alert in machine["alerts"]],
    }


def _metric_view(metric: Document) -> dict[str, Any]:
    return {
        "label": metric["label"],
        "unit": metric["unit"] or NOTHING,
        **{name: number_text(metric[name]) for name in ("minimum", "mean", "maximum", "last")},
        "count": f"{metric['count']:,}",
        "availability": share_text(metric["availability"]),
    }


def _alert_view(alert: Document) -> dict[str, Any]:
    return {
        "severity": alert["severity"],
        "severity_text": severity_text(alert["severity"]),
        "title": alert["title"],
        "summary": alert["summary"],
        "since": instant_text(alert["from"]),
        "lasted": _("%(time)s, still open") % {"time": minutes_text(alert["minutes"])}
        if alert["to"] is None
        else minutes_text(alert["minutes"]),
        "acknowledged_by": alert["acknowledged_by"] or NOTHING,
    }
