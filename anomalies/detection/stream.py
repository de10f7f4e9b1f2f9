"""A machine's cells through all its judges, one after the other: one path for live, replay and benchmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.detection.calibrate import Change, Decision, Evidence, Persistence, evidence_step
from anomalies.detection.courses import Course, JointCourse, LevelCourse, RareCourse
from anomalies.detection.detector import Detector
from anomalies.detection.forest_table import ForestTable
from anomalies.detection.grid import Grid
from anomalies.detection.joint import FARTHEST, Joint
from anomalies.detection.rarity import rarity_run
from anomalies.detection.scoring import Scores, Window, windows_score
from anomalies.detection.tracked import WINDOWS, tracked_features, tracked_matrices
from telemetry.readings import Float64Array, Int64Array

_RULES = Persistence()
_KNOWN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Witness:
    """What a judge saw, per cell and metric, shape (n, m): deviation in limits, observed, and the expected band."""

    active: NDArray[np.bool_]
    ratio: Float64Array
    observed: Float64Array
    low: Float64Array
    high: Float64Array


@dataclass(frozen=True, slots=True)
class Watched:
    """Cells judged: t_ms (n,); score (n,), 1 is the threshold, NaN where too little is known; active (n,).

    scores: of the bands, for the same cells. witnesses: of the judges beside them.
    """

    t_ms: Int64Array
    score: Float64Array
    active: NDArray[np.bool_]
    decisions: list[Decision]
    scores: Scores
    bands_active: NDArray[np.bool_]
    witnesses: dict[str, Witness]

    def episodes(self) -> list[tuple[int, int, float]]:
        """Events: (since_ms, end_ms, peak score); one that still lasts ends with the window."""
        found, since = [], None
        for decision in self.decisions:
            since = decision.since_ms if decision.change is Change.BEGAN else None
            if decision.change is Change.ENDED:
                found.append((decision.since_ms, decision.t_ms, decision.peak))
        if since is not None:
            lasting = self.score[self.t_ms >= since]
            found.append((since, int(self.t_ms[-1]), float(np.fmax.reduce(lasting, initial=0.0))))
        return found


def course_begin(detector: Detector) -> Course:
    """A machine's stream where teaching ended."""
    return Course(
        bands=Evidence(),
        levels=None if detector.tracked is None else LevelCourse.begin(detector.tracked),
        joint=None if detector.joint is None else JointCourse.begin(detector.joint),
        rare=None if detector.rarity is None else RareCourse.begin(detector.rarity),
    )


def course_resume(detector: Detector, stored: Mapping[str, Any]) -> Course:
    """A machine's stream where it was left. Raises KeyError, TypeError for what another format left."""
    course = course_begin(detector)
    course.bands = Evidence.from_json(stored["bands"])
    if course.levels is not None:
        course.levels = LevelCourse.from_json(stored["levels"])
    if detector.joint is not None:
        course.joint = JointCourse.from_json(stored["joint"], detector.joint)
    if detector.rarity is not None:
        course.rare = RareCourse.from_json(stored["rare"], detector.rarity)
    course.anew = stored.get("anew", False)
    return course


def course_anew(detector: Detector, course: Course, grid: Grid) -> None:
    """Take where the machine is at the grid's end for normal from now on; no judge sees an event any more.

    The grid wants `detector.lookback_ms` of cells.
    """
    course.bands, course.anew = Evidence(), True
    for part in course.parts():
        part.standing.end()
    if course.levels is not None and detector.tracked is not None:
        tracked = detector.tracked
        features = tracked_features(grid.level[:, tracked.columns], tracked.noise)
        course.levels.begin_anew(features[-1, : len(tracked.columns)])
    if course.rare is not None and detector.rarity is not None:
        recent = grid.level[-WINDOWS[0] :, detector.rarity.column]
        course.rare.history.base[0] = np.nanmean(recent) if np.isfinite(recent).any() else course.rare.history.base[0]


@dataclass(frozen=True, slots=True)
class Stretch:
    """New cells of a machine's stream: those of the grid from `from_ms` on, which no call has judged before.

    raised: by what factor every judge's limit stands above what teaching found (`steering`).
    The grid wants `detector.lookback_ms` of cells before. table, owner: see `scoring.Window`.
    """

    detector: Detector
    course: Course
    grid: Grid
    from_ms: int
    raised: float = 1.0
    table: ForestTable | None = None
    owner: int = 0


def stream_judge(detector: Detector, course: Course, grid: Grid, *, from_ms: int, raised: float = 1.0) -> Watched:
    """Judge one machine's new cells, as `Stretch` describes them; the course goes on.

    Splitting a stream anywhere gives the same verdicts.
    """
    return streams_ready([Stretch(detector, course, grid, from_ms, raised)])[0].judge()


def streams_ready(stretches: Sequence[Stretch]) -> "list[Judging]":
    """Reckon for many machines at once what does not depend on where their streams stand: features, forests, means.

    Changes nothing; each machine's cells are then judged one after the other (`Judging.judge`), because every judge's
    next step depends on its last one. What comes out is exactly what each machine alone would get.
    """
    starts = [int(np.searchsorted(each.grid.t_ms, each.from_ms)) for each in stretches]
    windows = [
        Window(each.detector, each.grid, start, each.table, each.owner)
        for each, start in zip(stretches, starts, strict=True)
    ]
    found = zip(stretches, starts, windows_score(windows), _followed_means(stretches, starts), strict=True)
    return [Judging(each, start, _raised(scores, each.raised), means) for each, start, scores, means in found]


def _followed_means(stretches: Sequence[Stretch], starts: Sequence[int]) -> list[Float64Array]:
    """The means of followed levels at each new cell, shape (n, f); none for a machine without."""
    found = [np.zeros((len(each.grid) - start, 0)) for each, start in zip(stretches, starts, strict=True)]
    followed = [(at, tracked) for at, each in enumerate(stretches) if (tracked := each.detector.tracked) is not None]
    levels = [stretches[at].grid.level[:, tracked.columns] for at, tracked in followed]
    asked = [(level, tracked.noise) for level, (_at, tracked) in zip(levels, followed, strict=True)]
    for (at, _tracked), level, means in zip(followed, levels, tracked_matrices(asked), strict=True):
        # A window may still be half full where the cell itself is a gap: a gap is not judged.
        gap = np.isfinite(level).mean(axis=1) < _KNOWN_SHARE
        found[at] = np.where(gap[:, None], np.nan, means)[starts[at] :]
    return found


class Judging:
    """One machine's new cells, ready to be judged one after the other."""

    def __init__(self, stretch: Stretch, start: int, scores: Scores, means: Float64Array) -> None:
        self.detector, self.course, self.grid = stretch.detector, stretch.course, stretch.grid
        self.start, self.scores, self.features, self.raised = start, scores, means, stretch.raised
        course, count, metrics = stretch.course, len(scores.t_ms), len(stretch.grid.metrics)
        self.score = np.full(count, np.nan) if course.anew else scores.score.copy()
        self.active, self.bands_active = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self.decisions: list[Decision] = []
        self._rare = np.zeros(0)
        self.witnesses = {
            name: Witness(np.zeros(count, np.bool_), *(np.full((count, metrics), np.nan) for _ in range(4)))
            for name, part in (("levels", course.levels), ("joint", course.joint), ("rare", course.rare))
            if part is not None
        }

    def judge(self) -> Watched:
        """Judge every cell; the course goes on."""
        self._rare = self._rarities()
        self._go()
        return self._watched()

    def _go(self) -> None:
        times = self.scores.t_ms.tolist()
        for at, t_ms in enumerate(times):
            was, since, peak = self.course.active, self.course.since_ms, self.course.peak
            self._bands(at, t_ms)
            self._levels(at, t_ms)
            self._joint(at, t_ms)
            self._rarity(at, t_ms)
            self.active[at] = self.course.active
            if self.course.active and not was:
                self.decisions.append(Decision(Change.BEGAN, t_ms, self.course.since_ms or t_ms, self.course.peak))
            elif was and not self.course.active:
                self.decisions.append(Decision(Change.ENDED, t_ms, since or t_ms, peak))

    def _watched(self) -> Watched:
        return Watched(
            self.scores.t_ms,
            self.score,
            self.active,
            self.decisions,
            self.scores,
            self.bands_active,
            self.witnesses,
        )

    def _rarities(self) -> Float64Array:
        rarity, course = self.detector.rarity, self.course.rare
        if rarity is None or course is None:
            return np.zeros(0)
        return rarity_run(rarity, course.history, self.grid.level[:, rarity.column], self.start)

    def _heard(self, at: int, score: float) -> None:
        if not np.isnan(score) and not score <= self.score[at]:
            self.score[at] = score

    def _bands(self, at: int, t_ms: int) -> None:
        score = float(self.scores.score[at])
        if not np.isnan(score) and not self.course.anew:
            self.course.bands, _ = evidence_step(self.course.bands, t_ms, score, _RULES)
        self.bands_active[at] = self.course.bands.active

    def _levels(self, at: int, t_ms: int) -> None:
        tracked, course = self.detector.tracked, self.course.levels
        if tracked is None or course is None:
            return
        row = self.features[at]
        score, signed, limit = course.take(tracked, row, t_ms, raised=self.raised)
        self._heard(at, score)
        witness, count, columns = self.witnesses["levels"], len(tracked.columns), tracked.columns
        witness.active[at] = course.standing.active
        by_window = np.abs(signed).reshape(-1, count)
        best = np.nan_to_num(by_window).argmax(axis=0) * count + np.arange(count)
        witness.ratio[at, columns] = np.abs(signed)[best]
        witness.observed[at, columns] = row[best]
        witness.low[at, columns] = (course.center - limit)[best]
        witness.high[at, columns] = (course.center + limit)[best]

    def _joint(self, at: int, t_ms: int) -> None:
        joint, course = self.detector.joint, self.course.joint
        if joint is None or course is None or self.course.anew:
            return
        level = self.grid.level[self.start + at, joint.columns]
        score, parts = course.take(joint, level, t_ms, raised=self.raised)
        self._heard(at, score)
        witness = self.witnesses["joint"]
        witness.active[at] = course.standing.active
        witness.ratio[at, joint.columns], witness.observed[at, joint.columns] = parts, level
        low, high = _given_the_others(joint, level)
        witness.low[at, joint.columns], witness.high[at, joint.columns] = low, high

    def _rarity(self, at: int, t_ms: int) -> None:
        rarity, course = self.detector.rarity, self.course.rare
        if rarity is None or course is None:
            return
        score = float(self._rare[at]) / self.raised
        if not np.isnan(score):
            course.weigh(rarity, score, t_ms)
        self._heard(at, score)
        witness, metric = self.witnesses["rare"], self.grid.metrics[rarity.column]
        witness.active[at] = course.standing.active
        witness.ratio[at, rarity.column] = score
        witness.observed[at, rarity.column] = self.grid.level[self.start + at, rarity.column]
        low, high = self.detector.normal.get(metric, (np.nan, np.nan))
        witness.low[at, rarity.column], witness.high[at, rarity.column] = low, high


def _given_the_others(joint: Joint, level: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Where each metric should be when the others are where they are: conditional mean and three deviations."""
    with np.errstate(over="ignore"):
        scaled = np.clip(np.nan_to_num((level - joint.center) / joint.scale), -FARTHEST, FARTHEST)
    own = np.diag(joint.weights)
    expected = joint.center + joint.scale * (scaled - (joint.weights @ scaled) / own)
    reach = 3.0 * joint.scale / np.sqrt(own)
    return expected - reach, expected + reach


def _raised(scores: Scores, raised: float) -> Scores:
    return Scores(scores.t_ms, scores.score / raised, scores.ratio / raised, scores.matrix)
