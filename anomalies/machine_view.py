"""What the charts of a page need to know: metrics, normal bands, marks of alerts. Plain data for `json_script`."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies.alerts.maintenance import windows_of
from anomalies.alerts.sentences import metric_title, part_title
from anomalies.detection.features import Aspect
from anomalies.detection.registry import normal_bands
from anomalies.models import Alert, MaintenanceWindow
from common import clock
from common.times import to_ms
from common.units import UnitSystem, conversion
from telemetry.history.spans import machine_zone
from telemetry.models import Machine, Metric

# How much before and after an alert its chart shows.
_BEFORE = timedelta(minutes=10)
_AFTER = timedelta(minutes=5)
_LONGEST = timedelta(days=2)
_MARKS = 200
_MOVEMENT = frozenset({Aspect.SPREAD.value, Aspect.RIPPLE.value})


def machine_view_config(
    machine: Machine, metrics: list[Metric], *, units: UnitSystem = UnitSystem.STORED, known: list[str] | None = None
) -> dict[str, Any]:
    """For static/js/modules/machine-view.js: these metrics of the machine, in this order.

    known: names of all its metrics, where only some are shown.
    """
    marks = [alert_mark(alert) for alert in machine.alerts.order_by("-raised_at")[:_MARKS]]
    marks += [maintenance_mark(window) for window in windows_of(machine)[:_MARKS]]
    return _config(machine, metrics, marks, units) | {"window": None} | ({"known": known} if known is not None else {})


def alert_view_config(alert: Alert, *, units: UnitSystem = UnitSystem.STORED) -> dict[str, Any]:
    """For the chart of an alert: the metrics that explain it, around the time it began."""
    named = [part.get("metric") for part in alert.evidence.get("metrics") or []]
    by_name = {metric.name: metric for metric in alert.machine.metrics.all()}
    metrics = [by_name[name] for name in named if name in by_name][:4]
    return _config(alert.machine, metrics, [alert_mark(alert)], units) | {"window": _window(alert)}


def alert_mark(alert: Alert) -> dict[str, Any]:
    """One alert as a span on the time axis; `to` is None while it lasts."""
    return {
        "id": alert.pk,
        "kind": "alert",
        "from": to_ms(alert.since_at),
        "to": to_ms(alert.returned_at) if alert.returned_at else None,
        "severity": alert.severity,
        "title": alert.title_said,
        "metrics": [part.get("metric") for part in alert.evidence.get("metrics") or []],
    }


def maintenance_mark(window: MaintenanceWindow) -> dict[str, Any]:
    """Planned maintenance as a span on every chart of what it covers."""
    return {
        "id": window.pk,
        "kind": "maintenance",
        "from": to_ms(window.starts_at),
        "to": to_ms(window.ends_at),
        "severity": "",
        "title": _("Maintenance: %(reason)s") % {"reason": window.reason},
        "metrics": [],
    }


def _window(alert: Alert) -> dict[str, int]:
    start, now = alert.since_at - _BEFORE, clock.now()
    end = min(now, (alert.returned_at or now) + _AFTER, start + _LONGEST)
    return {"from": to_ms(start), "to": to_ms(max(end, start + _AFTER))}


def _config(machine: Machine, metrics: list[Metric], marks: list[dict[str, Any]], units: UnitSystem) -> dict[str, Any]:
    bands = normal_bands(machine)
    return {
        "machine": machine.key,
        "zone": machine_zone(machine).key,
        "silentAfterS": machine.silent_after_s,
        "lastSeenMs": to_ms(machine.last_seen_at) if machine.last_seen_at else None,
        "units": units.value,
        "metrics": [metric_config(metric, bands.get(metric.name), units) for metric in metrics],
        "known": [metric.name for metric in metrics],
        "marks": marks,
        "historyUrl": reverse("api_telemetry", args=[machine.key]),
        "words": _words(),
    }


def metric_config(metric: Metric, band: tuple[float, float] | None, units: UnitSystem) -> dict[str, Any]:
    """One metric as charts need it, in the reader's units; scale and offset lead there from the stored ones."""
    into = conversion(metric.unit, units)
    return {
        "name": metric.name,
        "label": metric_title(metric),
        "unit": into.unit,
        "kind": metric.kind,
        "scale": into.scale,
        "offset": into.offset,
        "last": None if metric.last_value is None else into.value(metric.last_value),
        "band": [into.value(float(band[0])), into.value(float(band[1]))] if band else None,
    }


def _words() -> dict[str, str]:
    """What scripts write into the page, in the reader's language."""
    return {"live": _("Live"), "delayed": _("Delayed"), "silent": _("Silent"), "new": _("No readings yet")}


def evidence_parts(alert: Alert, *, units: UnitSystem = UnitSystem.STORED) -> list[dict[str, Any]]:
    """The metrics that explain an alert, heaviest first, with names for people and figures in the reader's units.

    current: the metric's newest value, while the alert's trouble goes on.
    """
    metrics = {metric.name: metric for metric in alert.machine.metrics.all()}
    return [
        {
            **_converted({**part, "current": _current(alert, part, metrics)}, units),
            "title": part_title(part, metrics.get(part["metric"]) or Metric(name=part["metric"])),
        }
        for part in alert.evidence.get("metrics") or []
    ]


def _current(alert: Alert, part: dict[str, Any], metrics: dict[str, Metric]) -> float | None:
    """None where it is over, or where the newest value is no figure of this kind: of a movement, or of two metrics."""
    moves = part.get("aspect") in _MOVEMENT or part.get("op") in ("rises", "falls")
    if alert.returned_at is not None or moves or part.get("minus") or part.get("machine"):
        return None
    metric = metrics.get(part["metric"])
    return metric.last_value if metric else None


def _converted(part: dict[str, Any], units: UnitSystem) -> dict[str, Any]:
    into = conversion(part.get("unit") or "", units)
    if not into.changes:
        return part
    # How far a metric moves has no zero to be shifted by.
    change = into.difference if part.get("aspect") in _MOVEMENT else into.value
    changed: dict[str, Any] = {
        name: change(part[name]) for name in ("observed", "current", "limit") if part.get(name) is not None
    }
    if part.get("expected"):
        changed["expected"] = [change(edge) for edge in part["expected"]]
    return {**part, **changed, "unit": into.unit}
