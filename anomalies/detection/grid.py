"""Readings of one machine on one clock: metrics of any rate become cells of equal length. Pure: numpy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array, Int64Array, Series

SMALLEST_STEP_MS = 1_000
# Steps that people recognise on a chart; the clock is the first one that is not faster than the fastest metric.
# They lie close together: a cell of now one reading and now two is noisier where it has one.
_STEPS_MS = (
    1_000,
    2_000,
    3_000,
    5_000,
    10_000,
    15_000,
    20_000,
    30_000,
    60_000,
    120_000,
    180_000,
    300_000,
    600_000,
    900_000,
    1_200_000,
    1_800_000,
    3_600_000,
)
# A value stands until the next one is overdue by this factor; after that there is a gap, never an old value.
_HOLD_INTERVALS = 2.5
# From this many readings in a cell on, their spread says something of its own (a vibration block beside 1 Hz).
FAST_READINGS_PER_CELL = 8


class Cells(Protocol):
    """One metric's readings per cell; `telemetry.store.base.Buckets` is one."""

    @property
    def metric(self) -> str: ...
    @property
    def t_ms(self) -> Int64Array: ...
    @property
    def minimum(self) -> Float64Array: ...
    @property
    def maximum(self) -> Float64Array: ...
    @property
    def mean(self) -> Float64Array: ...
    @property
    def count(self) -> Int64Array: ...


@dataclass(frozen=True, slots=True)
class CellColumns:
    """`Cells` made from readings at hand."""

    metric: str
    t_ms: Int64Array
    minimum: Float64Array
    maximum: Float64Array
    mean: Float64Array
    count: Int64Array


@dataclass(frozen=True, slots=True)
class CellTable:
    """Cells of many series; columns: a number for whose each one is."""

    columns: Int64Array
    t_ms: Int64Array
    minimum: Float64Array
    maximum: Float64Array
    mean: Float64Array
    count: Int64Array


@dataclass(frozen=True, slots=True)
class Clock:
    """How a machine's time is cut: cell length, and how long each metric's value stands (in cells, at least 1)."""

    step_ms: int
    hold: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Grid:
    """A machine's readings in cells; row i covers [t_ms[i], t_ms[i] + step_ms).

    t_ms: shape (n,), ascending without holes. level: shape (n, m), mean of the cell or the value that still stands;
    NaN is a gap. low, high: shape (n, m), of readings of that very cell; NaN where there was none. spread: shape
    (n, m), standard deviation within the cell, NaN with fewer than FAST_READINGS_PER_CELL readings.
    """

    step_ms: int
    metrics: tuple[str, ...]
    t_ms: Int64Array
    level: Float64Array
    low: Float64Array
    high: Float64Array
    spread: Float64Array

    def __len__(self) -> int:
        return len(self.t_ms)


def interval_ms(t_ms: Int64Array) -> float:
    """The usual distance of two readings; infinite when fewer than two are known."""
    if len(t_ms) < 2:
        return float("inf")
    return float(np.median(np.diff(t_ms)))


def clock_for(intervals_ms: Mapping[str, float]) -> Clock:
    """The clock of a machine, from the usual interval of each of its metrics.

    >>> clock_for({"vibration": 10.0, "temperature": 1003.0})
    Clock(step_ms=1000, hold={'vibration': 3, 'temperature': 3})
    >>> clock_for({"level": 60_000.0}).step_ms, clock_for({"level": 180_000.0}).step_ms
    (60000, 180000)
    """
    finite = [ms for ms in intervals_ms.values() if np.isfinite(ms)]
    fastest = max(min(finite, default=SMALLEST_STEP_MS), SMALLEST_STEP_MS)
    # A device that is a little late each time still reports once a cell.
    step_ms = next((step for step in _STEPS_MS if step * 1.1 >= fastest), _STEPS_MS[-1])
    hold = {
        name: int(np.ceil(_HOLD_INTERVALS * max(ms, step_ms) / step_ms)) if np.isfinite(ms) else 1
        for name, ms in intervals_ms.items()
    }
    return Clock(step_ms=step_ms, hold=hold)


def grid_from_cells(cells: Sequence[Cells], clock: Clock, *, from_ms: int, to_ms: int) -> Grid:
    """Lay cells on a clock from `from_ms` (rounded down to a cell) to `to_ms` (that cell is left out)."""
    metrics = tuple(part.metric for part in cells)
    columns = np.repeat(np.arange(len(cells)), np.array([len(part.t_ms) for part in cells], dtype=np.int64))
    names = ("t_ms", "minimum", "maximum", "mean", "count")
    parts = (np.concatenate([getattr(part, name) for part in cells] or [np.zeros(0)]) for name in names)
    return grid_filled(metrics, clock, CellTable(columns, *parts), from_ms=from_ms, to_ms=to_ms)


def grid_filled(metrics: tuple[str, ...], clock: Clock, cells: CellTable, *, from_ms: int, to_ms: int) -> Grid:
    """The same of a table, whose columns are places in `metrics`."""
    step = clock.step_ms
    first, last = from_ms // step, to_ms // step
    times = np.arange(first, max(last, first), dtype=np.int64) * step
    row = cells.t_ms.astype(np.int64) // step - first
    inside = (row >= 0) & (row < len(times))
    at = (row[inside], cells.columns[inside])
    level, low, high, spread = (np.full((len(times), len(metrics)), np.nan) for _ in range(4))
    level[at], low[at], high[at] = cells.mean[inside], cells.minimum[inside], cells.maximum[inside]
    spread[at] = _spread_in_cell(cells)[inside]
    holds = np.array([clock.hold.get(metric, 1) for metric in metrics], dtype=np.int64)
    return Grid(step, metrics, times, _held(level, holds), low, high, spread)


def cells_from_series(series: Series, step_ms: int) -> CellColumns:
    """Cells of readings that are at hand (time-ordered), as a store's buckets would give them."""
    cell = series.t_ms // step_ms
    starts = np.flatnonzero(np.diff(cell, prepend=cell[0] - 1)) if len(cell) else np.zeros(0, dtype=np.int64)
    count = np.diff(starts, append=len(cell))
    if not len(starts):
        empty = np.zeros(0)
        return CellColumns(series.metric, np.zeros(0, np.int64), empty, empty, empty, np.zeros(0, np.int64))
    return CellColumns(
        series.metric,
        cell[starts] * step_ms,
        np.minimum.reduceat(series.values, starts),
        np.maximum.reduceat(series.values, starts),
        np.add.reduceat(series.values, starts) / count,
        count,
    )


def _spread_in_cell(cells: CellTable) -> Float64Array:
    """Standard deviation from the range, as control charts do: a store need not keep sums of squares.

    2 * sqrt(2 ln n) is the asymptotic range of n normal values in standard deviations (20 % above Tippett's at
    n = 100); the bias is the same in every cell, and cells are only compared with cells.
    """
    expected_range = 2.0 * np.sqrt(2.0 * np.log(np.maximum(cells.count, 2)))
    enough = cells.count >= FAST_READINGS_PER_CELL
    return np.where(enough, (cells.maximum - cells.minimum) / expected_range, np.nan)


def _held(values: Float64Array, cells: Int64Array) -> Float64Array:
    """Each gap filled with its column's last value, for at most `cells` - 1 cells after it; cells: one a column."""
    if not values.size or cells.max() <= 1:
        return values
    position = np.arange(len(values))[:, None]
    last: NDArray[np.int64] = np.maximum.accumulate(np.where(np.isnan(values), -1, position), axis=0)
    stands = (last >= 0) & (position - last < cells)
    return np.where(stands, np.take_along_axis(values, np.maximum(last, 0), axis=0), np.nan)
