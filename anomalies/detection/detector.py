"""A machine's detector: levels and forest together, taught by its own history. Pure but for training's scikit-learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.bands import Bands, bands_fit, deviation
from anomalies.detection.calibrate import rare_level
from anomalies.detection.checks import longest_flat_ms
from anomalies.detection.features import (
    LONG,
    LOOKBACK,
    Anchor,
    Aspect,
    Feature,
    anchor_for,
    feature_matrix,
    features_of,
    rolling_mean,
)
from anomalies.detection.forest import Forest, forest_fit, forest_score
from anomalies.detection.grid import Clock, Grid
from anomalies.detection.joint import Joint, joint_fit
from anomalies.detection.rarity import Rarity, rarity_fit
from anomalies.detection.roles import Role, role_inferred
from anomalies.detection.tracked import LOOKBACK as TRACKED_LOOKBACK
from anomalies.detection.tracked import Tracked, tracked_fit
from telemetry.readings import Float64Array, Int64Array

# Enough to be trusted: both must be reached. 20 minutes see several cycles of most machines.
ENOUGH_CELLS = 2_000
ENOUGH_SPAN_MS = 20 * 60_000
# Fixed bands need to have seen where levels go in the long run; before, only what follows the machine judges.
_ENOUGH_FOR_BANDS = 3_000
# Metrics this much slower than the clock repeat held values: their rolling means say nothing of cells.
_SLOWEST_TRACKED = 3
# The later third of history is not shown to the forest and the first bands: thresholds come from it.
_TAUGHT_SHARE = 2.0 / 3.0
# A feature within this many standard deviations of its band's middle is never an alert by itself.
_SMALLEST_LIMIT = 4.0
_FOREST_ROWS = 20_000
_SMALLEST_FOREST_MARGIN = 0.1
SCORED_SHARE = 0.5
# A young model has seen little of the day's drift: its limits are wider, by a half at first and hardly after a day.
_YOUNG_ALLOWANCE = 0.5
_YOUNG_SPAN_MS = 2 * 3_600_000
_JUDGES: Mapping[str, Any] = {"tracked": Tracked, "joint": Joint, "rarity": Rarity}
_BAND_COLUMNS = ("low", "high", "center", "unit", "only_above")


class NotEnoughDataError(ValueError):
    """There is too little history to teach a detector."""


@dataclass(frozen=True, slots=True)
class Detector:
    """What training taught; immutable.

    limits: (f,), the deviation of each feature that counts as 1. taught_ms: how much history it stands on.
    """

    clock: Clock
    metrics: tuple[str, ...]
    features: tuple[Feature, ...]
    anchor: Anchor
    bands: Bands
    limits: Float64Array
    forest: Forest
    forest_usual: float
    forest_limit: float
    normal: Mapping[str, tuple[float, float]]
    flat_limit_ms: Mapping[str, int]
    taught_ms: int
    tracked: Tracked | None
    joint: Joint | None
    rarity: Rarity | None

    @property
    def lookback_ms(self) -> int:
        """History before the first cell scored that its features need."""
        cells = max(LOOKBACK, TRACKED_LOOKBACK, self.rarity.lookback if self.rarity else 0)
        return (cells + max(self.clock.hold.values(), default=1)) * self.clock.step_ms


def learning_progress(*, cells: int, span_ms: int) -> float:
    """How much of the history that teaching needs is there, 0 to 1."""
    return float(min(1.0, cells / ENOUGH_CELLS, span_ms / ENOUGH_SPAN_MS))


def detector_fit(
    grid: Grid, clock: Clock, *, seed: int, least_cells: int = ENOUGH_CELLS, roles: Mapping[str, Role] | None = None
) -> Detector:
    """Teach a detector by a machine's history, in which known trouble was blanked (NaN).

    roles: of metrics by name, where more is known than the name tells.
    Raises NotEnoughDataError when fewer than `least_cells` cells can be used.
    """
    whole, grid = grid, _known_metrics(_without_long_gaps(grid))
    taught = int(len(grid) * _TAUGHT_SHARE)
    early = _take(grid, np.arange(taught))
    features = features_of(early, hold=[clock.hold.get(name, 1) for name in grid.metrics])
    anchor = anchor_for(early)
    matrix = feature_matrix(grid, features, anchor)
    usable = np.isfinite(matrix).mean(axis=1) >= SCORED_SHARE if features else np.zeros(len(grid), bool)
    if int(usable.sum()) < least_cells - LOOKBACK:
        raise NotEnoughDataError(f"{int(usable.sum())} usable cells")
    taught_ms = int(usable.sum()) * clock.step_ms
    limits = _limits(matrix, features, taught) * _young_factor(taught_ms)
    if int(usable.sum()) < _ENOUGH_FOR_BANDS:
        limits = np.full(len(features), np.inf)
    followed = _followed(grid, clock, roles or {})
    forest, usual, forest_limit = _forest(matrix, taught, seed)
    return Detector(
        clock=clock,
        metrics=grid.metrics,
        features=features,
        anchor=anchor,
        # The bands of the whole window: what was held back has calibrated them and is as normal as the rest.
        bands=bands_fit(matrix, features),
        limits=limits,
        forest=forest,
        forest_usual=usual,
        forest_limit=forest_limit,
        normal=_normal(grid),
        flat_limit_ms=longest_flat_ms(grid),
        taught_ms=taught_ms,
        tracked=tracked_fit(grid.level, followed) if len(grid.metrics) > 1 else None,
        joint=joint_fit(grid.level, np.arange(len(grid.metrics))),
        # With its gaps: without them, the same cell yesterday would be another.
        rarity=rarity_fit(whole.level[:, whole.metrics.index(grid.metrics[0])], clock.step_ms)
        if len(grid.metrics) == 1
        else None,
    )


def _followed(grid: Grid, clock: Clock, roles: Mapping[str, Role]) -> Int64Array:
    """The columns whose levels are followed: fast metrics, or all where there is none."""
    fast = [
        column
        for column, name in enumerate(grid.metrics)
        if roles.get(name, role_inferred(name)) is Role.FAST and clock.hold.get(name, 1) <= _SLOWEST_TRACKED
    ]
    return np.array(fast or range(len(grid.metrics)), dtype=np.int64)


def _without_long_gaps(grid: Grid) -> Grid:
    """Gaps, and stretches of a reading now and then, cut so that no window reaches over what is left of them."""
    known = np.asarray(np.isfinite(grid.level).any(axis=1), dtype=np.float64)
    dense = rolling_mean(known, LONG) >= SCORED_SHARE
    position = np.arange(len(grid))
    since_dense = position - np.maximum.accumulate(np.where(dense, position, -LOOKBACK))
    return _take(grid, np.flatnonzero(since_dense < LOOKBACK))


def _known_metrics(grid: Grid) -> Grid:
    """Without metrics that are mostly gaps: a detector can't stand on them."""
    alive = np.isfinite(grid.level).any(axis=1)
    share = np.isfinite(grid.level[alive]).mean(axis=0) if alive.any() else np.zeros(len(grid.metrics))
    keep = np.flatnonzero(share >= SCORED_SHARE)
    return Grid(
        grid.step_ms,
        tuple(grid.metrics[column] for column in keep),
        grid.t_ms,
        *(part[:, keep] for part in (grid.level, grid.low, grid.high, grid.spread)),
    )


def _take(grid: Grid, rows: NDArray[np.int64]) -> Grid:
    parts = (part[rows] for part in (grid.level, grid.low, grid.high, grid.spread))
    return Grid(grid.step_ms, grid.metrics, grid.t_ms[rows], *parts)


def _limits(matrix: Float64Array, features: tuple[Feature, ...], taught: int) -> Float64Array:
    held_back = deviation(matrix[taught:], bands_fit(matrix[:taught], features))
    return np.array([rare_level(held_back[:, at], at_least=_SMALLEST_LIMIT) for at in range(len(features))])


def _young_factor(span_ms: int) -> float:
    return 1.0 + _YOUNG_ALLOWANCE * _YOUNG_SPAN_MS / (_YOUNG_SPAN_MS + span_ms)


def _forest(matrix: Float64Array, taught: int, seed: int) -> tuple[Forest, float, float]:
    """The forest of the earlier rows, and what its score usually is and rarely passes on the later ones."""
    whole = np.asarray(np.isfinite(matrix).all(axis=1))
    early, late = matrix[:taught][whole[:taught]], matrix[taught:][whole[taught:]]
    if len(early) < 2 or not len(late):
        # Metrics that are never known together: each stands where it usually is while another one reports.
        usual_row = np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.0 for c in matrix.T])
        filled = np.where(np.isfinite(matrix), matrix, usual_row)
        early, late = filled[:taught], filled[taught:]
    if len(early) > _FOREST_ROWS:
        early = early[np.sort(np.random.default_rng(seed).choice(len(early), _FOREST_ROWS, replace=False))]
    forest, _ = forest_fit(early, seed=seed)
    score = forest_score(forest, late)
    usual = float(np.median(score))
    return forest, usual, rare_level(score, at_least=usual + _SMALLEST_FOREST_MARGIN)


def _normal(grid: Grid) -> dict[str, tuple[float, float]]:
    """The band of single readings for charts: the middle 99.8 % and a little air."""
    normal = {}
    for column, metric in enumerate(grid.metrics):
        known = grid.level[:, column][np.isfinite(grid.level[:, column])]
        low, high = np.quantile(known, (0.001, 0.999))
        air = max(0.1 * (high - low), 2e-3 * abs(high + low) / 2.0)
        # Air must not reach below zero where the metric never does: no power or speed is negative there.
        bottom = 0.0 if known.min() >= 0.0 else -np.inf
        normal[metric] = (float(max(low - air, bottom)), float(high + air))
    return normal


def detector_to_parts(detector: Detector) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays for an npz and a JSON description; together they are the whole detector."""
    arrays = {f"forest_{name}": array for name, array in detector.forest.to_arrays().items()}
    arrays |= {"center": detector.anchor.center, "floor": detector.anchor.floor, "limits": detector.limits}
    arrays |= {f"band_{name}": getattr(detector.bands, name) for name in _BAND_COLUMNS}
    for name in _JUDGES:
        judge = getattr(detector, name)
        arrays |= {} if judge is None else {f"{name}_{part}": array for part, array in judge.to_arrays().items()}
    return arrays, {
        "step_ms": detector.clock.step_ms,
        "hold": dict(detector.clock.hold),
        "metrics": list(detector.metrics),
        "features": [[f.metric, f.aspect.value, f.window] for f in detector.features],
        "forest_usual": detector.forest_usual,
        "forest_limit": detector.forest_limit,
        "normal": {name: list(band) for name, band in detector.normal.items()},
        "flat_limit_ms": dict(detector.flat_limit_ms),
        "taught_ms": detector.taught_ms,
    }


def detector_from_parts(arrays: Mapping[str, NDArray[Any]], described: Mapping[str, Any]) -> Detector:
    """The inverse of `detector_to_parts`. Raises KeyError or ValueError for parts that don't belong together."""
    features = tuple(Feature(metric, Aspect(aspect), window) for metric, aspect, window in described["features"])
    if len(features) != len(arrays["limits"]):
        raise ValueError("features and limits don't belong together")
    forest = Forest.from_arrays({n.removeprefix("forest_"): a for n, a in arrays.items() if n.startswith("forest_")})
    if forest.features > len(features):
        raise ValueError("the forest asks for features that are not there")
    return Detector(
        clock=Clock(described["step_ms"], described["hold"]),
        metrics=tuple(described["metrics"]),
        features=features,
        anchor=Anchor(arrays["center"], arrays["floor"]),
        bands=Bands(*(arrays[f"band_{name}"] for name in _BAND_COLUMNS)),
        limits=arrays["limits"],
        forest=forest,
        forest_usual=described["forest_usual"],
        forest_limit=described["forest_limit"],
        normal={name: (band[0], band[1]) for name, band in described["normal"].items()},
        flat_limit_ms=described["flat_limit_ms"],
        taught_ms=described["taught_ms"],
        **{name: _judge_from(arrays, name, kind) for name, kind in _JUDGES.items()},
    )


def _judge_from(arrays: Mapping[str, NDArray[Any]], name: str, kind: Any) -> Any:
    own = {part.removeprefix(f"{name}_"): array for part, array in arrays.items() if part.startswith(f"{name}_")}
    return kind.from_arrays(own) if own else None
