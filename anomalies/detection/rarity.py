"""A machine of a single metric has no second witness: what was hardly ever seen before is told at once. Pure: numpy.

Four views of the stream - its level, its last step, its restlessness, the same time yesterday - each have a history of
their own. A view is beyond 1 when it passes what only a few of its values so far have passed (an online conformal
p-value); the histories are counts in logarithmic bins, so that a stream of years needs no more room than one of hours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.features import rolling_mean
from telemetry.readings import Float64Array

LEVEL_CELLS, RESTLESS_CELLS, DAY_CELLS = 10, 20, 5
_DAY_MS = 86_400_000
# A day of more cells than this would be too long a window to look back for every scoring.
_MOST_DAY_CELLS = 300
# Rare is what no more than a few values of all history so far have passed.
_RARE, _RARE_VALUES = 0.005, 3.0
# How far beyond its rare value each view must be to count as 1.
_WEIGHTS = np.array([1.0, 1.3, 0.9, 1.3])
_BASELINE = 1.5
_REFRACTORY = 0.2
_BINS, _PER_E = 1_400, 50.0  # bins of 2 %
_LOWEST = 1e-6
_LOOK_EVERY = 20


@dataclass(frozen=True, slots=True)
class Rarity:
    """column: of the grid. unit: its usual reach. day: cells of a day, 0 when too many or not seen in full.
    base: (2,), level and log-movement where the baselines begin; counts: (4, bins); cells: taught by."""

    column: int
    unit: float
    noise: float
    day: int
    base: Float64Array
    counts: NDArray[np.int64]
    cells: int

    @property
    def lookback(self) -> int:
        """Cells before the first one judged that its views need."""
        return max(RESTLESS_CELLS, LEVEL_CELLS, self.day) + DAY_CELLS + 1

    @property
    def refractory(self) -> int:
        """Cells after a detection in which no further one is told."""
        return int(_REFRACTORY * self.cells)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, for an npz."""
        numbers = np.array([self.column, self.unit, self.noise, self.day, self.cells], dtype=np.float64)
        return {"numbers": numbers, "base": self.base, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Rarity":
        """The inverse. Raises KeyError, ValueError."""
        column, unit, noise, day, cells = arrays["numbers"].tolist()
        if arrays["counts"].shape != (len(_WEIGHTS), _BINS):
            raise ValueError("the counts of rarity are not those of its views")
        return cls(int(column), unit, noise, int(day), arrays["base"], arrays["counts"], int(cells))


@dataclass(slots=True)
class RarityCourse:
    """Where the stream stands."""

    base: Float64Array
    counts: NDArray[np.int64]
    total: int
    rare: Float64Array
    looked: int = 0


def rarity_fit(level: Float64Array, step_ms: int) -> Rarity | None:
    """Teach by history of one metric, shape (n,); None with fewer than 100 values."""
    known = level[np.isfinite(level)]
    cells = len(known)
    if cells < 100:
        return None
    day = round(_DAY_MS / step_ms)
    low, high = np.quantile(known, (0.01, 0.99))
    blank = Rarity(
        column=0,
        unit=float(high - low) or max(float(np.abs(known).max()), 1e-9),
        noise=float(known.std()) + 1e-9,
        day=day if 3 < day <= min(_MOST_DAY_CELLS, cells // 2) else 0,
        base=np.zeros(2),
        counts=np.zeros((len(_WEIGHTS), _BINS), dtype=np.int64),
        cells=cells,
    )
    parts = _views(blank, level)
    first = np.array([float(parts[np.isfinite(parts[:, at]), at][0]) for at in (0, 2)])
    course = RarityCourse(first, blank.counts.copy(), 0, np.full(len(_WEIGHTS), np.inf))
    for row in parts:
        _take(blank, course, row)
    return Rarity(0, blank.unit, blank.noise, blank.day, course.base, course.counts, cells)


def rarity_begin(rarity: Rarity) -> RarityCourse:
    """The stream's course where teaching ended."""
    course = RarityCourse(
        rarity.base.copy(), rarity.counts.copy(), int(rarity.counts[0].sum()), np.full(len(_WEIGHTS), np.inf)
    )
    _look(rarity, course)
    return course


def rarity_run(rarity: Rarity, course: RarityCourse, level: Float64Array, start: int) -> Float64Array:
    """Scores of the cells from `start` on, 1 is the threshold; the course goes on. level: shape (n,), oldest first."""
    parts = _views(rarity, level)[start:]
    found = np.full(len(parts), np.nan)
    for at, row in enumerate(parts):
        if course.looked >= _LOOK_EVERY:
            _look(rarity, course)
        views = _take(rarity, course, row)
        if np.isfinite(level[start + at]):
            found[at] = float(np.fmax.reduce(views / course.rare))
    return found


def _views(rarity: Rarity, level: Float64Array) -> Float64Array:
    """Shape (n, 4): rolling level, last step, log-movement, difference to yesterday; the first and third still bare."""
    step = np.abs(np.diff(level, prepend=level[:1]))
    moves = np.log(step + 0.05 * rarity.noise)
    day = np.full(len(level), np.nan)
    if rarity.day and len(level) > rarity.day:
        apart = np.full(len(level), np.nan)
        apart[rarity.day :] = level[rarity.day :] - level[: -rarity.day]
        day = np.abs(rolling_mean(apart, DAY_CELLS))
    return np.column_stack([rolling_mean(level, LEVEL_CELLS), step, rolling_mean(moves, RESTLESS_CELLS), day])


def _take(rarity: Rarity, course: RarityCourse, row: Float64Array) -> Float64Array:
    """The four views of one cell in plain distance; baselines and counts take the cell in."""
    share = 1.0 / (_BASELINE * rarity.cells)
    bare = row[[0, 2]]
    apart = bare - course.base
    course.base = np.where(np.isfinite(bare), course.base + share * apart, course.base)
    views = np.array([abs(apart[0]), row[1], max(apart[1], 0.0) if np.isfinite(apart[1]) else np.nan, row[3]])
    units = np.array([rarity.unit, rarity.unit, 1.0, rarity.unit])
    known = np.flatnonzero(np.isfinite(views))
    bins = np.log(np.maximum(views[known] / units[known], _LOWEST) / _LOWEST) * _PER_E
    # Before it is cut to a whole number, because that of infinity is anything.
    course.counts[known, np.clip(bins, 0, _BINS - 1).astype(np.int64)] += 1
    course.total += 1
    course.looked += 1
    return views


def _look(rarity: Rarity, course: RarityCourse) -> None:
    """The value of each view that is rare by now, times its weight."""
    units = np.array([rarity.unit, rarity.unit, 1.0, rarity.unit])
    from_top = np.cumsum(course.counts[:, ::-1], axis=1)
    for at in range(len(_WEIGHTS)):
        total = int(from_top[at, -1])
        if not total:
            course.rare[at] = np.inf
            continue
        share = min(_RARE, _RARE_VALUES / total)
        bin_at = _BINS - 1 - int(np.searchsorted(from_top[at], max(share * total, 1.0)))
        course.rare[at] = _WEIGHTS[at] * units[at] * _LOWEST * np.exp((bin_at + 1) / _PER_E)
    course.looked = 0
