"""Scoring a machine's stream on event time, from where it stood; and any window on demand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from anomalies.detection.calibrate import Change, Decision, Evidence
from anomalies.detection.checks import FlatRun, flat_runs, stuck_metrics
from anomalies.detection.courses import Course
from anomalies.detection.detector import Detector
from anomalies.detection.explain import Carrier, carriers_of
from anomalies.detection.grid import Grid
from anomalies.detection.history import DAY_MS, HOUR_MS, grid_read
from anomalies.detection.registry import ActiveModel, DetectorDamagedError, detector_load, models_active
from anomalies.detection.steering import limit_factor
from anomalies.detection.stream import Watched, course_begin, course_resume, stream_judge
from anomalies.detection.tracked import tracked_features
from common import clock
from common.errors import InvalidInputError
from common.times import from_ms as instant_of
from common.times import rfc3339
from telemetry.models import Machine, Metric

_log = structlog.get_logger(__name__)

THRESHOLD = 1.0
# A worker that was away catches up this far at most; what lies before is history, not news.
_CATCH_UP_MS = HOUR_MS
# Devices whose clocks run ahead are taken up to ten minutes.
_AHEAD_MS = 11 * 60_000
# A metric this late behind the others no longer holds the stream back; blocks are sent every few seconds.
_WAIT_FOR_MS = 15_000
# Health follows the last half minute (of one-second cells): a single odd cell doesn't make a machine look ill.
_HEALTH_CELLS = 30
_MOST_DAYS = 1
# What tells where a machine was when nothing is known from before.
_BEGINS_BY_CELLS = 60


@dataclass(frozen=True, slots=True)
class Judged:
    """What scoring the newest cells said.

    decisions: anomalies that began or ended in them. carriers: what carries the present anomaly, if one is active.
    score: of the last minute, None where nothing could be scored. stuck: metric -> its run of equal readings, where too
    long. holds_ms: for each metric the model was taught by, how long its value stands. state: for the next call.
    """

    scored_to_ms: int
    decisions: list[Decision]
    active: bool
    since_ms: int | None
    peak: float
    carriers: list[Carrier]
    score: float | None
    stuck: dict[str, FlatRun]
    holds_ms: dict[str, int]
    state: dict[str, Any]


def stream_score(
    machine: Machine, model: ActiveModel, *, scored_to_ms: int, state: Mapping[str, Any], raised: float = 1.0
) -> Judged | None:
    """Score the machine's cells that are new since `scored_to_ms`; None when no further cell is complete.

    Reads a window back from there, so that nothing but the state has to survive a kill. Raises StoreUnavailableError,
    DetectorDamagedError.
    """
    detector = detector_load(model.id)
    course, runs = _resumed(model, detector, state)
    newest_ms = clock.now_ms() + _AHEAD_MS
    start = max(scored_to_ms, model.taught_to_ms)
    grid = _window(machine, detector, start=start, to_ms=newest_ms)
    if state.get("model") != model.id:
        course_here(detector, course, grid, at_ms=start, taught_to_ms=model.taught_to_ms)
    end = _frontier(grid, detector)
    if end <= start:
        return None
    start = max(start, end - _CATCH_UP_MS)
    new = (grid.t_ms >= start) & (grid.t_ms < end)
    watched = stream_judge(detector, course, _rows(grid, grid.t_ms < end), from_ms=start, raised=raised)
    runs = flat_runs(_rows(grid, new), runs)
    began = [decision for decision in watched.decisions if decision.change is Change.BEGAN]
    since = course.since_ms if course.active else (began[-1].since_ms if began else None)
    return Judged(
        scored_to_ms=end,
        decisions=watched.decisions,
        active=course.active,
        since_ms=since,
        peak=course.peak if course.active else max((d.peak for d in watched.decisions), default=0.0),
        carriers=carriers_of(detector, watched, from_ms=since, to_ms=end) if since is not None else [],
        score=_recent_score(watched),
        stuck=stuck_metrics(runs, detector.flat_limit_ms),
        holds_ms={m: detector.clock.hold.get(m, 1) * detector.clock.step_ms for m in detector.metrics},
        state=_kept(model, course, runs),
    )


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


def _resumed(model: ActiveModel, detector: Detector, state: Mapping[str, Any]) -> tuple[Course, dict[str, FlatRun]]:
    """The stream where it was left, or a new one for a new model.

    Another model's doubts are not this one's; an anomaly it has raised stays until this one's bands find it gone.
    """
    runs = {metric: FlatRun(*run) for metric, run in state.get("flat", {}).items()}
    if state.get("model") == model.id and "course" in state:
        try:
            return course_resume(detector, state["course"]), runs
        except (KeyError, TypeError, ValueError) as error:
            # Another release kept it in another shape: the stream begins anew, as for a new model.
            _log.warning("course_unreadable", model=model.id, reason=repr(error))
    course, event = course_begin(detector), state.get("event")
    if event is not None:
        course.bands = Evidence(since_ms=event["since_ms"], active=True, peak=event["peak"])
    return course, runs


def _kept(model: ActiveModel, course: Course, runs: Mapping[str, FlatRun]) -> dict[str, Any]:
    return {
        "model": model.id,
        "course": course.to_json(),
        "event": {"since_ms": course.since_ms, "peak": course.peak} if course.active else None,
        "flat": {metric: [run.value, run.since_ms, run.to_ms] for metric, run in runs.items()},
    }


def _window(machine: Machine, detector: Detector, *, start: int, to_ms: int) -> Grid:
    start = max(start, to_ms - _AHEAD_MS - 2 * _CATCH_UP_MS)
    return grid_read(machine, detector.metrics, detector.clock, from_ms=start - detector.lookback_ms, to_ms=to_ms)


def _frontier(grid: Grid, detector: Detector) -> int:
    """Where the stream stands: the start of the last cell that every metric which still reports has reached.

    That cell itself may still be filling, so it is not scored yet.
    """
    last = _last_ms(grid)
    if not last:
        return 0
    newest = max(last.values())
    patience = {
        metric: max(_WAIT_FOR_MS, detector.clock.hold.get(metric, 1) * detector.clock.step_ms) for metric in last
    }
    # A metric slower than the clock has its value until the next one is due.
    holds = {m: (detector.clock.hold.get(m, 1) - 1) * grid.step_ms for m in last}
    waiting = [
        min(newest, t + (holds[metric] if holds[metric] > 5 * grid.step_ms else 0))
        for metric, t in last.items()
        if newest - t <= patience[metric]
    ]
    return min(waiting)


def _last_ms(grid: Grid) -> dict[str, int]:
    """The last cell in which each metric had a reading of its own."""
    last = {}
    for column, metric in enumerate(grid.metrics):
        rows = np.flatnonzero(np.isfinite(grid.low[:, column]))
        if len(rows):
            last[metric] = int(grid.t_ms[rows[-1]])
    return last


def _rows(grid: Grid, rows: NDArray[np.bool_]) -> Grid:
    parts = (part[rows] for part in (grid.level, grid.low, grid.high, grid.spread))
    return Grid(grid.step_ms, grid.metrics, grid.t_ms[rows], *parts)


def _recent_score(watched: Watched) -> float | None:
    recent = watched.score[-_HEALTH_CELLS:]
    recent = recent[np.isfinite(recent)]
    return float(np.median(recent)) if len(recent) else None


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
