"""Series of a machine as charts, exports and detectors read them."""

from collections.abc import Sequence

import numpy as np

from telemetry.history.downsample import bucket_width
from telemetry.history.lttb import CANDIDATES, lttb
from telemetry.models import Machine
from telemetry.readings import Series
from telemetry.store import reading_store
from telemetry.store.base import Buckets

DEFAULT_POINTS = 1_000
MAX_POINTS = 10_000
_MINUTE_MS, _LONG_MS = 60_000, 6 * 3_600_000
_READINGS_TAKEN_ONE_BY_ONE = 100_000


def series_read(
    machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, points: int = DEFAULT_POINTS
) -> list[Buckets]:
    """At most `points` buckets of each metric over [from_ms, to_ms), in the order asked.

    A window of many hours begins at a full minute: see `chart_from`.
    Raises StoreUnavailableError; ValueError for an empty window.
    """
    width = bucket_width(from_ms=from_ms, to_ms=to_ms, points=points)
    from_ms = chart_from(from_ms, to_ms)
    return reading_store().buckets(machine, metrics, from_ms=from_ms, to_ms=to_ms, bucket_ms=width)


def chart_from(from_ms: int, to_ms: int) -> int:
    """Where a chart of [from_ms, to_ms) begins: a long one at the full minute that holds its first reading.

    Stores keep sums of minutes; for a part of one they would read everything again that it is made of.
    """
    return from_ms // _MINUTE_MS * _MINUTE_MS if to_ms - from_ms >= _LONG_MS else from_ms


def series_for_the_eye(
    machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, points: int = DEFAULT_POINTS
) -> list[Series]:
    """At most `points` points of each metric whose line looks like that of all readings (LTTB), in the order asked.

    Points are readings. Of a metric with more than 100,000 in the window they are the lowest and highest of narrow
    buckets, told at the buckets' start and middle. Raises StoreUnavailableError; ValueError for an empty window.
    """
    narrow = min(MAX_POINTS, CANDIDATES * points)
    width = bucket_width(from_ms=from_ms, to_ms=to_ms, points=narrow)
    buckets = reading_store().buckets(machine, metrics, from_ms=from_ms, to_ms=to_ms, bucket_ms=width)
    few = [part.metric for part in buckets if part.count.sum() <= _READINGS_TAKEN_ONE_BY_ONE]
    raw = {part.metric: part for part in series_raw(machine, few, from_ms=from_ms, to_ms=to_ms)}
    return [
        _drawn(raw.get(part.metric) or _extremes_of(machine, part, from_ms=from_ms, width=width), points)
        for part in buckets
    ]


def _drawn(part: Series, points: int) -> Series:
    chosen = lttb(part.t_ms, part.values, points=points)
    return Series(part.machine, part.metric, part.t_ms[chosen], part.values[chosen])


def _extremes_of(machine: Machine, part: Buckets, *, from_ms: int, width: int) -> Series:
    """Lowest and highest of each bucket as readings, in the order in which the metric's course makes likely."""
    rising = np.diff(part.mean, prepend=part.mean[:1]) >= 0
    values = np.column_stack(
        [np.where(rising, part.minimum, part.maximum), np.where(rising, part.maximum, part.minimum)]
    )
    t_ms = np.column_stack([np.maximum(part.t_ms, from_ms), np.maximum(part.t_ms + width // 2, from_ms + 1)])
    return Series(machine.key, part.metric, t_ms.ravel(), values.ravel())


def series_raw(
    machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
) -> list[Series]:
    """Readings as stored, oldest first; with a limit the newest of each metric. Raises StoreUnavailableError."""
    return reading_store().raw(machine, metrics, from_ms=from_ms, to_ms=to_ms, limit=limit)


def metric_units(machine: Machine) -> dict[str, str]:
    """The unit of every metric the machine has sent, by name and in its order."""
    return dict(machine.metrics.order_by("name").values_list("name", "unit"))
