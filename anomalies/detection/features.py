"""What a detector looks at: rolling means over two windows, and how much a metric moves. Pure: numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from anomalies.detection.grid import Grid
from anomalies.detection.stacking import stacked, stacks_of
from telemetry.readings import Float64Array

SHORT, LONG, SPREAD = 10, 60, 30  # cells
# Single cells that stand out of their neighbours are glitches; a median over this many takes up to two of them out.
_GLITCH = 5
LOOKBACK = LONG + _GLITCH  # cells before the first one scored that its features need
# A rolling value stands on at least this share of its window; less is a gap.
_FILLED = 0.5
# A metric this much slower than the clock repeats held values: its rolling spread would say nothing.
_SLOWEST_FOR_SPREAD = 3


class Aspect(StrEnum):
    """What of a metric a feature describes."""

    LEVEL = "level"  # rolling mean, in the metric's unit
    SPREAD = "spread"  # log of the usual distance from the mean of the near past
    RIPPLE = "ripple"  # log of the standard deviation within a cell, for metrics sent many times a cell


@dataclass(frozen=True, slots=True)
class Feature:
    """One column: an aspect of a metric over a window of cells."""

    metric: str
    aspect: Aspect
    window: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """Per metric, what its features are taken against; fixed by training so that a stream and a replay agree.

    center: shape (m,), in the metric's unit; floor: shape (m,), > 0, the smallest distance that counts as movement.
    """

    center: Float64Array
    floor: Float64Array


def anchor_for(grid: Grid) -> Anchor:
    """Median of each metric, and a floor under its movement: a fifth of the usual, 0.5 % of a constant's level."""
    center = np.nan_to_num(_nan_median(grid.level))
    calm = without_glitches(grid.level - center)
    usual = np.nan_to_num(_nan_median(np.abs(grid.level - center - rolling_mean(calm, SHORT))))
    constant = np.maximum(5e-3 * np.abs(center), 1e-6)
    return Anchor(center, np.where(usual > 0.0, 0.2 * usual, constant))


def features_of(grid: Grid, *, hold: Sequence[int]) -> tuple[Feature, ...]:
    """The features this machine's metrics can carry; hold: cells for which each metric's value stands."""
    found: list[Feature] = []
    for column, metric in enumerate(grid.metrics):
        found += [Feature(metric, Aspect.LEVEL, SHORT), Feature(metric, Aspect.LEVEL, LONG)]
        if hold[column] <= _SLOWEST_FOR_SPREAD:
            found.append(Feature(metric, Aspect.SPREAD, SPREAD))
        if np.isfinite(grid.spread[:, column]).mean() > _FILLED:
            found.append(Feature(metric, Aspect.RIPPLE, SHORT))
    return tuple(found)


def feature_matrix(grid: Grid, features: Sequence[Feature], anchor: Anchor) -> Float64Array:
    """Every feature at the end of every cell, shape (n, len(features)).

    Looks back only. NaN where less than half of a window is known: a gap is never normal, it is not scored.
    """
    return feature_matrices([(grid, features, anchor)])[0]


def feature_matrices(asked: Sequence[tuple[Grid, Sequence[Feature], Anchor]]) -> list[Float64Array]:
    """The same for many machines at once, each exactly as alone: numpy is called for a stack of their metrics."""
    found = [np.full((len(grid), len(features)), np.nan) for grid, features, _anchor in asked]
    for together in stacks_of([grid.level.shape for grid, _features, _anchor in asked]):
        _fill([asked[at] for at in together], [found[at] for at in together])
    return found


def _fill(asked: Sequence[tuple[Grid, Sequence[Feature], Anchor]], found: Sequence[Float64Array]) -> None:
    centered = stacked([grid.level - anchor.center for grid, _features, anchor in asked])
    # The single arrays that a feature's rolling mean may be of, made only where some machine asks for it.
    calm = without_glitches(centered)
    around = rolling_mean(calm, SHORT)
    floor = np.concatenate([anchor.floor for _grid, _features, anchor in asked])
    center = np.concatenate([anchor.center for _grid, _features, anchor in asked])
    for (aspect, window), places in _places(asked).items():
        columns = np.array([column for column, _machine, _at in places])
        if aspect is Aspect.LEVEL:
            # Against the near past: a load cycle of minutes is no restlessness.
            values = (around if window == SHORT else rolling_mean(calm, window))[:, columns] + center[columns]
        else:
            moves = (
                stacked([grid.spread for grid, _features, _anchor in asked])
                if aspect is Aspect.RIPPLE
                else np.abs(centered - around)
            )
            # The mean of logarithms, so that one wild cell in the window weighs little.
            values = rolling_mean(np.log(moves[:, columns] + floor[columns]), window)
        for value, (_column, machine, at) in zip(values.T, places, strict=True):
            found[machine][:, at] = value[len(value) - len(found[machine]) :]


def _places(
    asked: Sequence[tuple[Grid, Sequence[Feature], Anchor]],
) -> dict[tuple[Aspect, int], list[tuple[int, int, int]]]:
    """For each aspect and window: which column of the stack becomes which machine's which feature."""
    places: dict[tuple[Aspect, int], list[tuple[int, int, int]]] = {}
    first = 0
    for machine, (grid, features, _anchor) in enumerate(asked):
        column_of = {metric: first + column for column, metric in enumerate(grid.metrics)}
        for at, feature in enumerate(features):
            places.setdefault((feature.aspect, feature.window), []).append((column_of[feature.metric], machine, at))
        first += len(grid.metrics)
    return places


def without_glitches(values: Float64Array) -> Float64Array:
    """Median of the last few rows of each column, over those that are known; NaN only where none is.

    >>> without_glitches(np.array([[2.0], [2.1], [900.0], [2.2], [2.1]])).ravel().tolist()
    [2.0, 2.0, 2.1, 2.1, 2.1]
    """
    if not len(values):
        return values
    padded = np.vstack([np.full((_GLITCH - 1, values.shape[1]), np.nan), values])
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, _GLITCH, axis=0), axis=-1)
    # NaN sorts to the end; of an even number known, the lower middle one.
    middle = np.maximum(np.isfinite(windows).sum(axis=-1) - 1, 0) // 2
    calm: Float64Array = np.take_along_axis(windows, middle[..., None], axis=-1)[..., 0]
    # The gap itself stays a gap.
    return np.where(np.isfinite(values), calm, np.nan)


def rolling_mean(values: Float64Array, window: int) -> Float64Array:
    """Mean of the last `window` values at each row, along axis 0; NaN where less than half of them are known.

    >>> rolling_mean(np.array([1.0, 3.0, np.nan, np.nan, 5.0]), 2).tolist()
    [1.0, 2.0, 3.0, nan, 5.0]
    """
    known = np.isfinite(values)
    total = _rolling_sum(np.where(known, values, 0.0), window)
    count = _rolling_sum(known.astype(np.float64), window)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= max(1.0, _FILLED * window), total / count, np.nan)


def _rolling_sum(values: Float64Array, window: int) -> Float64Array:
    total = np.cumsum(values, axis=0)
    result = total.copy()
    result[window:] = total[window:] - total[:-window]
    return result


def _nan_median(values: Float64Array) -> Float64Array:
    """Median of each column over what is known; NaN for a column without anything (numpy warns about those)."""
    median = np.full(values.shape[1], np.nan)
    for column in range(values.shape[1]):
        known = values[:, column][np.isfinite(values[:, column])]
        if len(known):
            median[column] = np.median(known)
    return median
