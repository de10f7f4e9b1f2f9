"""What scores can't see: a sensor that says the same forever looks perfectly normal. Pure: numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.grid import Grid
from telemetry.readings import Float64Array

# Stuck: the very same reading for four times as long as it ever lasted in training, and at least for this long and so
# many readings. By readings alone a metric of every few minutes would have to stand still for most of a day.
_LONGER_THAN_EVER = 4
_SHORTEST_MS, _SHORTEST_READINGS = 300_000, 30
# A metric that seldom changes in training (a setpoint, a state) may well stand still.
_SMALLEST_SHARE_OF_CHANGES = 0.05


@dataclass(frozen=True, slots=True)
class FlatRun:
    """A metric's readings have all been `value` since `since_ms`; the last one came at `to_ms`."""

    value: float
    since_ms: int
    to_ms: int

    @property
    def lasted_ms(self) -> int:
        return self.to_ms - self.since_ms


def flat_runs(grid: Grid, before: Mapping[str, FlatRun]) -> dict[str, FlatRun]:
    """The run of equal readings each metric stands in at the window's end.

    before: what the same function answered for the window that ended where this one begins.
    """
    runs = dict(before)
    for column, metric in enumerate(grid.metrics):
        rows = np.flatnonzero(np.isfinite(grid.low[:, column]))
        if not len(rows):
            continue
        starts = np.flatnonzero(_changes(grid, column, rows, runs.get(metric)))
        last = int(grid.t_ms[rows[-1]])
        if len(starts):
            began = int(grid.t_ms[rows[starts[-1]]])
            runs[metric] = FlatRun(float(grid.high[rows[-1], column]), began, last)
        else:
            runs[metric] = FlatRun(runs[metric].value, runs[metric].since_ms, last)
    return runs


def longest_flat_ms(grid: Grid) -> dict[str, int]:
    """For each metric that keeps changing: the length of equal readings from which on it counts as stuck."""
    limits = {}
    for column, metric in enumerate(grid.metrics):
        rows = np.flatnonzero(np.isfinite(grid.low[:, column]))
        starts = np.flatnonzero(_changes(grid, column, rows, None)) if len(rows) else rows
        if len(starts) < _SMALLEST_SHARE_OF_CHANGES * len(rows) or len(starts) < 2:
            continue
        lengths = np.diff(grid.t_ms[rows[np.append(starts, len(rows) - 1)]])
        usual = float(np.median(np.diff(grid.t_ms[rows])))
        limits[metric] = int(max(_LONGER_THAN_EVER * int(lengths.max()), _SHORTEST_READINGS * usual, _SHORTEST_MS))
    return limits


def stuck_metrics(runs: Mapping[str, FlatRun], limits_ms: Mapping[str, int]) -> dict[str, FlatRun]:
    """The runs that have lasted too long for their metric."""
    return {m: run for m, run in runs.items() if m in limits_ms and run.lasted_ms >= limits_ms[m]}


def _changes(grid: Grid, column: int, rows: NDArray[np.int64], before: FlatRun | None) -> NDArray[np.bool_]:
    low: Float64Array = grid.low[rows, column]
    high: Float64Array = grid.high[rows, column]
    previous = np.concatenate([[np.nan if before is None else before.value], high[:-1]])
    return np.asarray((low != high) | (low != previous))
