"""Every kind of machine, whatever its sensors send: nothing fails, nothing is told of what is only missing."""

import json

import numpy as np
import pytest

from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.grid import Clock, Grid, cells_from_series, clock_for, grid_from_cells, interval_ms
from anomalies.detection.stream import Watched, course_begin, stream_judge
from telemetry.readings import Series
from tests.anomalies.synthetic import START_MS, grid_of, healthy, part_of

HISTORY, LIVE = 3_200, 300


def sixty(count: int, *, seed: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(seed)
    driver = noise.normal(0, 1, count)
    return {f"flow_{at}": 10.0 + at + driver + noise.normal(0, 0.2, count) for at in range(60)}


def single(count: int, *, seed: int) -> dict[str, np.ndarray]:
    return {"value": healthy(count, seed=seed)["motor_current_a"]}


MACHINES = {"few": healthy, "sixty": sixty, "single": single}


@pytest.fixture(scope="module", params=sorted(MACHINES))
def case(request) -> tuple[Detector, dict[str, np.ndarray]]:
    """A taught detector, and its history with healthy cells after it."""
    columns = MACHINES[request.param](HISTORY + LIVE, seed=3)
    grid, clock = grid_of(columns)
    return detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1), columns


def judged(detector: Detector, columns: dict[str, np.ndarray]) -> Watched:
    """The columns' cells after history; what is kept afterwards is JSON."""
    grid, _ = grid_of(columns)
    grid = _with_all(grid, detector)
    course = course_begin(detector)
    watched = stream_judge(detector, course, grid, from_ms=int(grid.t_ms[HISTORY]))
    json.dumps(course.to_json(), allow_nan=False)
    return watched


def _with_all(grid: Grid, detector: Detector) -> Grid:
    """In the detector's order, as the store is asked for them; NaN where a metric never came."""
    blank = np.full(len(grid), np.nan)
    parts = (
        np.column_stack([p[:, grid.metrics.index(n)] if n in grid.metrics else blank for n in detector.metrics])
        for p in (grid.level, grid.low, grid.high, grid.spread)
    )
    return Grid(grid.step_ms, detector.metrics, grid.t_ms, *parts)


def changed(columns: dict[str, np.ndarray], values: np.ndarray | float) -> dict[str, np.ndarray]:
    """A copy whose first metric has other values once history is over."""
    copy = {name: column.copy() for name, column in columns.items()}
    copy[next(iter(copy))][HISTORY:] = values
    return copy


@pytest.mark.parametrize("huge", [1e308, -1e308, 1e155, np.inf, -np.inf])
def test_a_huge_value_is_scored_and_leaves_no_nan_behind(case, huge):
    detector, columns = case
    values = columns[next(iter(columns))][HISTORY:].copy()
    values[100:150] = huge
    watched = judged(detector, changed(columns, values))
    assert not np.isnan(watched.score[200:]).any()
    assert np.isfinite(watched.score[np.isfinite(watched.score)]).all()


def test_a_metric_that_stays_away_is_no_event(case):
    detector, columns = case
    watched = judged(detector, changed(columns, np.nan))
    assert not watched.active.any()


def test_a_change_of_unit_is_an_event(case):
    detector, columns = case
    values = columns[next(iter(columns))][HISTORY:] * 1_000.0
    assert judged(detector, changed(columns, values)).active[60:].any()


def test_readings_now_and_then_raise_nothing(case):
    detector, columns = case
    keep = np.random.default_rng(5).random(LIVE) < 0.6
    rough = {
        name: np.concatenate([column[:HISTORY], np.where(keep, column[HISTORY:], np.nan)])
        for name, column in columns.items()
    }
    assert not judged(detector, rough).active.any()


def test_a_metric_that_never_changes_is_taught_and_raises_nothing():
    columns = {**healthy(HISTORY + LIVE, seed=3), "setpoint": np.full(HISTORY + LIVE, 40.0)}
    columns["zero"] = np.zeros(HISTORY + LIVE)
    grid, clock = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1)
    assert not judged(detector, columns).active.any()


def test_nothing_but_constants_is_taught_and_raises_nothing():
    columns = {f"constant_{at}": np.full(HISTORY + LIVE, float(at)) for at in range(12)}
    grid, clock = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1)
    assert not judged(detector, columns).active.any()


def test_a_metric_that_began_late_is_left_out_and_the_others_taught():
    columns = {**healthy(HISTORY + LIVE, seed=3)}
    columns["new"] = np.where(np.arange(HISTORY + LIVE) < 0.8 * HISTORY, np.nan, 3.0)
    grid, clock = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, HISTORY)), clock, seed=1)
    assert "new" not in detector.metrics
    assert not judged(detector, columns).active.any()


@pytest.mark.parametrize("interval", [10, 3_600_000])
def test_a_machine_is_taught_and_judged_at_the_rate_it_has(interval):
    """A hundred readings a second, and one an hour."""
    count = 2_300 if interval > 1_000 else 250_000
    columns = healthy(count, seed=3)
    t_ms = START_MS // 3_600_000 * 3_600_000 + np.arange(count, dtype=np.int64) * interval
    grid, clock = _at(columns, t_ms)
    first = int(0.9 * len(grid))
    detector = detector_fit(part_of(grid, slice(0, first)), clock, seed=1)
    watched = stream_judge(detector, course_begin(detector), grid, from_ms=int(grid.t_ms[first]))
    assert np.isfinite(watched.score).all()


def _at(columns: dict[str, np.ndarray], t_ms: np.ndarray) -> tuple[Grid, Clock]:
    clock = clock_for({name: interval_ms(t_ms) for name in columns})
    cells = [cells_from_series(Series("M01", n, t_ms, column), clock.step_ms) for n, column in columns.items()]
    return grid_from_cells(cells, clock, from_ms=int(t_ms[0]), to_ms=int(t_ms[-1]) + clock.step_ms), clock
