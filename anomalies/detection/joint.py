"""Whether metrics still belong together: the Mahalanobis distance of a row, with small directions kept. Pure numpy.

Hotelling's T2 and the squared prediction error of a principal component model are the two halves of this distance; the
ridge takes the place of the choice between them (compare Chiang, Russell, Braatz, 2001).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.calibrate import rare_level
from telemetry.readings import Float64Array

FEWEST_METRICS = 10
_RIDGE = 0.01
# How much of each new distance enters the smoothed one.
SHARE = 0.15
_FOLDS = 5
_FEWEST_CELLS = 150
_QUANTILE, _ABOVE = 0.995, 1.1
_SETTLES = 10
_ENOUGH_FOR_RARE = 2_000
_KNOWN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Joint:
    """columns: (k,) of the grid; center, scale: (k,); weights: (k, k), the inverse of the ridged correlation matrix;
    limit: the smoothed distance that counts as 1, as held-back parts of history showed it."""

    columns: NDArray[np.int64]
    center: Float64Array
    scale: Float64Array
    weights: Float64Array
    limit: float
    usual: float

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, for an npz."""
        names = ("columns", "center", "scale", "weights")
        return {**{n: getattr(self, n) for n in names}, "limit": np.array([self.limit, self.usual])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Joint":
        """The inverse. Raises KeyError, ValueError."""
        metrics = len(arrays["columns"])
        if arrays["weights"].shape != (metrics, metrics) or len(arrays["center"]) != metrics:
            raise ValueError("the joint model's arrays don't belong together")
        limit, usual = arrays["limit"].tolist()
        return cls(**{n: arrays[n] for n in ("columns", "center", "scale", "weights")}, limit=limit, usual=usual)


def joint_fit(level: Float64Array, columns: NDArray[np.int64]) -> Joint | None:
    """Teach by history, shape (n, m); None with fewer than FEWEST_METRICS metrics or too few complete rows."""
    if len(columns) < FEWEST_METRICS:
        return None
    rows = level[:, columns]
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < max(_FEWEST_CELLS, 3 * len(columns)):
        return None
    held_back = _held_back(rows)
    limit = _ABOVE * float(np.quantile(held_back, _QUANTILE))
    if len(rows) >= _ENOUGH_FOR_RARE:
        limit = rare_level(held_back, at_least=limit)
    center, scale, weights = _model(rows)
    return Joint(columns, center, scale, weights, limit, float(np.median(held_back)))


def distance(joint: Joint, level: Float64Array) -> tuple[float, Float64Array]:
    """One row's squared distance, shape () and each metric's part in it, shape (k,); NaN with half of it unknown.

    level: (k,). A metric that is not known counts as where it usually is.
    """
    scaled = (level - joint.center) / joint.scale
    known = np.isfinite(scaled)
    if known.mean() < _KNOWN_SHARE:
        return float("nan"), np.full(len(scaled), np.nan)
    scaled = np.where(known, scaled, 0.0)
    parts = scaled * (joint.weights @ scaled)
    return float(parts.sum()), parts


def _model(rows: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    center = rows.mean(axis=0)
    scale = np.maximum(rows.std(axis=0), np.maximum(1e-6 * np.abs(center), 1e-9))
    correlation = np.cov(((rows - center) / scale).T)
    values, vectors = np.linalg.eigh(correlation)
    return center, scale, np.asarray((vectors / (values + _RIDGE * values.mean())) @ vectors.T)


def _held_back(rows: Float64Array) -> Float64Array:
    """Smoothed distances of each fifth of history from a model of the other four."""
    edges = np.linspace(0, len(rows), _FOLDS + 1).astype(int)
    found = []
    for start, stop in pairwise(edges.tolist()):
        center, scale, weights = _model(np.concatenate([rows[:start], rows[stop:]]))
        scaled = (rows[start:stop] - center) / scale
        found.append(_smoothed(np.einsum("ij,jk,ik->i", scaled, weights, scaled))[_SETTLES:])
    return np.concatenate(found)


def _smoothed(values: Float64Array) -> Float64Array:
    smooth = np.empty_like(values)
    level = float(values[:5].mean())
    for at, value in enumerate(values.tolist()):
        level += SHARE * (value - level)
        smooth[at] = level
    return smooth
