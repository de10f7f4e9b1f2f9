"""What every judge of a machine must keep: fixed bands, followed levels, metrics together, a single metric's rarity."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from anomalies.detection.courses import Course, JointCourse
from anomalies.detection.detector import Detector, detector_fit, detector_from_parts, detector_to_parts
from anomalies.detection.explain import carriers_of
from anomalies.detection.stream import course_begin, course_resume, stream_judge
from tests.anomalies.synthetic import grid_of, healthy, part_of

HISTORY, LIVE = 3_200, 500


def many_metrics(seconds: int, *, seed: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(seed)
    driver = noise.normal(0, 1, seconds)
    return {f"flow_{at}": 10.0 + at + driver + noise.normal(0, 0.2, seconds) for at in range(12)}


def single_metric(seconds: int, *, seed: int) -> dict[str, np.ndarray]:
    return {"value": healthy(seconds, seed=seed)["motor_current_a"]}


MACHINES = {"few": healthy, "many": many_metrics, "single": single_metric}
# What goes wrong on each, and where: a level, one metric against the others, a value never seen.
TROUBLE = {"few": ("vibration_mm_s", 4.0), "many": ("flow_3", 2.5), "single": ("value", 8.0)}


@pytest.fixture(scope="module", params=sorted(MACHINES))
def case(request):
    """A taught detector, and a grid whose last 200 seconds are wrong, with the metric that is."""
    make, (metric, by) = MACHINES[request.param], TROUBLE[request.param]
    columns = make(HISTORY + LIVE, seed=3)
    columns[metric][HISTORY + 300 :] += by
    grid, clock = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1)
    return detector, grid, metric


def begin_of(grid) -> int:
    return int(grid.t_ms[HISTORY])


def restored(detector: Detector, course: Course) -> Course:
    return course_resume(detector, json.loads(json.dumps(course.to_json(), allow_nan=False)))


def test_trouble_is_seen_and_the_metric_named_and_calm_is_not(case):
    detector, grid, metric = case
    seen = stream_judge(detector, course_begin(detector), grid, from_ms=begin_of(grid))
    assert not seen.active[:300].any()
    assert seen.active[330:].any()
    (since, end, peak), *_ = seen.episodes()
    assert peak >= 1.0
    first = carriers_of(detector, seen, from_ms=since, to_ms=end)[0]
    assert first.metric == metric
    assert 0.0 < first.share <= 1.0
    assert np.isfinite([first.observed, first.low, first.high]).all()


def test_a_stream_in_pieces_and_over_restarts_is_judged_as_in_one_go(case):
    detector, grid, _ = case
    whole = stream_judge(detector, course_begin(detector), grid, from_ms=begin_of(grid))
    course, active, score = course_begin(detector), [], []
    # No edge at a round number: the pieces end where a worker happens to be.
    edges = [HISTORY, HISTORY + 1, HISTORY + 2, HISTORY + 97, HISTORY + 305, HISTORY + 306, HISTORY + 411, len(grid)]
    back = detector.lookback_ms // grid.step_ms
    for first, last in pairwise(edges):
        piece = stream_judge(detector, course, part_of(grid, slice(first - back, last)), from_ms=int(grid.t_ms[first]))
        active += piece.active.tolist()
        score += piece.score.tolist()
        course = restored(detector, course)
    assert active == whole.active.tolist()
    assert np.allclose(score, whole.score, rtol=0, atol=1e-6, equal_nan=True)


def test_a_gap_is_neither_calm_nor_trouble(case):
    detector, grid, _ = case
    for part in (grid.level, grid.low, grid.high, grid.spread):
        assert part.flags.writeable
    blank = part_of(grid, slice(0, len(grid)))
    for part in (blank.level, blank.low, blank.high, blank.spread):
        part[HISTORY:] = np.nan
    seen = stream_judge(detector, course_begin(detector), blank, from_ms=begin_of(grid))
    assert np.isnan(seen.score[5:]).all()
    assert not seen.active.any()
    assert seen.decisions == []


def test_the_same_history_teaches_the_same_and_arrays_alone_bring_it_back(case):
    detector, grid, _ = case
    arrays, described = detector_to_parts(detector)
    assert all(array.dtype != object for array in arrays.values())
    again = detector_from_parts(arrays, json.loads(json.dumps(described)))
    first, second = (stream_judge(d, course_begin(d), grid, from_ms=begin_of(grid)) for d in (detector, again))
    assert np.array_equal(first.score, second.score, equal_nan=True)
    assert first.decisions == second.decisions


def test_each_machine_has_the_judges_that_its_metrics_ask_for(case):
    detector, _, _ = case
    count = len(detector.metrics)
    assert (detector.rarity is not None) == (count == 1)
    assert (detector.tracked is not None) == (count > 1)
    assert (detector.joint is not None) == (count >= 10)


def test_an_infinite_reading_is_far_out_and_forgotten_when_it_is_over():
    columns = healthy(HISTORY + LIVE, seed=3)
    columns["vibration_mm_s"][HISTORY + 100 : HISTORY + 140] = 1e300
    grid, clock = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1)
    seen = stream_judge(detector, course_begin(detector), grid, from_ms=begin_of(grid))
    assert seen.active[110:140].all()
    assert not seen.active[-50:].any()


def test_the_baseline_follows_a_slow_drift_but_stands_still_during_an_event():
    columns = healthy(HISTORY + LIVE, seed=3)
    columns["motor_current_a"][HISTORY:] += 6.0
    grid, clock = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1)
    course = course_begin(detector)
    stream_judge(detector, course, part_of(grid, slice(0, HISTORY + 60)), from_ms=begin_of(grid))
    assert course.levels.standing.active
    during = course.levels.center.copy()
    stream_judge(detector, course, part_of(grid, slice(HISTORY - 100, len(grid))), from_ms=int(grid.t_ms[HISTORY + 60]))
    assert course.levels.standing.active
    assert np.array_equal(course.levels.center, during)


@pytest.fixture(scope="module")
def together():
    """A detector of twelve metrics, and healthy cells after its history."""
    grid, clock = grid_of(many_metrics(HISTORY + LIVE, seed=3))
    return detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1), grid


def joint_scores(together, trouble) -> np.ndarray:
    detector, grid = together
    course, levels = JointCourse.begin(detector.joint), grid.level[HISTORY:].copy()
    trouble(levels)
    seen = [course.take(detector.joint, row, at) for at, row in enumerate(levels[:, detector.joint.columns])]
    return np.array([score for score, _ in seen])


@pytest.mark.parametrize(("cells", "told"), [(1, False), (2, True)])
def test_one_wild_cell_among_many_metrics_is_a_glitch_and_two_in_a_row_are_not(together, cells, told):
    def wild(levels):
        levels[200 : 200 + cells, 3] = 1e300

    scores = joint_scores(together, wild)
    assert np.isfinite(scores).all()
    assert bool(scores.max() >= 1.0) is told
    assert scores[300:].max() < 1.0


def test_what_is_too_small_for_the_first_memory_is_seen_by_the_second(together):
    detector, _ = together

    def slightly(levels):
        levels[100:, 3] += 0.42

    scores = joint_scores(together, slightly)
    quick = replace(detector.joint, limits=detector.joint.limits[:1])
    assert scores.max() >= 1.0 > joint_scores((replace(detector, joint=quick), together[1]), slightly).max()


def test_a_stream_left_before_the_second_memory_goes_on(together):
    detector, grid = together
    stored = course_begin(detector).to_json()
    stored["joint"] = {"smooth": stored["joint"]["smooth"][0], "standing": stored["joint"]["standing"]}
    seen = stream_judge(detector, course_resume(detector, stored), grid, from_ms=begin_of(grid))
    assert np.isfinite(seen.score).all()
