"""Series that conditions look at and nobody sends: a metric's change over some seconds, a difference of two. Pure."""

from collections.abc import Sequence

import numpy as np

from telemetry.readings import Float64Array, Int64Array, Series

# Within a window of change as many readings are kept as references, the first of each part.
_PARTS = 32
# How long the metric that is subtracted speaks for itself, and how long its next reading is waited for.
HELD_MS, WAIT_MS = 600_000, 60_000

Point = tuple[int, float]
Columns = tuple[Int64Array, Float64Array]


def change_over(tail: Sequence[Point], t_ms: Int64Array, values: Float64Array, *, over_ms: int) -> Columns:
    """What each new reading differs from the oldest reference at most `over_ms` before it.

    tail: references kept from before, oldest first (`references` makes them). NaN where references reach back less
    than half of `over_ms`: a change over a minute can't be told after ten seconds.
    """
    kept_ms, kept = _with_tail(tail, t_ms, values, over_ms)
    place = np.searchsorted(kept_ms, t_ms - over_ms, side="left")
    known = place < len(kept_ms)
    place = np.where(known, place, 0)
    known &= t_ms - kept_ms[place] >= over_ms / 2 if len(kept_ms) else False
    return t_ms, np.where(known, values - kept[place], np.nan)


def references(tail: Sequence[Point], t_ms: Int64Array, values: Float64Array, *, over_ms: int) -> list[Point]:
    """The references to keep for what comes next: the first reading of each part, as far back as `over_ms`.

    >>> references([], np.array([0, 10, 20, 30, 999]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]), over_ms=640)
    [(999, 5.0)]
    """
    kept_ms, kept = _with_tail(tail, t_ms, values, over_ms)
    if not len(t_ms):
        return list(tail)
    fresh = kept_ms >= t_ms[-1] - over_ms
    return list(zip(kept_ms[fresh].tolist(), kept[fresh].tolist(), strict=True))


def _with_tail(tail: Sequence[Point], t_ms: Int64Array, values: Float64Array, over_ms: int) -> Columns:
    all_ms = np.concatenate([np.array([t for t, _v in tail], np.int64), t_ms])
    everything = np.concatenate([np.array([v for _t, v in tail], np.float64), values])
    # By the clock, not by the batch: whichever way readings are cut, the same ones are kept.
    part = all_ms // max(1, over_ms // _PARTS)
    first = np.ones(len(all_ms), np.bool_)
    first[1:] = part[1:] != part[:-1]
    return all_ms[first], everything[first]


def difference(
    mine: Series | None, other: Series | None, *, to_ms: int, last: Point | None
) -> tuple[Columns, Point | None]:
    """One metric less another's latest value at that instant; and that other's reading to go on from.

    Readings wait until the other metric has reported as far, a minute at most; NaN where it has not, for ten minutes.
    to_ms: newest reading of the first that was looked at; last: newest of the other that was.
    """
    mine_ms, mine_values = _newer(mine, to_ms)
    other_ms, other_values = _newer(other, last[0] if last else to_ms - HELD_MS)
    if not len(mine_ms):
        return (mine_ms, mine_values), last
    newest_other = int(other_ms[-1]) if len(other_ms) else (last[0] if last else 0)
    until = max(min(int(mine_ms[-1]), newest_other), int(mine_ms[-1]) - WAIT_MS)
    mine_ms, mine_values = mine_ms[mine_ms <= until], mine_values[mine_ms <= until]
    told = other_ms <= until
    known_ms, known = other_ms[told], other_values[told]
    if last is not None:
        known_ms, known = np.append(last[0], known_ms), np.append(last[1], known)
    return (mine_ms, _less(mine_ms, mine_values, known_ms, known)), _newest(known_ms, known)


def _less(t_ms: Int64Array, values: Float64Array, known_ms: Int64Array, known: Float64Array) -> Float64Array:
    if not len(known_ms):
        return np.full(len(t_ms), np.nan)
    place = np.searchsorted(known_ms, t_ms, side="right") - 1
    holds = (place >= 0) & (t_ms - known_ms[np.maximum(place, 0)] <= HELD_MS)
    return np.where(holds, values - known[np.maximum(place, 0)], np.nan)


def _newest(known_ms: Int64Array, known: Float64Array) -> Point | None:
    return (int(known_ms[-1]), float(known[-1])) if len(known_ms) else None


def _newer(part: Series | None, than_ms: int) -> Columns:
    if part is None:
        return np.empty(0, np.int64), np.empty(0)
    start = int(np.searchsorted(part.t_ms, than_ms, side="right"))
    return part.t_ms[start:], part.values[start:]
