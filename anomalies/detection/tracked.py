"""Levels against a baseline that follows the machine slowly and stands still during an alert. Pure: numpy alone.

The scale of each feature is chained forward: how far its mean went from the mean of the quarter of history just before.
That holds what the machine's own wandering does, so a level that was never steady is not taken for an event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.calibrate import rare_level
from anomalies.detection.features import rolling_mean, without_glitches
from anomalies.detection.stacking import stacked, stacks_of
from telemetry.readings import Float64Array, Int64Array

WINDOWS = (20, 40)  # cells
# Glitches of single cells come out of a median; this many standard deviations around it are left as they are.
GLITCH_CELLS, _GLITCH_WIDTH = 5, 3.0
LOOKBACK = WINDOWS[-1] + GLITCH_CELLS
# History just before that the scale is taken against, and of which the baseline begins, as shares of all history.
_CHAIN, _RECENT = 0.25, 0.375
# A deviation counts from this many forward-chained standard deviations on, and never below this share of the level.
_REACH = 3.5
_DEAD_BAND = 0.014
# The more metrics, the further the furthest of them goes by chance; the above is right for so many.
_REACH_METRICS = 6
# From here on there are enough blocks to ask how far is rare.
_ENOUGH_FOR_RARE = 2_000
_LONGEST_MEMORY = 86_400
# What lies further out than this share of the limit is winsorised before it widens the limit.
_WIDENS_UP_TO = 0.75


@dataclass(frozen=True, slots=True)
class Tracked:
    """What teaching found, for k metrics at len(WINDOWS) windows, f = k * len(WINDOWS) features, window by window.

    columns: (k,), which columns of the grid. noise: (k,), standard deviation from cell to cell. center: (f,), the
    level; variance: (f,), of the forward-chained deviation; reach: (f,), how many of its roots count as 1.
    cells: how much history it stands on.
    """

    columns: Int64Array
    noise: Float64Array
    center: Float64Array
    variance: Float64Array
    reach: Float64Array
    cells: int

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, for an npz."""
        names = ("columns", "noise", "center", "variance", "reach")
        return {**{name: getattr(self, name) for name in names}, "cells": np.array(self.cells)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Tracked":
        """The inverse. Raises KeyError, ValueError."""
        features = len(arrays["columns"]) * len(WINDOWS)
        if any(len(arrays[name]) != features for name in ("center", "variance", "reach")):
            raise ValueError("tracked features and metrics don't belong together")
        return cls(
            arrays["columns"],
            arrays["noise"],
            arrays["center"],
            arrays["variance"],
            arrays["reach"],
            int(arrays["cells"]),
        )


def tracked_fit(level: Float64Array, columns: Int64Array) -> Tracked | None:
    """Teach by history, shape (n, m), NaN for gaps; None when there is no metric or too little history."""
    cells = len(level)
    chain = int(_CHAIN * cells)
    if not len(columns) or chain < WINDOWS[-1]:
        return None
    noise = _noise(level[:, columns])
    matrix = tracked_features(level[:, columns], noise)
    deviations = _chained(matrix, len(columns), chain)
    variance = _nan_mean(deviations**2)
    recent = matrix[cells - int(_RECENT * cells) :]
    center = np.array([_nan_median(column) for column in recent.T])
    reach = np.full(len(center), _REACH + _more_by_chance(len(columns)))
    if cells >= _ENOUGH_FOR_RARE:
        rare = np.array([rare_level(column, at_least=0.0) for column in deviations.T])
        reach = np.maximum(reach, rare / np.sqrt(np.maximum(variance, 1e-300)))
    known = np.isfinite(center) & np.isfinite(variance)
    return Tracked(columns, noise, np.where(known, center, np.nan), np.where(known, variance, 0.0), reach, cells)


def tracked_features(level: Float64Array, noise: Float64Array) -> Float64Array:
    """Rolling means of each window, shape (n, f), without glitches; NaN where less than half of a window is known."""
    return tracked_matrices([(level, noise)])[0]


def tracked_matrices(asked: Sequence[tuple[Float64Array, Float64Array]]) -> list[Float64Array]:
    """The same for the levels, shape (n, k), and noises of many machines at once, each exactly as alone."""
    found = [np.zeros((0, 0))] * len(asked)
    for together in stacks_of([level.shape for level, _noise in asked]):
        level = stacked([asked[at][0] for at in together])
        width = _GLITCH_WIDTH * np.concatenate([asked[at][1] for at in together])
        calm = without_glitches(level)
        clipped = np.clip(level, calm - width, calm + width)
        means, first = [rolling_mean(clipped, window) for window in WINDOWS], 0
        for at in together:
            rows, columns = asked[at][0].shape
            part = (slice(len(level) - rows, None), slice(first, first + columns))
            found[at] = np.hstack([mean[part] for mean in means])
            first += columns
    return found


def limit_of(tracked: Tracked, center: Float64Array, variance: Float64Array) -> Float64Array:
    """How far from the center counts as 1, shape (f,), in the metric's unit."""
    noise = np.concatenate([tracked.noise / np.sqrt(window) for window in WINDOWS])
    limit: Float64Array = np.maximum.reduce(
        [tracked.reach * np.sqrt(variance), 2.0 * noise, _DEAD_BAND * np.abs(center)]
    )
    return limit


def follow(
    tracked: Tracked,
    center: Float64Array,
    variance: Float64Array,
    row: Float64Array,
    *,
    limit: Float64Array,
    cells: int,
) -> tuple[Float64Array, Float64Array]:
    """Center and variance after one more calm cell; cells: how many have been seen in all."""
    share = 1.0 / min(cells, _LONGEST_MEMORY)
    step = np.nan_to_num(row - center)
    near = np.clip(step, -_WIDENS_UP_TO * limit, _WIDENS_UP_TO * limit)
    known = np.isfinite(row)
    variance = np.where(known, variance + (near**2 - variance) * share, variance)
    return center + np.clip(step, -limit, limit) * share, variance


def _more_by_chance(metrics: int) -> float:
    """How many deviations further the largest of so many normal values is expected."""
    return float(max(0.0, np.sqrt(2.0 * np.log(metrics)) - np.sqrt(2.0 * np.log(_REACH_METRICS))))


def _noise(level: Float64Array) -> Float64Array:
    noise = np.empty(level.shape[1])
    for at, column in enumerate(level.T):
        steps = np.diff(column)
        steps = steps[np.isfinite(steps)]
        # The mean and the root mean square agree for normal noise; jumps make the latter larger.
        usual = min(0.886 * np.abs(steps).mean(), steps.std() / np.sqrt(2.0)) if len(steps) else 0.0
        noise[at] = max(usual, 1e-9)
    return noise


def _chained(matrix: Float64Array, metrics: int, chain: int) -> Float64Array:
    """Distance of each feature from its mean over the `chain` cells before its window; NaN at the beginning."""
    past = rolling_mean(matrix, chain)
    found = np.full(matrix.shape, np.nan)
    for at, window in enumerate(WINDOWS):
        columns = slice(at * metrics, (at + 1) * metrics)
        start = chain + window + WINDOWS[0] // 2
        found[start:, columns] = np.abs(matrix[start:, columns] - past[start - window : -window, columns])
    return found


def _nan_mean(values: Float64Array) -> Float64Array:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _nan_median(values: Float64Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
