"""Scoring any window of a machine's past on demand, in the contract's shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anomalies.detection.courses import Course
from anomalies.detection.detector import Detector
from anomalies.detection.explain import Carrier, carriers_of
from anomalies.detection.grid import Grid
from anomalies.detection.history import DAY_MS, HOUR_MS, grid_read
from anomalies.detection.registry import DetectorDamagedError, detector_load, models_active
from anomalies.detection.steering import limit_factor
from anomalies.detection.stream import course_begin, stream_judge
from anomalies.detection.tracked import tracked_features
from common.errors import InvalidInputError
from common.times import from_ms as instant_of
from common.times import rfc3339
from telemetry.models import Machine, Metric

THRESHOLD = 1.0
_MOST_DAYS = 1
# What tells where a machine was when nothing is known from before.
_BEGINS_BY_CELLS = 60


def analyze(machine: Machine, *, from_ms: int, to_ms: int) -> dict[str, Any]:
    """Score a past window now, with the active model, in the contract's shape.

    status: “ok”, “learning” without a model, “damaged” where it can't be trusted, “no_data” where nothing was scored.
    Raises InvalidInputError for an empty window or one longer than a day, StoreUnavailableError.
    """
    if not from_ms < to_ms <= from_ms + _MOST_DAYS * DAY_MS:
        raise InvalidInputError("Choose a window that ends after it begins and is at most one day long.")
    model = models_active([machine]).get(machine.pk)
    if model is None:
        return _answer("learning")
    try:
        detector = detector_load(model.id)
    except DetectorDamagedError:
        return _answer("damaged", model_version=model.version)
    grid = grid_read(machine, detector.metrics, detector.clock, from_ms=from_ms - detector.lookback_ms, to_ms=to_ms)
    course = course_begin(detector)
    course_here(detector, course, grid, at_ms=from_ms, taught_to_ms=model.taught_to_ms)
    watched = stream_judge(detector, course, grid, from_ms=from_ms, raised=limit_factor(machine))
    known = np.isfinite(watched.score)
    if not known.any():
        return _answer("no_data", model_version=model.version)
    units = dict(Metric.objects.filter(machine=machine).values_list("name", "unit"))
    return _answer(
        "ok",
        score=round(float(watched.score[known].max()), 4),
        model_version=model.version,
        anomalies=[
            {
                "from": rfc3339(instant_of(since)),
                "to": rfc3339(instant_of(end + grid.step_ms)),
                "score": round(peak, 4),
                "metrics": evidence_metrics(carriers_of(detector, watched, from_ms=since, to_ms=end), units),
            }
            for since, end, peak in watched.episodes()
        ],
    )


def course_here(detector: Detector, course: Course, grid: Grid, *, at_ms: int, taught_to_ms: int) -> None:
    """Let followed levels begin where the machine is at `at_ms`, unless teaching ended right there.

    The level of the teaching, maybe weeks away, would be an event that never ends. The grid wants lookback before.
    """
    tracked = detector.tracked
    if course.levels is None or tracked is None or not len(grid) or abs(at_ms - taught_to_ms) <= HOUR_MS:
        return
    before = int(np.searchsorted(grid.t_ms, at_ms)) or min(len(grid), _BEGINS_BY_CELLS)
    means = tracked_features(grid.level[:before, tracked.columns], tracked.noise)[-1]
    course.levels.begin_anew(means[: len(tracked.columns)])


def evidence_metrics(carriers: Sequence[Carrier], units: Mapping[str, str]) -> list[dict[str, Any]]:
    """Carriers in the contract's shape, with the unit and the aspect beside."""
    return [
        {
            "metric": carrier.metric,
            "unit": units.get(carrier.metric, ""),
            "share": carrier.share,
            "observed": _rounded(carrier.observed),
            "expected": [_rounded(carrier.low), _rounded(carrier.high)],
            "aspect": carrier.aspect.value,
        }
        for carrier in carriers
    ]


def _answer(
    status: str,
    *,
    score: float | None = None,
    model_version: int | None = None,
    anomalies: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "status": status,
        "score": score,
        "threshold": THRESHOLD,
        "model_version": model_version,
        "anomalies": list(anomalies),
    }


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
