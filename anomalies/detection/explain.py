"""Which metrics carry an anomaly: observed, expected, and each one's share. Pure: numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.detector import Detector
from anomalies.detection.features import Aspect
from anomalies.detection.scoring import Scores
from anomalies.detection.stream import Watched, Witness
from telemetry.readings import Float64Array

_MOST_METRICS = 3
_SMALLEST_SHARE = 0.05
# A feature below this share of its limit carries nothing.
_CARRIES_FROM = 0.5
# So that one infinite cell does not hide what the others say.
_CAP = 100.0


@dataclass(frozen=True, slots=True)
class Carrier:
    """One metric's part in an anomaly.

    share: 0 to 1 of all that deviates. observed, low, high: in the metric's unit: a level, or for the aspects
    spread and ripple the usual distance from the mean.
    """

    metric: str
    share: float
    observed: float
    low: float
    high: float
    aspect: Aspect


@dataclass(frozen=True, slots=True)
class Event:
    """What a detector noticed: since when, when it was sure (both event time), how far out, and what carries it."""

    since_ms: int
    found_ms: int
    peak: float
    carriers: Sequence[Carrier]


def carriers_of(detector: Detector, watched: Watched, *, from_ms: int, to_ms: int) -> list[Carrier]:
    """The metrics that carry the event between two instants, by the judge that sees it most clearly."""
    found = [
        (_clarity(witness, rows), _by_witness(detector, witness, rows))
        for witness in watched.witnesses.values()
        if (rows := _inside(watched, from_ms, to_ms) & witness.active).any()
    ]
    rows = _inside(watched, from_ms, to_ms) & watched.bands_active
    if rows.any() or not found:
        worst = np.fmax.reduce(watched.scores.ratio[rows], axis=None, initial=0.0) if rows.any() else 0.0
        found.append((float(min(worst, _CAP)), explain(detector, watched.scores, from_ms=from_ms, to_ms=to_ms)))
    return max(found, key=lambda pair: (bool(pair[1]), pair[0]))[1]


def _inside(watched: Watched, from_ms: int, to_ms: int) -> NDArray[np.bool_]:
    return np.asarray((watched.t_ms >= from_ms) & (watched.t_ms <= to_ms), dtype=np.bool_)


def _clarity(witness: Witness, rows: NDArray[np.bool_]) -> float:
    return float(min(np.fmax.reduce(witness.ratio[rows], axis=None, initial=0.0), _CAP))


def _by_witness(detector: Detector, witness: Witness, rows: NDArray[np.bool_]) -> list[Carrier]:
    ratio, at = _worst_half(witness.ratio[rows]), np.flatnonzero(rows)
    weights = np.maximum(ratio - _CARRIES_FROM, 0.0)
    weights = weights if weights.any() else ratio
    total = float(weights.sum())
    carriers = []
    for column in np.argsort(-weights, kind="stable")[:_MOST_METRICS].tolist():
        if total <= 0.0 or weights[column] / total < _SMALLEST_SHARE:
            continue
        worst = at[int(np.nanargmax(np.nan_to_num(witness.ratio[at, column], nan=-1.0)))]
        observed = float(witness.observed[worst, column])
        band = (float(witness.low[worst, column]), float(witness.high[worst, column]))
        metric = detector.metrics[column]
        low, high = _level_band(detector, metric, observed, *band)
        carriers.append(Carrier(metric, round(float(weights[column]) / total, 3), observed, low, high, Aspect.LEVEL))
    return carriers


def explain(detector: Detector, scores: Scores, *, from_ms: int, to_ms: int) -> list[Carrier]:
    """The metrics that carry the anomaly between two instants (both cells included), the heaviest first."""
    inside = (scores.t_ms >= from_ms) & (scores.t_ms <= to_ms) & np.isfinite(scores.score)
    # What is calm by now says nothing about what was not.
    wrong = inside & (np.nan_to_num(scores.score) >= 1.0)
    inside = wrong if wrong.any() else inside
    if not inside.any():
        return []
    ratio = _worst_half(scores.ratio[inside])
    best = _best_features(detector, ratio)
    weights = {metric: max(float(ratio[at]) - _CARRIES_FROM, 0.0) for metric, at in best.items()}
    if not any(weights.values()):
        # Nothing stands out on its own: then each metric by what it has.
        weights = {metric: float(ratio[at]) for metric, at in best.items()}
    total = sum(weights.values())
    ranked = sorted(weights, key=lambda metric: -weights[metric])[:_MOST_METRICS]
    matrix = scores.matrix[inside]
    return [
        _carrier(detector, matrix, best[metric], weights[metric] / total)
        for metric in ranked
        if total > 0.0 and weights[metric] / total >= _SMALLEST_SHARE
    ]


def _worst_half(ratio: Float64Array) -> Float64Array:
    """Each feature's mean ratio over the half of the rows in which the anomaly is worst; 0 for one not known."""
    worst = np.fmax.reduce(ratio, axis=1, initial=0.0)
    rows = np.argsort(-worst, kind="stable")[: max(1, (len(worst) + 1) // 2)]
    known = np.isfinite(ratio[rows])
    total = np.where(known, np.minimum(ratio[rows], _CAP), 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1))


def _best_features(detector: Detector, ratio: Float64Array) -> dict[str, int]:
    """For each metric the feature that says most about it; a level out of its band is told before any restlessness."""
    best: dict[str, int] = {}
    for at, feature in enumerate(detector.features):
        if feature.metric not in best or _telling(detector, at, ratio) > _telling(
            detector, best[feature.metric], ratio
        ):
            best[feature.metric] = at
    return best


def _telling(detector: Detector, at: int, ratio: Float64Array) -> tuple[bool, float]:
    return detector.features[at].aspect is Aspect.LEVEL and bool(ratio[at] >= 1.0), float(ratio[at])


def _carrier(detector: Detector, matrix: Float64Array, at: int, share: float) -> Carrier:
    feature = detector.features[at]
    low, high, values = detector.bands.low[at], detector.bands.high[at], matrix[:, at]
    known = values[np.isfinite(values)]
    center = detector.bands.center[at]
    observed = known[np.argmax(np.abs(known - center))] if len(known) else np.nan
    if feature.aspect is not Aspect.LEVEL:
        floor = detector.anchor.floor[detector.metrics.index(feature.metric)]
        observed, low, high = (max(float(np.exp(x) - floor), 0.0) for x in (observed, low, high))
    else:
        low, high = _level_band(detector, feature.metric, observed, low, high)
    return Carrier(feature.metric, round(share, 3), float(observed), float(low), float(high), feature.aspect)


def _level_band(detector: Detector, metric: str, observed: float, low: float, high: float) -> tuple[float, float]:
    """The band that charts show when the level lies outside it; else the mean's own, narrower one, which it left."""
    shown = detector.normal.get(metric)
    return shown if shown and not shown[0] <= observed <= shown[1] else (low, high)
