"""A recording through the product's detector, reading by reading, as the worker does it."""

from dataclasses import dataclass

import numpy as np

from anomalies.detection.calibrate import Change, Evidence, accumulate
from anomalies.detection.detector import Detector, NotEnoughDataError, detector_fit, detector_score
from anomalies.detection.grid import Clock, Grid, cells_from_series, clock_for, grid_from_cells, interval_ms
from benchmarks.detection.recordings import Recording
from telemetry.readings import Float64Array, Series

_SEED = 1


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the detector said at each row: alarm 0 or 1, and the score (1 is the threshold)."""

    alarm: np.ndarray
    score: Float64Array


def recording_watch(recording: Recording, *, learn_rows: int, normal: Recording | None = None) -> Verdicts:
    """Teach by the first rows (or by `normal`), then judge row by row; a row that can't be judged is no alarm."""
    grid, clock = recording_grid(recording)
    if normal is not None:
        detector = _taught(*recording_grid(normal))
    else:
        cells = int((recording.t_ms[:learn_rows].max() - grid.t_ms[0]) // clock.step_ms) + 1
        detector = _taught(_rows(grid, slice(0, cells)), clock)
    if detector is None:
        return Verdicts(np.zeros(len(recording), np.int64), np.zeros(len(recording)))
    alarm, score = _judged(detector, grid)
    cell = (recording.t_ms - grid.t_ms[0]) // clock.step_ms
    alarm, score = alarm[cell], np.nan_to_num(score[cell])
    if normal is None:
        alarm[:learn_rows] = 0
    return Verdicts(alarm, score)


def recording_grid(recording: Recording) -> tuple[Grid, Clock]:
    """A recording on its machine's clock."""
    order = np.argsort(recording.t_ms, kind="stable")
    t_ms, values = recording.t_ms[order], recording.values[order]
    clock = clock_for({name: interval_ms(t_ms) for name in recording.metrics})
    parts = [
        Series(recording.series_id, name, t_ms[known], values[known, at])
        for at, name in enumerate(recording.metrics)
        if (known := np.isfinite(values[:, at])).any()
    ]
    cells = [cells_from_series(part, clock.step_ms) for part in parts]
    return grid_from_cells(cells, clock, from_ms=int(t_ms[0]), to_ms=int(t_ms[-1]) + clock.step_ms), clock


def _taught(grid: Grid, clock: Clock) -> Detector | None:
    try:
        return detector_fit(grid, clock, seed=_SEED)
    except NotEnoughDataError:
        return None


def _judged(detector: Detector, grid: Grid) -> tuple[np.ndarray, Float64Array]:
    scores = detector_score(detector, grid)
    evidence, alarm = Evidence(), np.zeros(len(grid), dtype=np.int64)
    for at in range(len(grid)):
        evidence, decisions = accumulate(evidence, scores.t_ms[at : at + 1], scores.score[at : at + 1])
        alarm[at] = evidence.active or any(decision.change is Change.BEGAN for decision in decisions)
    return alarm, scores.score


def _rows(grid: Grid, rows: slice) -> Grid:
    parts = (part[rows] for part in (grid.level, grid.low, grid.high, grid.spread))
    return Grid(grid.step_ms, grid.metrics, grid.t_ms[rows], *parts)
