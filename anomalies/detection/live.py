"""Machines' streams on event time, carried on together from where each of them stood.

A batch of machines is one call: one statement or a few for its readings, one walk through its forests, numpy over all
its metrics for features and means. What each machine gets is exactly what it would get alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import structlog
from django.db import DatabaseError
from numpy.typing import NDArray

from anomalies.detection.calibrate import Change, Decision, Evidence
from anomalies.detection.checks import FlatRun, flat_runs, stuck_metrics
from anomalies.detection.courses import Course
from anomalies.detection.detector import Detector
from anomalies.detection.explain import Carrier, Event, carriers_of
from anomalies.detection.forest_table import ForestTable
from anomalies.detection.grid import Grid
from anomalies.detection.history import HOUR_MS, Window, grids_read
from anomalies.detection.registry import ActiveModel, detector_load, detectors_gathered
from anomalies.detection.score import course_here
from anomalies.detection.stream import Judging, Stretch, Watched, course_begin, course_resume, streams_ready
from common import clock
from telemetry.models import Machine
from telemetry.store.base import StoreUnavailableError

_log = structlog.get_logger(__name__)
_Before = TypeVar("_Before")
_After = TypeVar("_After")

# A worker that was away catches up this far at most; what lies before is history, not news.
CATCH_UP_MS = HOUR_MS
# Devices whose clocks run ahead are taken up to ten minutes.
_AHEAD_MS = 11 * 60_000
# A metric this late behind the others no longer holds the stream back; blocks are sent every few seconds.
_WAIT_FOR_MS = 15_000
# Health follows the last half minute (of one-second cells): a single odd cell doesn't make a machine look ill.
_HEALTH_CELLS = 30
# So many cells, of all metrics together, are in hand at once: two hundred machines that stand at the present, or ten
# that were left an hour ago. With all that is made of them it is some forty megabytes.
_CELLS_IN_HAND = 400_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What scoring the newest cells said.

    decisions: anomalies that began or ended in them. events: those that began, in their order; after an outage there
    may be several. carriers: what carries the present anomaly, if one is active.
    score: of the last minute, None where nothing could be scored. stuck: metric -> its run of equal readings, where too
    long. holds_ms: for each metric the model was taught by, how long its value stands. state: for the next call.
    """

    scored_to_ms: int
    decisions: list[Decision]
    events: list[Event]
    active: bool
    since_ms: int | None
    peak: float
    carriers: list[Carrier]
    score: float | None
    stuck: dict[str, FlatRun]
    holds_ms: dict[str, int]
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A machine whose stream is to be carried on from `scored_to_ms`; state: what the last call kept.

    raised: by what factor all limits stand above what teaching found.
    """

    machine: Machine
    model: ActiveModel
    scored_to_ms: int
    state: Mapping[str, Any]
    raised: float = 1.0

    @property
    def start_ms(self) -> int:
        """Where the new cells begin."""
        return max(self.scored_to_ms, self.model.taught_to_ms)


@dataclass(frozen=True, slots=True)
class _Stream:
    """A machine's stream where it was left; table: where its forest stands among others."""

    asked: Asked
    detector: Detector
    course: Course
    runs: dict[str, FlatRun]
    table: ForestTable | None = None

    @property
    def window(self) -> Window:
        """What has to be read: the new cells, and those before that their features need."""
        newest_ms, detector = clock.now_ms() + _AHEAD_MS, self.detector
        begin = max(self.asked.start_ms, newest_ms - _AHEAD_MS - 2 * CATCH_UP_MS) - detector.lookback_ms
        return Window(self.asked.machine, detector.metrics, detector.clock, from_ms=begin, to_ms=newest_ms)


@dataclass(frozen=True, slots=True)
class _News:
    """The new and complete cells of a stream, which end at `end_ms`."""

    stream: _Stream
    stretch: Stretch
    end_ms: int


def machines_score(asked: Sequence[Asked]) -> list[Judged | Exception | None]:
    """Score the cells of machines that are new, in their order; None where no further cell is complete.

    Reads a window back from where each stands, so that nothing but the state has to survive a kill. What one machine's
    model, state or readings make impossible (DetectorDamagedError, or any other error) is answered in its place and
    stops no other. Raises StoreUnavailableError, and DatabaseError: these concern all.
    """
    found: dict[int, Judged | Exception] = {}
    begun = _each(dict(enumerate(asked)), _begin, found)
    for portion in _portions(begun):
        streams = _gathered(portion)
        grids = grids_read([stream.window for stream in streams.values()], until_ms=clock.now_ms())
        read = dict(zip(streams, zip(streams.values(), grids, strict=True), strict=True))
        news = _each(read, _news, found)
        found |= _each(_ready(news, found), _judged, found)
    return [found.get(at) for at in range(len(asked))]


def _each(
    items: Mapping[int, _Before], step: Callable[[_Before], _After | None], found: dict[int, Judged | Exception]
) -> dict[int, _After]:
    """What a step makes of each item, by place; one that fails is told in `found`, one with None is left out."""
    done = {}
    for at, item in items.items():
        try:
            after = step(item)
        except (StoreUnavailableError, DatabaseError):
            raise
        except Exception as error:  # noqa: BLE001  # a machine's edge: told in its place, and logged with its name there
            found[at] = error
            continue
        if after is not None:
            done[at] = after
    return done


def _begin(asked: Asked) -> _Stream:
    detector = detector_load(asked.model.id)
    return _Stream(asked, detector, *_resumed(asked.model, detector, asked.state))


def _portions(streams: Mapping[int, _Stream]) -> Iterable[dict[int, _Stream]]:
    """Streams that are carried on together, so many that what is read for them stays small enough."""
    portion: dict[int, _Stream] = {}
    cells = 0
    for at, stream in streams.items():
        window = stream.window
        own = max(clock.now_ms() - window.from_ms, 0) // window.clock.step_ms * len(window.metrics)
        if portion and cells + own > _CELLS_IN_HAND:
            yield portion
            portion, cells = {}, 0
        portion[at] = stream
        cells += own
    if portion:
        yield portion


def _gathered(streams: Mapping[int, _Stream]) -> dict[int, _Stream]:
    wanted = {stream.asked.machine.pk: (stream.asked.model.id, stream.detector) for stream in streams.values()}
    found = detectors_gathered(wanted)
    gathered = {}
    for at, stream in streams.items():
        detector, table = found[stream.asked.machine.pk]
        gathered[at] = replace(stream, detector=detector, table=table)
    return gathered


def _news(read: tuple[_Stream, Grid]) -> _News | None:
    (stream, grid), asked = read, read[0].asked
    detector, course, start = stream.detector, stream.course, asked.start_ms
    if asked.state.get("model") != asked.model.id:
        course_here(detector, course, grid, at_ms=start, taught_to_ms=asked.model.taught_to_ms)
    end = _frontier(grid, detector)
    if end <= start:
        return None
    complete = _rows(grid, grid.t_ms < end)
    start = max(start, end - CATCH_UP_MS)
    stretch = Stretch(detector, course, complete, start, asked.raised, stream.table, asked.machine.pk)
    return _News(stream, stretch, end)


def _ready(news: Mapping[int, _News], found: dict[int, Judged | Exception]) -> dict[int, tuple[_News, Judging]]:
    """All together; where that fails, each alone: whose trouble it is shows then."""
    try:
        ready = streams_ready([each.stretch for each in news.values()])
    except Exception as error:  # noqa: BLE001  # as in `_each`; nothing has been changed so far
        _log.warning("machines_not_scored_together", machines=len(news), reason=repr(error))
        return _each(news, _ready_alone, found)
    return dict(zip(news, zip(news.values(), ready, strict=True), strict=True))


def _ready_alone(news: _News) -> tuple[_News, Judging]:
    [ready] = streams_ready([replace(news.stretch, table=None)])
    return news, ready


def _judged(ready: tuple[_News, Judging]) -> Judged:
    news, watched = ready[0], ready[1].judge()
    detector, course, grid = news.stretch.detector, news.stretch.course, news.stretch.grid
    runs = flat_runs(_rows(grid, grid.t_ms >= news.stretch.from_ms), news.stream.runs)
    since = course.since_ms
    return Judged(
        scored_to_ms=news.end_ms,
        decisions=watched.decisions,
        events=_events(detector, watched, course, news.end_ms),
        active=course.active,
        since_ms=since,
        peak=course.peak if course.active else max((d.peak for d in watched.decisions), default=0.0),
        carriers=[] if since is None else carriers_of(detector, watched, from_ms=since, to_ms=news.end_ms),
        score=_recent_score(watched),
        stuck=stuck_metrics(runs, detector.flat_limit_ms),
        holds_ms={m: detector.clock.hold.get(m, 1) * detector.clock.step_ms for m in detector.metrics},
        state=_kept(news.stream.asked.model, course, runs),
    )


def _events(detector: Detector, watched: Watched, course: Course, end_ms: int) -> list[Event]:
    """Each event that began, with its own peak and carriers, up to where it ended if it did."""
    found = []
    for began in watched.decisions:
        if began.change is not Change.BEGAN:
            continue
        over = next((d for d in watched.decisions if d.change is Change.ENDED and d.t_ms > began.t_ms), None)
        to_ms, peak = (end_ms, course.peak) if over is None else (over.t_ms, over.peak)
        carriers = carriers_of(detector, watched, from_ms=began.since_ms, to_ms=to_ms)
        found.append(Event(began.since_ms, began.t_ms, peak, carriers))
    return found


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
