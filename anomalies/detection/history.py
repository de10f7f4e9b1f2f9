"""A machine's readings from the store, on the machine's clock."""

from collections.abc import Sequence

import numpy as np

from anomalies.detection.grid import CellColumns, Cells, Clock, Grid, clock_for, grid_from_cells, interval_ms
from telemetry.models import Machine
from telemetry.store import reading_store

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_RECENT_READINGS = 200
# A day shows a machine's usual round; one that reports seldom needs longer for as many readings.
_WINDOW_CELLS = 3_000
_LONGEST_WINDOW_MS = 14 * DAY_MS
# One statement of the store covers this much at most, so that a day of history never blocks it for long.
_READ_MS = 2 * HOUR_MS


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
