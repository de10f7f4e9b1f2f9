"""A machine's readings from the store, on the machine's clock."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalies.detection.grid import (
    CellColumns,
    Cells,
    CellTable,
    Clock,
    Grid,
    clock_for,
    grid_filled,
    grid_from_cells,
    interval_ms,
)
from telemetry.models import Machine
from telemetry.readings import Int64Array, ReadingBatch
from telemetry.store import reading_store

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_RECENT_READINGS = 200
# A day shows a machine's usual round; one that reports seldom needs longer for as many readings.
_WINDOW_CELLS = 3_000
_LONGEST_WINDOW_MS = 14 * DAY_MS
# One statement of the store covers this much at most, so that a day of history never blocks it for long.
_READ_MS = 2 * HOUR_MS
# Windows that reach back about as far as each other are read together: one that begins far back would have all the
# others read from there.
_TOGETHER_MS = (2 * 60_000, 4 * 60_000, 15 * 60_000)
# Cells this long are summed up in the store, from what it keeps for minutes.
_SUMMED_MS = 60_000


def window_ms(clock: Clock) -> int:
    """How much history teaches a machine.

    >>> window_ms(Clock(1000, {})) == DAY_MS, window_ms(Clock(60_000, {})) / DAY_MS
    (True, 2.0833333333333335)
    """
    return min(max(DAY_MS, _WINDOW_CELLS * clock.step_ms), _LONGEST_WINDOW_MS)


def clock_read(machine: Machine, metrics: Sequence[str], *, to_ms: int) -> Clock:
    """The machine's clock, by the newest readings of each metric within the day before `to_ms`."""
    recent = reading_store().raw(machine, metrics, from_ms=to_ms - DAY_MS, to_ms=to_ms, limit=_RECENT_READINGS)
    return clock_for({part.metric: interval_ms(part.t_ms) for part in recent})


@dataclass(frozen=True, slots=True)
class Window:
    """A machine's cells in [from_ms, to_ms) that somebody wants to have read."""

    machine: Machine
    metrics: Sequence[str]
    clock: Clock
    from_ms: int
    to_ms: int

    @property
    def edges(self) -> tuple[int, int]:
        """The window in full cells."""
        step = self.clock.step_ms
        return self.from_ms // step * step, self.to_ms // step * step


def grids_read(windows: Sequence[Window], *, until_ms: int) -> list[Grid]:
    """The cells of many machines' windows, in their order, each as `grid_read` answers it, in a few statements.

    until_ms: windows that reach back from it about equally far are read together. One that reaches back far, and a
    machine of slow cells, which stores keep summed up, is read alone: so it stays with a few megabytes. Raises
    StoreUnavailableError.
    """
    found: list[Grid | None] = [None] * len(windows)
    spans: dict[int, list[int]] = {}
    for at, window in enumerate(windows):
        back_ms = until_ms - window.from_ms
        if back_ms > _TOGETHER_MS[-1] or window.clock.step_ms >= _SUMMED_MS:
            found[at] = _read(window)
        else:
            spans.setdefault(next(span for span in _TOGETHER_MS if back_ms <= span), []).append(at)
    for places in spans.values():
        for at, grid in zip(places, _read_together([windows[at] for at in places]), strict=True):
            found[at] = grid
    return [grid for grid in found if grid is not None]


def _read(window: Window) -> Grid:
    return grid_read(window.machine, window.metrics, window.clock, from_ms=window.from_ms, to_ms=window.to_ms)


def _read_together(windows: Sequence[Window]) -> list[Grid]:
    """One statement for all; cells are reckoned here, in columns over all of them, as stores reckon them."""
    wanted = {window.machine: window.metrics for window in windows}
    edges = [window.edges for window in windows]
    begin, end = min(first for first, _last in edges), max(last for _first, last in edges)
    batch = reading_store().together(wanted, from_ms=begin, to_ms=end)
    place = {window.machine.key: at for at, window in enumerate(windows)}
    owner = np.array([place[machine] for machine, _metric in batch.keys], dtype=np.int64)
    column = np.array([windows[place[machine]].metrics.index(metric) for machine, metric in batch.keys], dtype=np.int64)
    table = _cells(batch, owner, edges, [window.clock.step_ms for window in windows])
    whose = owner[table.columns]
    bounds = np.searchsorted(whose, np.arange(len(windows) + 1)).tolist()
    return [
        _laid(window, _rows(table, slice(first, last), column))
        for window, first, last in zip(windows, bounds[:-1], bounds[1:], strict=True)
    ]


def _cells(batch: ReadingBatch, owner: Int64Array, edges: Sequence[tuple[int, int]], steps: Sequence[int]) -> CellTable:
    """Each series, oldest first, in cells of its machine's clock, within its window; machine by machine.

    owner: whose each series of the batch is. columns of the answer: which series.
    """
    order = np.argsort(owner[batch.codes], kind="stable")
    codes, t_ms, values = batch.codes[order].astype(np.int64), batch.t_ms[order], batch.values[order]
    first, last = np.array(edges, dtype=np.int64)[owner[codes]].T
    inside = (t_ms >= first) & (t_ms < last)
    codes, t_ms, values = codes[inside], t_ms[inside], values[inside]
    step = np.array(steps, dtype=np.int64)[owner[codes]]
    start = t_ms // step * step
    begins = np.flatnonzero(np.diff(codes, prepend=-1) | np.diff(start, prepend=-1))
    if not len(begins):
        nothing = np.zeros(0)
        return CellTable(codes, start, nothing, nothing, nothing, codes)
    count = np.diff(begins, append=len(codes))
    # A sum beyond what a float holds is infinite, as in the stores.
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduceat(values, begins) / count
    low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
    return CellTable(codes[begins], start[begins], low, high, mean, count)


def _rows(table: CellTable, which: slice, column: Int64Array) -> CellTable:
    """Some of the cells; column: which metric of its machine each series is."""
    parts = (getattr(table, name)[which] for name in ("t_ms", "minimum", "maximum", "mean", "count"))
    return CellTable(column[table.columns[which]], *parts)


def _laid(window: Window, cells: CellTable) -> Grid:
    first, last = window.edges
    begin = max(first, int(cells.t_ms.min())) if len(cells.t_ms) else last
    return grid_filled(tuple(window.metrics), window.clock, cells, from_ms=begin, to_ms=last)


def grid_read(machine: Machine, metrics: Sequence[str], clock: Clock, *, from_ms: int, to_ms: int) -> Grid:
    """The machine's cells in [from_ms, to_ms), without rows before its first reading. Raises StoreUnavailableError."""
    step = clock.step_ms
    first, last = from_ms // step * step, to_ms // step * step
    parts: list[list[Cells]] = [[] for _ in metrics]
    for start in range(first, last, _READ_MS):
        stop = min(start + _READ_MS, last)
        buckets = reading_store().buckets(machine, metrics, from_ms=start, to_ms=stop, bucket_ms=step)
        for column, part in enumerate(buckets):
            parts[column].append(part)
    joined = [_joined(metric, pieces) for metric, pieces in zip(metrics, parts, strict=True)]
    known = [int(cells.t_ms[0]) for cells in joined if len(cells.t_ms)]
    return grid_from_cells(joined, clock, from_ms=max(first, min(known, default=last)), to_ms=last)


def _joined(metric: str, pieces: Sequence[Cells]) -> CellColumns:
    if not pieces:
        nothing = np.zeros(0)
        return CellColumns(metric, np.zeros(0, np.int64), nothing, nothing, nothing, np.zeros(0, np.int64))
    return CellColumns(
        metric,
        np.concatenate([piece.t_ms for piece in pieces]),
        np.concatenate([piece.minimum for piece in pieces]),
        np.concatenate([piece.maximum for piece in pieces]),
        np.concatenate([piece.mean for piece in pieces]),
        np.concatenate([piece.count for piece in pieces]),
    )


def history_known(machine: Machine, metrics: Sequence[str], clock: Clock, *, to_ms: int) -> tuple[int, int]:
    """How much history there is to learn from: cells with readings of the best-known metric, and the span they cover.

    Counted over the window that teaches, in coarse buckets of the store: it is asked often while a machine is learning.
    """
    buckets = reading_store().buckets(
        machine, metrics, from_ms=to_ms - window_ms(clock), to_ms=to_ms, bucket_ms=max(60_000, clock.step_ms)
    )
    best_cells = best_span = 0
    for part in buckets:
        if not len(part.t_ms):
            continue
        width = max(60_000, clock.step_ms)
        cells = int(np.minimum(part.count, width // clock.step_ms).sum())
        if cells > best_cells:
            best_cells, best_span = cells, int(part.t_ms[-1] - part.t_ms[0]) + width
    return best_cells, best_span
