"""Windows scored by fixed bands and forest: of one machine or of many at once, each exactly as alone. Pure: numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.bands import deviation
from anomalies.detection.detector import SCORED_SHARE, Detector
from anomalies.detection.features import feature_matrices
from anomalies.detection.forest import forest_score
from anomalies.detection.forest_table import ForestTable
from anomalies.detection.grid import Grid
from telemetry.readings import Float64Array, Int64Array

# The forest's score saturates, and it has no unit: it may double what the levels say, never speak alone.
_FOREST_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Scores:
    """A window scored: 1 is the threshold.

    t_ms: (n,) cell starts; score: (n,), NaN where too little is known; ratio: (n, f), each feature's deviation in its
    own limits; matrix: (n, f), the features themselves.
    """

    t_ms: Int64Array
    score: Float64Array
    ratio: Float64Array
    matrix: Float64Array


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be scored: the rows of a grid from `start` on; they want `lookback_ms` of history before.

    table: where the detector's forest stands among others (under `owner`), to be walked together with them.
    """

    detector: Detector
    grid: Grid
    start: int = 0
    table: ForestTable | None = None
    owner: int = 0


def detector_score(detector: Detector, grid: Grid, *, start: int = 0) -> Scores:
    """Score the rows of one window from `start` on; without history before, they are not scored."""
    return windows_score([Window(detector, grid, start)])[0]


def windows_score(windows: Sequence[Window]) -> list[Scores]:
    """Score windows of many machines: features in stacks, and one walk for all forests of a table."""
    asked = [(window.grid, window.detector.features, window.detector.anchor) for window in windows]
    found = feature_matrices(asked)
    matrices = [matrix[window.start :] for window, matrix in zip(windows, found, strict=True)]
    forests = _forests(windows, matrices)
    return [_scores(window, matrix, forest) for window, matrix, forest in zip(windows, matrices, forests, strict=True)]


def _forests(windows: Sequence[Window], matrices: Sequence[Float64Array]) -> list[Float64Array]:
    """What each window's forest says of its rows; 0 where not all of a row is known, or bands do not judge yet."""
    whole = [_walked(window.detector, matrix) for window, matrix in zip(windows, matrices, strict=True)]
    raw: dict[int, Float64Array] = {}
    tables: dict[int, tuple[ForestTable, list[int]]] = {}
    for at, (window, rows) in enumerate(zip(windows, whole, strict=True)):
        if rows.any() and window.table is not None:
            tables.setdefault(id(window.table), (window.table, []))[1].append(at)
        elif rows.any():
            raw[at] = forest_score(window.detector.forest, matrices[at][rows])
    for table, places in tables.values():
        answers = table.score([(windows[at].owner, matrices[at][whole[at]]) for at in places])
        raw |= dict(zip(places, answers, strict=True))
    found = enumerate(zip(windows, whole, strict=True))
    return [_usual(window.detector, rows, raw.get(at)) for at, (window, rows) in found]


def _walked(detector: Detector, matrix: Float64Array) -> NDArray[np.bool_]:
    whole = np.asarray(np.isfinite(matrix).all(axis=1))
    return whole if np.isfinite(detector.limits).any() else np.zeros(len(matrix), dtype=np.bool_)


def _usual(detector: Detector, rows: NDArray[np.bool_], raw: Float64Array | None) -> Float64Array:
    score = np.zeros(len(rows))
    if raw is not None:
        score[rows] = (raw - detector.forest_usual) / (detector.forest_limit - detector.forest_usual)
    return score


def _scores(window: Window, matrix: Float64Array, forest: Float64Array) -> Scores:
    detector, grid, start = window.detector, window.grid, window.start
    ratio = deviation(matrix, detector.bands) / detector.limits
    level = np.fmax.reduce(ratio, axis=1, initial=0.0)
    score = np.maximum(level, np.minimum(forest, _FOREST_WEIGHT * level))
    # A window may still be half full where the cell itself is a gap: that is not scored either.
    known = np.isfinite(matrix).mean(axis=1)
    scored = (known >= SCORED_SHARE) & (np.isfinite(grid.level[start:]).mean(axis=1) >= SCORED_SHARE)
    return Scores(grid.t_ms[start:], np.where(scored, score, np.nan), ratio, matrix)
