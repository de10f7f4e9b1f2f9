"""The normal band of each feature, and how far a value lies from it. Pure: numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.features import Aspect, Feature
from telemetry.readings import Float64Array

# The middle 99 % of training. Of a normal distribution, its half width is 2.576 standard deviations.
_QUANTILES = (0.005, 0.995)
_HALF_WIDTH = 2.5758293035489004
# A deviation is never larger: infinity and 1e308 are as wrong as this and stay summable.
_FARTHEST = 1e6
_SMALLEST_UNIT_OF_LOG = 0.15
_SMALLEST_SHARE_OF_LEVEL = 2e-3


@dataclass(frozen=True, slots=True)
class Bands:
    """Where features lie when all is well; all columns of shape (f,), in the features' own units.

    low, high: the middle 99 % seen in training. center, unit: their middle, and the standard deviation that a normal
    distribution of that width has, with a floor so that a constant metric does not turn a last digit into an event.
    only_above: movement counts when it grows. That it shrinks is what a higher sampling rate or a better filter does,
    too; a sensor that stands still has a check of its own.
    """

    low: Float64Array
    high: Float64Array
    center: Float64Array
    unit: Float64Array
    only_above: NDArray[np.bool_]


def bands_fit(matrix: Float64Array, features: Sequence[Feature]) -> Bands:
    """Bands of training rows, shape (n, f); a feature that was never known gets a band that contains everything."""
    low, high = (np.empty(len(features)) for _ in range(2))
    for at in range(len(features)):
        known = matrix[:, at][np.isfinite(matrix[:, at])]
        low[at], high[at] = np.quantile(known, _QUANTILES) if len(known) else (-np.inf, np.inf)
    with np.errstate(invalid="ignore"):
        center = np.nan_to_num((low + high) / 2.0)
    unit = np.maximum((high - low) / 2.0 / _HALF_WIDTH, _smallest_units(center, features))
    return Bands(low, high, center, unit, np.array([f.aspect is not Aspect.LEVEL for f in features], dtype=bool))


def _smallest_units(center: Float64Array, features: Sequence[Feature]) -> Float64Array:
    is_level = np.array([feature.aspect is Aspect.LEVEL for feature in features], dtype=bool)
    level_floor = np.maximum(_SMALLEST_SHARE_OF_LEVEL * np.abs(center), 1e-9)
    return np.where(is_level, level_floor, _SMALLEST_UNIT_OF_LOG)


def deviation(matrix: Float64Array, bands: Bands) -> Float64Array:
    """Distance of each value from the middle of its band in units, shape (n, f), >= 0; a gap stays NaN.

    Inside the band this is at most 2.58. A value that is no number a sensor can give (infinite) is as far as can be.

    >>> bands = Bands(*(np.array([x]) for x in (1.8, 3.1, 2.45, 0.25, False)))
    >>> deviation(np.array([[2.45], [7.9], [np.inf], [np.nan]]), bands).round(2).ravel().tolist()
    [0.0, 21.8, 1000000.0, nan]
    """
    with np.errstate(over="ignore"):
        signed = (matrix - bands.center) / bands.unit
        return np.minimum(np.where(bands.only_above, np.maximum(signed, 0.0), np.abs(signed)), _FARTHEST)
