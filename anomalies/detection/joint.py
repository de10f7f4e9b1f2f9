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
# How much of each new distance enters the two smoothed ones: the first is soon there, the second sees what is small
# and lasts, as a control valve that sticks.
SHARES = (0.15, 0.05)
_FOLDS = 5
_FEWEST_CELLS = 150
_QUANTILE, _ABOVE = 0.995, 1.1
_ENOUGH_FOR_RARE = 2_000
_KNOWN_SHARE = 0.5
# Nothing is further out, in standard deviations.
FARTHEST = 1e6


@dataclass(frozen=True, slots=True)
class Joint:
    """columns: (k,) of the grid; center, scale: (k,); weights: (k, k), the inverse of the ridged correlation matrix;
    limits: for each of SHARES the smoothed distance that counts as 1, as held-back parts of history showed it; usual:
    the squared distance that is in the middle of them."""

    columns: NDArray[np.int64]
    center: Float64Array
    scale: Float64Array
    weights: Float64Array
    limits: tuple[float, ...]
    usual: float

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, for an npz."""
        names = ("columns", "center", "scale", "weights")
        return {**{n: getattr(self, n) for n in names}, "limit": np.array([*self.limits, self.usual])}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Joint":
        """The inverse. Raises KeyError, ValueError."""
        metrics = len(arrays["columns"])
        if arrays["weights"].shape != (metrics, metrics) or len(arrays["center"]) != metrics:
            raise ValueError("the joint model's arrays don't belong together")
        # A version taught before the second memory was there has one limit, and goes on with it.
        *limits, usual = arrays["limit"].tolist()
        named = {name: arrays[name] for name in ("columns", "center", "scale", "weights")}
        return cls(**named, limits=tuple(limits), usual=usual)


def joint_fit(level: Float64Array, columns: NDArray[np.int64]) -> Joint | None:
    """Teach by history, shape (n, m); None with fewer than FEWEST_METRICS metrics or too few complete rows."""
    rows = level[:, columns]
    rows = rows[np.isfinite(rows).all(axis=1)]
    # What never moved belongs together with nothing.
    moving = rows.std(axis=0) > _smallest_scale(rows) if len(rows) else np.zeros(len(columns), dtype=bool)
    columns, rows = columns[moving], rows[:, moving]
    if len(columns) < FEWEST_METRICS:
        return None
    if len(rows) < max(_FEWEST_CELLS, 3 * len(columns)):
        return None
    held_back = _held_back(rows)
    usual = float(np.median(held_back))
    limits = tuple(_limit(_smoothed(held_back, share, usual)) for share in SHARES)
    return Joint(columns, *_model(rows), limits, usual)


def distance(joint: Joint, level: Float64Array) -> tuple[float, Float64Array]:
    """One row's squared distance, shape () and each metric's part in it, shape (k,); NaN with half of it unknown.

    level: (k,). A metric that is not known counts as where it should be when the others are where they are.
    """
    # 1e308 is as wrong as this, and its square stays a number.
    with np.errstate(over="ignore"):
        scaled = np.clip((level - joint.center) / joint.scale, -FARTHEST, FARTHEST)
    known = np.isfinite(scaled)
    if known.mean() < _KNOWN_SHARE:
        return float("nan"), np.full(len(scaled), np.nan)
    if not known.all():
        scaled = _completed(joint, scaled, known)
    parts = scaled * (joint.weights @ scaled)
    return float(parts.sum()), parts


def _completed(joint: Joint, scaled: Float64Array, known: NDArray[np.bool_]) -> Float64Array:
    away = ~known
    pull = joint.weights[np.ix_(away, known)] @ scaled[known]
    complete = scaled.copy()
    complete[away] = -np.linalg.solve(joint.weights[np.ix_(away, away)], pull)
    return complete


def _model(rows: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    center = rows.mean(axis=0)
    scale = np.maximum(rows.std(axis=0), _smallest_scale(rows))
    correlation = np.cov(((rows - center) / scale).T)
    values, vectors = np.linalg.eigh(correlation)
    return center, scale, np.asarray((vectors / (values + _RIDGE * values.mean())) @ vectors.T)


def _smallest_scale(rows: Float64Array) -> Float64Array:
    return np.asarray(np.maximum(1e-6 * np.abs(rows.mean(axis=0)), 1e-9), dtype=np.float64)


def _held_back(rows: Float64Array) -> Float64Array:
    """Squared distances of each fifth of history from a model of the other four, oldest first."""
    edges = np.linspace(0, len(rows), _FOLDS + 1).astype(int)
    found = []
    for start, stop in pairwise(edges.tolist()):
        center, scale, weights = _model(np.concatenate([rows[:start], rows[stop:]]))
        scaled = (rows[start:stop] - center) / scale
        found.append(np.einsum("ij,jk,ik->i", scaled, weights, scaled))
    return np.concatenate(found)


def _limit(smooth: Float64Array) -> float:
    limit = _ABOVE * float(np.quantile(smooth, _QUANTILE))
    return rare_level(smooth, at_least=limit) if len(smooth) >= _ENOUGH_FOR_RARE else limit


def _smoothed(values: Float64Array, share: float, begin: float) -> Float64Array:
    smooth = np.empty_like(values)
    level = begin
    for at, value in enumerate(values.tolist()):
        level += share * (value - level)
        smooth[at] = level
    return smooth
