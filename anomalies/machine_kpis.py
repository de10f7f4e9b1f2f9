"""The key figures of one machine, for the row at the head of its page."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _

from anomalies.alerts.sentences import metric_title
from anomalies.detection.registry import normal_bands
from anomalies.models import Alert
from anomalies.tiles import Tile
from common import clock
from common.times import plant_day, to_ms
from common.units import UnitSystem, conversion
from telemetry.figures import figure
from telemetry.history.kpis import WindowKpis, kpis_window
from telemetry.history.spans import machine_zone
from telemetry.models import Metric, MetricKind

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_METRICS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """One figure: what it is, how much, in what unit, and a word beside it."""

    label: str
    value: str
    unit: str = ""
    detail: str = ""
    abnormal: bool = False
    href: str = ""


def machine_kpis(tile: Tile, *, units: UnitSystem) -> list[Kpi]:
    """What it does now against its day, what it made today, how much we know. Raises StoreUnavailableError."""
    now = clock.now()
    of_day = {part.metric: part for part in kpis_window(tile.machine, from_ms=to_ms(now - _DAY), to_ms=to_ms(now))}
    telling = [metric for metric in tile.metrics if metric.kind not in {MetricKind.STATE, MetricKind.COUNTER}]
    bands = normal_bands(tile.machine)
    kpis = [_level(metric, of_day.get(metric.name), bands.get(metric.name), units) for metric in telling[:_METRICS]]
    kpis += _made_today(tile)
    if of_day:
        share = max(part.availability for part in of_day.values())
        kpis.append(Kpi(label=_("Data received"), value=f"{share * 100:.0f}", unit="%", detail=_("of the last 24 h")))
    raised = Alert.objects.filter(machine=tile.machine, raised_at__gte=now - _WEEK).count()
    kpis.append(Kpi(label=_("Alerts"), value=str(raised), detail=_("in the last 7 days")))
    return kpis


def _level(metric: Metric, day: WindowKpis | None, band: tuple[float, float] | None, units: UnitSystem) -> Kpi:
    into = conversion(metric.unit, units)
    last = metric.last_value
    detail = ""
    if day is not None and day.minimum is not None and day.maximum is not None:
        span = {"low": figure(into.value(day.minimum)), "high": figure(into.value(day.maximum))}
        detail = _("24 h: %(low)s – %(high)s") % span
    return Kpi(
        label=metric_title(metric),
        value=figure(None if last is None else into.value(last)),
        unit=into.unit,
        detail=detail,
        abnormal=bool(band and last is not None and not band[0] <= last <= band[1]),
    )


def _made_today(tile: Tile) -> list[Kpi]:
    """What the first counter counted since the plant's midnight; a counter that began anew is counted from there."""
    counter = next((metric for metric in tile.metrics if metric.kind == MetricKind.COUNTER), None)
    if counter is None or counter.last_value is None:
        return []
    zone, now = machine_zone(tile.machine), clock.now()
    midnight, _end = plant_day(now.astimezone(zone).date(), zone)
    today = {part.metric: part for part in kpis_window(tile.machine, from_ms=to_ms(midnight), to_ms=to_ms(now))}
    part = today.get(counter.name)
    if part is None or part.minimum is None or part.last is None:
        return []
    made = part.last - part.minimum
    return [Kpi(label=metric_title(counter), value=figure(made), unit=counter.unit, detail=_("since midnight"))]
