"""How a window becomes a drawable number of points. Pure: numpy alone.

A bucket keeps minimum, maximum and mean, so that a spike of one reading is still seen in a chart of a year.
"""

from dataclasses import dataclass

import numpy as np

from telemetry.readings import Float64Array, Int64Array

_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
# Widths people can read off an axis; each divides a minute, an hour or a day.
WIDTHS_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * _MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * _HOUR for n in (1, 2, 3, 6, 12)),
    *(n * _DAY for n in (1, 2, 7)),
)


def bucket_width(*, from_ms: int, to_ms: int, points: int) -> int:
    """The narrowest readable width at which [from_ms, to_ms) touches at most `points` aligned buckets.

    Raises ValueError for an empty window or fewer than 2 points: any window may straddle a boundary.

    >>> bucket_width(from_ms=0, to_ms=86_400_000, points=1000)
    120000
    """
    if to_ms <= from_ms or points < 2:
        raise ValueError("a window needs a length, and at least 2 points to be drawn with")
    for width in WIDTHS_MS:
        if bucket_count(from_ms=from_ms, to_ms=to_ms, width=width) <= points:
            return width
    width = WIDTHS_MS[-1]
    while bucket_count(from_ms=from_ms, to_ms=to_ms, width=width) > points:
        width *= 2
    return width


def bucket_count(*, from_ms: int, to_ms: int, width: int) -> int:
    """How many buckets that start at multiples of `width` the window [from_ms, to_ms) touches.

    >>> bucket_count(from_ms=9, to_ms=21, width=10)
    3
    """
    return (to_ms - 1) // width - from_ms // width + 1


@dataclass(frozen=True, slots=True)
class Spans:
    """Statistics per span between consecutive edges; a span without readings has count 0 and NaN elsewhere."""

    minimum: Float64Array
    maximum: Float64Array
    mean: Float64Array
    count: Int64Array


def regroup(
    edges_ms: Int64Array,
    *,
    t_ms: Int64Array,
    minimum: Float64Array,
    maximum: Float64Array,
    mean: Float64Array,
    count: Int64Array,
) -> Spans:
    """Narrow buckets gathered into wider spans of any lengths, such as plant days of 23 to 25 hours.

    edges_ms: ascending, shape (n + 1,); a bucket belongs to the span its start lies in, so the edges must be multiples
    of the buckets' width. Buckets outside all spans are left out. Returns columns of shape (n,).

    >>> one = np.array([0, 10, 20]); value = np.array([1.0, 2.0, 6.0])
    >>> spans = regroup(np.array([0, 20, 40]), t_ms=one, minimum=value, maximum=value, mean=value, count=one * 0 + 1)
    >>> spans.mean.tolist(), spans.count.tolist()
    ([1.5, 6.0], [2, 1])
    """
    size = len(edges_ms) - 1
    span = np.searchsorted(edges_ms, t_ms, side="right") - 1
    inside = (span >= 0) & (span < size)
    span, weight = span[inside], count[inside]
    total = np.bincount(span, weights=weight, minlength=size).astype(np.int64)
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, span, minimum[inside])
    np.maximum.at(high, span, maximum[inside])
    summed = np.bincount(span, weights=mean[inside] * weight, minlength=size)
    empty = total == 0
    low[empty] = high[empty] = np.nan
    averaged = np.divide(summed, total, out=np.full(size, np.nan), where=~empty)
    return Spans(minimum=low, maximum=high, mean=averaged, count=total)


def thinned(t_ms: Int64Array, columns: Float64Array, *, rows: int) -> Int64Array:
    """Which of many rows to keep so that every column's envelope still shows, and a slow column all of itself.

    t_ms: shape (n_rows,), ascending; columns: shape (n_rows, n_columns), NaN marks a gap. Each column has its share of
    `rows`: one with fewer readings keeps them all, a denser one its lowest and highest of each equal stretch of time,
    so that a block of 100 Hz does not thin out what a sensor tells once a second. Returns ascending indices, at most
    `rows` and two; all of them where there are no more.
    """
    total, width = columns.shape
    if total <= rows:
        return np.arange(total)
    share = max(2, rows // max(1, width))
    kept = [extremes(t_ms, columns[:, column], share=share) for column in range(width)]
    return np.unique(np.concatenate([np.array([0, total - 1]), *kept])).astype(np.int64)


def extremes(t_ms: Int64Array, column: Float64Array, *, share: int) -> Int64Array:
    """Indices of the lowest and highest of equal stretches of time, at most `share`, in no order; all where not more.

    NaN marks a gap, which is nothing.
    """
    known = np.flatnonzero(~np.isnan(column))
    if len(known) <= share:
        return known
    stretches = share // 2
    stretch = (t_ms[known] - t_ms[0]) * stretches // (t_ms[-1] - t_ms[0] + 1)
    order = np.lexsort((column[known], stretch))
    ordered = stretch[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    last = np.append(ordered[1:] != ordered[:-1], True)
    return np.asarray(known[order[first | last]])
