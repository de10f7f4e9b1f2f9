"""A stretch of a machine's past through one version, piece by piece: what it would have scored and raised."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomalies.detection.calibrate import Change, Decision
from anomalies.detection.courses import Course
from anomalies.detection.detector import Detector
from anomalies.detection.explain import carriers_of
from anomalies.detection.grid import Grid
from anomalies.detection.history import grid_read
from anomalies.detection.score import course_here, evidence_metrics
from anomalies.detection.stream import Watched, course_begin, course_resume, stream_judge
from telemetry.models import Machine
from telemetry.readings import Float64Array

BANDS = "bands"
# A chart shows no more than this; of each stretch the highest score is kept, so that no alert loses its reason.
BUCKETS = 480
_PIECE_CELLS = 1_800
_LOOKBACKS = 3
_EPISODES_MOST = 500
_HIGHEST = 1e6


@dataclass(slots=True)
class Run:
    """One version's way through [from_ms, to_ms): where it stands (at_ms), and what was found so far.

    course: None before the first piece. score: the highest of each bucket, None where nothing was scored. episodes:
    alerts it would have raised; `to_ms` is None for one that still lasts. scored_ms: for how long it judged.
    """

    from_ms: int
    to_ms: int
    at_ms: int
    course: dict[str, Any] | None = None
    score: list[float | None] = field(default_factory=lambda: [None] * BUCKETS)
    episodes: list[dict[str, Any]] = field(default_factory=list)
    more: int = 0
    scored_ms: int = 0

    @classmethod
    def begin(cls, from_ms: int, to_ms: int) -> "Run":
        """At the beginning."""
        return cls(from_ms, to_ms, from_ms)

    @property
    def done(self) -> bool:
        """Whether all of it was looked at."""
        return self.at_ms >= self.to_ms

    def to_json(self) -> dict[str, Any]:
        """For the stored row, between two steps."""
        return {name: getattr(self, name) for name in self.__slots__}


def replay_piece(run: Run, machine: Machine, detector: Detector, *, raised: float, taught_to_ms: int) -> None:
    """Carry the run one piece further. raised: the factor on all limits. Raises StoreUnavailableError."""
    piece_ms = max(_PIECE_CELLS * detector.clock.step_ms, _LOOKBACKS * detector.lookback_ms)
    end_ms = min(run.at_ms + piece_ms, run.to_ms)
    grid = grid_read(machine, detector.metrics, detector.clock, from_ms=run.at_ms - detector.lookback_ms, to_ms=end_ms)
    if len(grid) and int(grid.t_ms[-1]) >= run.at_ms:
        course = _course(run, detector, grid, taught_to_ms)
        watched = stream_judge(detector, course, grid, from_ms=run.at_ms, raised=raised)
        _take(run, machine, detector, watched, grid.step_ms)
        run.course = course.to_json()
    run.at_ms = end_ms


def _course(run: Run, detector: Detector, grid: Grid, taught_to_ms: int) -> Course:
    if run.course is not None:
        return course_resume(detector, run.course)
    course = course_begin(detector)
    course_here(detector, course, grid, at_ms=run.at_ms, taught_to_ms=taught_to_ms)
    return course


def _take(run: Run, machine: Machine, detector: Detector, watched: Watched, step_ms: int) -> None:
    known = np.isfinite(watched.score)
    run.scored_ms += int(known.sum()) * step_ms
    place = (watched.t_ms[known] - run.from_ms) * BUCKETS // max(run.to_ms - run.from_ms, 1)
    scores = np.minimum(watched.score[known], _HIGHEST)
    for bucket in np.unique(place).tolist():
        highest = round(float(scores[place == bucket].max()), 3)
        before = run.score[bucket]
        run.score[bucket] = highest if before is None else max(before, highest)
    for decision in watched.decisions:
        if decision.change is Change.BEGAN:
            _begin(run, machine, detector, watched, decision)
        elif run.episodes and not run.more and run.episodes[-1]["to_ms"] is None:
            run.episodes[-1].update(to_ms=decision.t_ms, peak=round(min(decision.peak, _HIGHEST), 3))
    _follow(run, watched)


def _begin(run: Run, machine: Machine, detector: Detector, watched: Watched, decision: Decision) -> None:
    if len(run.episodes) >= _EPISODES_MOST:
        run.more += 1
        return
    ended = [d.t_ms for d in watched.decisions if d.change is Change.ENDED and d.t_ms > decision.t_ms]
    end_ms = min(ended, default=int(watched.t_ms[-1]))
    units = {metric.name: metric.unit for metric in machine.metrics.all()}
    carriers = carriers_of(detector, watched, from_ms=decision.since_ms, to_ms=end_ms)
    run.episodes.append(
        {
            "since_ms": decision.since_ms,
            "told_ms": decision.t_ms,
            "to_ms": None,
            "peak": round(min(decision.peak, _HIGHEST), 3),
            "judges": judges_of(watched, from_ms=decision.since_ms, to_ms=end_ms),
            "metrics": evidence_metrics(carriers, units),
        }
    )


def _follow(run: Run, watched: Watched) -> None:
    """An event that goes on is as bad as it has ever been."""
    if not run.episodes or run.more or run.episodes[-1]["to_ms"] is not None:
        return
    last = run.episodes[-1]
    lasting = watched.score[watched.t_ms >= last["told_ms"]]
    last["peak"] = round(max(last["peak"], min(float(np.fmax.reduce(lasting, initial=0.0)), _HIGHEST)), 3)


def judges_of(watched: Watched, *, from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    """Which judges saw an event between two instants, the one that saw it most clearly first: `judge`, `peak`."""
    inside = (watched.t_ms >= from_ms) & (watched.t_ms <= to_ms)
    found = {name: _highest(w.ratio[inside & w.active]) for name, w in watched.witnesses.items()}
    found[BANDS] = _highest(watched.scores.ratio[inside & watched.bands_active])
    spoke = sorted(((peak, name) for name, peak in found.items() if peak > 0.0), reverse=True)
    return [{"judge": name, "peak": round(peak, 3)} for peak, name in spoke]


def _highest(ratio: Float64Array) -> float:
    return float(min(np.fmax.reduce(ratio, axis=None, initial=0.0), _HIGHEST)) if ratio.size else 0.0
