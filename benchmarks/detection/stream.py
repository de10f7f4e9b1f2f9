"""A recording through the product's detector, reading by reading, as the worker does it."""

from dataclasses import dataclass

import numpy as np

from anomalies.detection.calibrate import Change
from anomalies.detection.checks import FlatRun, flat_runs, stuck_metrics
from anomalies.detection.detector import Detector, NotEnoughDataError, detector_fit
from anomalies.detection.grid import Clock, Grid, cells_from_series, clock_for, grid_from_cells, interval_ms
from anomalies.detection.stream import course_begin, stream_judge
from benchmarks.detection.recordings import Recording, RecordingError
from telemetry.readings import Float64Array, Series

_SEED = 1
# The product waits for more; the sets' protocols give this much or a little more.
_LEAST_CELLS = 150


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What the detector said at each row: whether an event lasts, began there (0 or 1), and the score."""

    active: np.ndarray
    began: np.ndarray
    score: Float64Array


def recording_watch(recording: Recording, *, learn_rows: int, normal: Recording | None = None) -> Verdicts:
    """Teach by the first rows (or by `normal`), then judge row by row; a row that can't be judged is no alarm.

    Raises RecordingError when there is too little to teach by.
    """
    grid, clock = recording_grid(recording)
    try:
        if normal is not None:
            cells = 0
            detector = _taught(*recording_grid(normal))
        else:
            cells = _cells_of(recording, learn_rows, grid)
            detector = _taught(_rows(grid, slice(0, cells)), clock)
    except NotEnoughDataError as error:
        told = (normal or recording).series_id
        raise RecordingError(f"{told} has too little to teach by: {error}, at least {_LEAST_CELLS} wanted.") from error
    grid = _as_taught(grid, detector)
    watched = stream_judge(detector, course_begin(detector), grid, from_ms=int(grid.t_ms[0]) + cells * clock.step_ms)
    began = np.isin(watched.t_ms, [d.t_ms for d in watched.decisions if d.change is Change.BEGAN])
    stuck = _stuck(detector, _rows(grid, slice(cells, len(grid))))
    began |= stuck & ~np.concatenate([[False], stuck[:-1]])
    row_of = (recording.t_ms - grid.t_ms[0]) // clock.step_ms
    return Verdicts(*(_by_row(part, cells, row_of) for part in (watched.active | stuck, began, watched.score)))


def _stuck(detector: Detector, grid: Grid) -> np.ndarray:
    """Where the check beside the judges has an alert of its own: some metric stands still; shape (n,)."""
    runs: dict[str, FlatRun] = {}
    found = np.zeros(len(grid), dtype=np.bool_)
    for at in range(len(grid)):
        runs = flat_runs(_rows(grid, slice(at, at + 1)), runs)
        found[at] = bool(stuck_metrics(runs, detector.flat_limit_ms))
    return found


def _cells_of(recording: Recording, learn_rows: int, grid: Grid) -> int:
    if not 0 < learn_rows < len(recording):
        raise NotEnoughDataError(f"{len(recording)} rows")
    return int((recording.t_ms[:learn_rows].max() - grid.t_ms[0]) // grid.step_ms) + 1


def _as_taught(grid: Grid, detector: Detector) -> Grid:
    """The grid with the detector's metrics in its order, as the store would give them; NaN for one that never came."""
    blank = np.full(len(grid), np.nan)
    at = [grid.metrics.index(name) if name in grid.metrics else None for name in detector.metrics]
    if all(column is None for column in at):
        raise RecordingError(f"None of the metrics taught is there: {', '.join(detector.metrics[:5])} ...")
    parts = (
        np.column_stack([blank if column is None else part[:, column] for column in at])
        for part in (grid.level, grid.low, grid.high, grid.spread)
    )
    return Grid(grid.step_ms, detector.metrics, grid.t_ms, *parts)


def _by_row(part: np.ndarray, cells: int, row_of: np.ndarray) -> np.ndarray:
    whole = np.concatenate([np.zeros(cells), np.nan_to_num(part.astype(np.float64))])
    return np.asarray(whole[row_of])


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
    if not parts:
        raise RecordingError(f"{recording.series_id} holds no numbers.")
    cells = [cells_from_series(part, clock.step_ms) for part in parts]
    return grid_from_cells(cells, clock, from_ms=int(t_ms[0]), to_ms=int(t_ms[-1]) + clock.step_ms), clock


def _taught(grid: Grid, clock: Clock) -> Detector:
    return detector_fit(grid, clock, seed=_SEED, least_cells=_LEAST_CELLS)


def _rows(grid: Grid, rows: slice) -> Grid:
    parts = (part[rows] for part in (grid.level, grid.low, grid.high, grid.spread))
    return Grid(grid.step_ms, grid.metrics, grid.t_ms[rows], *parts)
