"""Limits on one metric over event time: duration before, hysteresis after. Pure: numpy, no loop over readings."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array, Int64Array


class Side(StrEnum):
    """On which side of the limit a metric is wrong."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Limit:
    """Wrong beyond `value` for `for_ms`; right again at `clear` or on its better side.

    gap_ms: readings further apart than this prove nothing about the time between them.
    """

    side: Side
    value: float
    clear: float
    for_ms: int
    gap_ms: int = 60_000

    @property
    def signature(self) -> str:
        """Changes when the rule was edited in a way that makes its running state meaningless."""
        return f"{self.side}/{self.value!r}/{self.clear!r}/{self.for_ms}"


@dataclass(frozen=True, slots=True)
class LimitState:
    """Where a limit's stream stands; kept between batches.

    to_ms: newest reading seen. since_ms: first reading of the present stretch beyond the limit. worst: the furthest
    reading of it.
    """

    to_ms: int = 0
    since_ms: int | None = None
    worst: float | None = None
    active: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "LimitState":
        return cls(**{name: stored[name] for name in ("to_ms", "since_ms", "worst", "active") if name in stored})


@dataclass(frozen=True, slots=True)
class Crossing:
    """The limit began (fired) or ended to be passed at `t_ms`; since_ms: first reading beyond, worst: the furthest."""

    fired: bool
    t_ms: int
    since_ms: int
    worst: float


def limit_evaluate(
    limit: Limit, state: LimitState, t_ms: Int64Array, values: Float64Array
) -> tuple[LimitState, list[Crossing]]:
    """Carry the state over newer readings of the metric, oldest first; readings not newer than the state are skipped.

    Splitting the readings into batches anywhere gives the same crossings.

    >>> hot = Limit(Side.ABOVE, value=80.0, clear=75.0, for_ms=2_000)
    >>> t = np.array([0, 1_000, 2_000, 3_000, 4_000, 5_000])
    >>> state, found = limit_evaluate(hot, LimitState(to_ms=-1), t, np.array([70.0, 81.0, 85.0, 82.0, 78.0, 74.0]))
    >>> [(c.fired, c.t_ms, c.since_ms, c.worst) for c in found]
    [(True, 3000, 1000, 85.0), (False, 5000, 1000, 85.0)]
    """
    newer = (t_ms > state.to_ms) & np.isfinite(values)
    t_ms, values = t_ms[newer], values[newer]
    crossings: list[Crossing] = []
    start = 0
    while start < len(t_ms):
        step = _while_active if state.active else _while_normal
        state, crossing, start = step(limit, state, t_ms, values, start)
        if crossing is not None:
            crossings.append(crossing)
    return state, crossings


def _while_active(
    limit: Limit, state: LimitState, t_ms: Int64Array, values: Float64Array, start: int
) -> tuple[LimitState, Crossing | None, int]:
    """Forward to the first reading that is right again, or to the end."""
    rest = values[start:]
    cleared = np.flatnonzero(rest <= limit.clear if limit.side is Side.ABOVE else rest >= limit.clear)
    stop = int(cleared[0]) if len(cleared) else len(rest)
    worst = _worst(limit, state.worst, rest[:stop])
    if not len(cleared):
        return replace(state, to_ms=int(t_ms[-1]), worst=worst), None, len(t_ms)
    at = int(t_ms[start + stop])
    since = state.since_ms if state.since_ms is not None else at
    crossing = Crossing(False, at, since, worst if worst is not None else float(rest[stop]))
    return LimitState(to_ms=at), crossing, start + stop + 1


def _while_normal(
    limit: Limit, state: LimitState, t_ms: Int64Array, values: Float64Array, start: int
) -> tuple[LimitState, Crossing | None, int]:
    """Forward to the reading at which the limit has been passed for long enough, or to the end."""
    times, rest = t_ms[start:], values[start:]
    beyond: NDArray[np.bool_] = rest > limit.value if limit.side is Side.ABOVE else rest < limit.value
    since, first = _stretch_starts(limit, state, times, beyond)
    long_enough = np.flatnonzero(beyond & (times - since >= limit.for_ms))
    if len(long_enough):
        at = int(long_enough[0])
        worst = _worst(limit, state.worst if first[at] < 0 else None, rest[max(first[at], 0) : at + 1])
        fired = LimitState(to_ms=int(times[at]), since_ms=int(since[at]), worst=worst, active=True)
        return fired, Crossing(True, int(times[at]), int(since[at]), _known(worst, rest[at])), start + at + 1
    if not beyond[-1]:
        return LimitState(to_ms=int(times[-1])), None, len(t_ms)
    worst = _worst(limit, state.worst if first[-1] < 0 else None, rest[max(first[-1], 0) :])
    return LimitState(to_ms=int(times[-1]), since_ms=int(since[-1]), worst=worst), None, len(t_ms)


def _stretch_starts(
    limit: Limit, state: LimitState, times: Int64Array, beyond: NDArray[np.bool_]
) -> tuple[Int64Array, NDArray[np.int64]]:
    """For each reading: when the stretch it stands in began, and the row where; row -1 is in an earlier batch."""
    position = np.arange(len(times))
    before = np.concatenate([[state.to_ms], times[:-1]])
    follows = np.concatenate([[state.since_ms is not None], beyond[:-1]]) & (times - before <= limit.gap_ms)
    starts = np.where(follows, -1, position)
    first: NDArray[np.int64] = np.maximum.accumulate(starts)
    carried = state.since_ms if state.since_ms is not None else 0
    return np.where(first < 0, carried, times[np.maximum(first, 0)]), first


def _worst(limit: Limit, before: float | None, values: Float64Array) -> float | None:
    if not len(values):
        return before
    mine = float(values.max() if limit.side is Side.ABOVE else values.min())
    if before is None:
        return mine
    return max(before, mine) if limit.side is Side.ABOVE else min(before, mine)


def _known(worst: float | None, value: float) -> float:
    return float(value) if worst is None else worst
