"""Key figures of one machine: now, over a window, and per hour, day or week of its plant."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from common import clock
from common.times import from_ms as instant_of
from common.times import to_ms as ms_of
from common.units import Conversion, UnitSystem, conversion
from telemetry.equipment import machine_state
from telemetry.history.downsample import Spans, bucket_width, regroup
from telemetry.history.spans import Every, machine_zone, span_edges
from telemetry.models import Machine, Metric
from telemetry.readings import Int64Array
from telemetry.store import reading_store
from telemetry.store.base import Buckets

# Zones lie whole quarters of an hour from UTC, so buckets of this width never straddle a plant's hour.
_QUARTER_MS = 900_000
_HOUR_MS = 3_600_000
# Availability counts this many slots of a window at most, and none shorter than a minute.
_SLOTS = 2_000
_SHORTEST_SLOT_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMetric:
    """A metric's newest reading by event time."""

    name: str
    label: str
    unit: str
    kind: str
    value: float | None
    at: datetime | None
    age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKpis:
    """What a machine says now."""

    machine: str
    state: str
    last_seen_at: datetime | None
    metrics: list[LiveMetric]


def kpis_live(machine: Machine, *, system: UnitSystem = UnitSystem.STORED) -> LiveKpis:
    """Last values in these units and their age, from what the drain keeps beside each metric: no store is asked."""
    now = clock.now()
    return LiveKpis(
        machine=machine.key,
        state=machine_state(machine, now),
        last_seen_at=machine.last_seen_at,
        metrics=[
            _live_metric(metric, now, conversion(metric.unit, system)) for metric in machine.metrics.order_by("name")
        ],
    )


def _live_metric(metric: Metric, now: datetime, into: Conversion) -> LiveMetric:
    return LiveMetric(
        name=metric.name,
        label=str(metric),
        unit=into.unit,
        kind=metric.kind,
        value=None if metric.last_value is None else into.value(metric.last_value),
        at=metric.last_at,
        age_s=None if metric.last_at is None else max(0.0, (now - metric.last_at).total_seconds()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowKpis:
    """One metric over a window. Everything but `count` and `availability` is None where nothing was read.

    availability: share, 0 to 1, of the window's slots (a minute, or longer in long windows) with at least one reading,
    counted from when the machine was first known up to now.
    """

    metric: str
    label: str
    unit: str
    kind: str
    count: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    last: float | None
    availability: float


def kpis_window(machine: Machine, *, from_ms: int, to_ms: int) -> list[WindowKpis]:
    """Key figures of every metric over [from_ms, to_ms), by name. Raises StoreUnavailableError."""
    metrics = list(machine.metrics.order_by("name"))
    names = [metric.name for metric in metrics]
    slot_ms = max(_SHORTEST_SLOT_MS, bucket_width(from_ms=from_ms, to_ms=to_ms, points=_SLOTS))
    store = reading_store()
    buckets = store.buckets(machine, names, from_ms=from_ms, to_ms=to_ms, bucket_ms=slot_ms)
    newest = store.raw(machine, names, from_ms=from_ms, to_ms=to_ms, limit=1)
    first_ms = min([ms_of(machine.created_at), *(int(part.t_ms[0]) for part in buckets if len(part.t_ms))])
    slots = _slots(max(from_ms, first_ms), min(to_ms, clock.now_ms()), slot_ms)
    return [
        _window_metric(metric, part, float(last.values[-1]) if len(last) else None, slots)
        for metric, part, last in zip(metrics, buckets, newest, strict=True)
    ]


def _slots(from_ms: int, to_ms: int, slot_ms: int) -> int:
    return max(1, -(-to_ms // slot_ms) - from_ms // slot_ms)


def _window_metric(metric: Metric, part: Buckets, last: float | None, slots: int) -> WindowKpis:
    whole = _gathered(part, np.array([0, np.iinfo(np.int64).max]))
    return WindowKpis(
        metric=metric.name,
        label=str(metric),
        unit=metric.unit,
        kind=metric.kind,
        count=int(whole.count[0]),
        minimum=_number(whole.minimum[0]),
        maximum=_number(whole.maximum[0]),
        mean=_number(whole.mean[0]),
        last=last,
        availability=min(1.0, len(part.t_ms) / slots),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanKpis:
    """One metric over one hour, day or week of the plant; statistics are None where nothing was read."""

    start: datetime
    end: datetime
    count: int
    minimum: float | None
    maximum: float | None
    mean: float | None


def kpis_history(
    machine: Machine, metric: str, *, every: Every, from_ms: int, to_ms: int, into: Conversion
) -> list[SpanKpis]:
    """Key figures per span of the plant's calendar, whole spans around [from_ms, to_ms), times in the plant's zone.

    into: from the metric's stored unit to the reader's.
    Raises StoreUnavailableError; InvalidInputError when the window holds more than MAX_SPANS spans.
    """
    zone = machine_zone(machine)
    edges = span_edges(every, instant_of(from_ms), instant_of(to_ms), zone)
    edges_ms = np.array([ms_of(edge) for edge in edges], np.int64)
    # By the hour wherever the plant's clock allows it: then a year is read from statistics of hours.
    bucket_ms = _QUARTER_MS if (edges_ms % _HOUR_MS).any() else _HOUR_MS
    part = reading_store().buckets(
        machine, [metric], from_ms=int(edges_ms[0]), to_ms=int(edges_ms[-1]), bucket_ms=bucket_ms
    )[0]
    spans = _gathered(part, edges_ms)
    return [
        SpanKpis(
            start=edges[index].astimezone(zone),
            end=edges[index + 1].astimezone(zone),
            count=int(spans.count[index]),
            minimum=_number(into.value(spans.minimum[index])),
            maximum=_number(into.value(spans.maximum[index])),
            mean=_number(into.value(spans.mean[index])),
        )
        for index in range(len(edges) - 1)
    ]


def _gathered(part: Buckets, edges_ms: Int64Array) -> Spans:
    return regroup(
        edges_ms,
        t_ms=part.t_ms,
        minimum=part.minimum,
        maximum=part.maximum,
        mean=part.mean,
        count=part.count,
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
