"""Whether a machine's levels stand while it is learnt: what still warms up or runs in is not normal yet. Pure numpy.

Only levels are asked. A level that wanders and comes back, as with the load or the time of day, is settled; one that
moves one way all through, or jumped once and stayed, is not.
"""

from dataclasses import dataclass

import numpy as np

from anomalies.detection.grid import Grid
from telemetry.readings import Float64Array

# Means of so many stretches tell how a level went.
_STRETCHES, _FEWEST = 40, 20
# All parts of a drift lie one above the other, and it rises by this many standard deviations of what goes around it.
_PARTS, _RISE = 5, 6.0
# A jump is this many standard deviations of the levels before and after; the halves of a straight drift are 3.5 apart,
# those of a whole cycle at most 4.1.
_JUMP, _SIDE = 8.0, 4
# Below this share of the level nothing counts, as with followed levels.
_DEAD_BAND = 0.014
_KNOWN_SHARE = 0.5
# The newest part that may stand for all is a little longer than enough: windows reach over its beginning.
_NEWEST = 1.1


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a history may teach.

    start: its first row; None while no part is settled. moving: the metrics whose level still moves: why there is no
    such row, or, after the bound, what is taught nonetheless.
    """

    start: int | None
    moving: tuple[str, ...] = ()


def settled_part(grid: Grid, *, enough: int, bound: int) -> Settled:
    """All of a history, or its newest part where only that is settled.

    enough: how many cells teach at least. bound: from so many on (with gaps) a history is taken whole, settled or not.
    """
    known = np.flatnonzero(np.isfinite(grid.level).any(axis=1))
    newest = int(_NEWEST * enough)
    if len(known) <= newest or len(grid) >= bound:
        moving = metrics_unsettled(grid)
        return Settled(None if moving and len(grid) < bound else 0, moving)
    moving = metrics_unsettled(from_row(grid, int(known[-newest])))
    if moving:
        return Settled(None, moving)
    begins = range(0, len(known) - newest, newest // 2)
    windows = (_between(grid, int(known[at]), int(known[at + newest])) for at in begins)
    whole = not any(metrics_unsettled(window) for window in windows)
    return Settled(0 if whole else _stands_from(grid, int(known[-newest])))


def _stands_from(grid: Grid, start: int) -> int:
    """How far back levels were where they are from row `start` on: that row, or one before it."""
    stretch = max(1, (len(grid) - start) // _STRETCHES)
    ranges = [_range(_means(column)) for column in grid.level[start:].T]
    while start >= stretch:
        before = (column[np.isfinite(column)] for column in grid.level[start - stretch : start].T)
        levels = [float(part.mean()) if len(part) else np.nan for part in before]
        # What is not known is not elsewhere.
        if any(level < low or level > high for level, (low, high) in zip(levels, ranges, strict=True)):
            break
        start -= stretch
    return start


def _range(means: Float64Array) -> tuple[float, float]:
    if not len(means):
        return -np.inf, np.inf
    air = _DEAD_BAND / 2.0 * float(np.abs(means).mean())
    return float(means.min()) - air, float(means.max()) + air


def _between(grid: Grid, start: int, stop: int) -> Grid:
    parts = (part[start:stop] for part in (grid.level, grid.low, grid.high, grid.spread))
    return Grid(grid.step_ms, grid.metrics, grid.t_ms[start:stop], *parts)


def from_row(grid: Grid, start: int) -> Grid:
    """The grid without the rows before `start`."""
    return _between(grid, start, len(grid))


def metrics_unsettled(grid: Grid) -> tuple[str, ...]:
    """The metrics whose level drifted all through the grid, or jumped in it and stayed; empty when all stand.

    A metric of which too little is known is not asked.
    """
    return tuple(name for column, name in enumerate(grid.metrics) if _moves(grid.level[:, column]))


def _moves(level: Float64Array) -> bool:
    means = _means(level)
    if len(means) < _FEWEST:
        return False
    least = _DEAD_BAND * float(np.abs(means).mean())
    return _drifts(means, least) or _jumped(means, least)


def _means(level: Float64Array) -> Float64Array:
    """Means of the stretches of which at least half is known, oldest first."""
    parts = [part[np.isfinite(part)] for part in np.array_split(level, _STRETCHES)]
    sizes = [len(part) for part in np.array_split(level, _STRETCHES)]
    whole = [part.mean() for part, size in zip(parts, sizes, strict=True) if size and len(part) >= _KNOWN_SHARE * size]
    return np.array(whole, dtype=np.float64)


def _drifts(means: Float64Array, least: float) -> bool:
    steps = np.diff([part.mean() for part in np.array_split(means, _PARTS)])
    if not (steps > 0).all() and not (steps < 0).all():
        return False
    at = np.linspace(0.0, 1.0, len(means))
    slope, begins = np.polyfit(at, means, 1)
    around = float(np.std(means - begins - slope * at, ddof=2))
    return abs(float(slope)) > max(_RISE * around, least)


def _jumped(means: Float64Array, least: float) -> bool:
    for split in range(_SIDE, len(means) - _SIDE + 1):
        before, after = means[:split], means[split:]
        around = float(np.sqrt((np.var(before) * len(before) + np.var(after) * len(after)) / (len(means) - 2)))
        if abs(float(after.mean() - before.mean())) > max(_JUMP * around, least):
            return True
    return False
