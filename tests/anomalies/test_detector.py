import numpy as np
import pytest

from anomalies.detection.calibrate import episodes
from anomalies.detection.checks import FlatRun, flat_runs, longest_flat_ms, stuck_metrics
from anomalies.detection.detector import (
    NotEnoughDataError,
    detector_fit,
    detector_from_parts,
    detector_to_parts,
    learning_progress,
)
from anomalies.detection.explain import explain
from anomalies.detection.features import Aspect
from anomalies.detection.grid import cells_from_series, clock_for, grid_from_cells
from anomalies.detection.scoring import detector_score
from telemetry.readings import Series
from tests.anomalies.synthetic import grid_of, healthy, part_of

HOUR = 3600


@pytest.fixture(scope="module")
def detector():
    grid, clock = grid_of(healthy(HOUR, seed=1))
    return detector_fit(grid, clock, seed=1)


def found(detector, columns):
    grid, _ = grid_of(columns)
    scores = detector_score(detector, grid)
    return scores, [
        (since, end, explain(detector, scores, from_ms=since, to_ms=end))
        for since, end, _ in episodes(scores.t_ms, scores.score)
    ]


def test_hours_of_normal_operation_raise_nothing(detector):
    for seed in range(2, 6):
        assert found(detector, healthy(2 * HOUR, seed=seed))[1] == []


def test_a_drift_of_one_metric_is_found_and_that_metric_named_first(detector):
    columns = healthy(1800, seed=9)
    columns["vibration_mm_s"][900:] += np.linspace(0, 3.0, 900)
    scores, anomalies = found(detector, columns)
    assert len(anomalies) == 1
    since, _, carriers = anomalies[0]
    assert 900 < (since - scores.t_ms[0]) / 1000 < 1300
    first = carriers[0]
    assert (first.metric, first.aspect) == ("vibration_mm_s", Aspect.LEVEL)
    assert first.share > 0.6
    assert first.low < 2.0 < first.high < first.observed


def test_what_an_alert_calls_normal_is_the_band_that_charts_show(detector):
    columns = healthy(1800, seed=9)
    columns["vibration_mm_s"][900:] += np.linspace(0, 3.0, 900)
    first = found(detector, columns)[1][0][2][0]
    assert (first.low, first.high) == detector.normal[first.metric]


def test_normal_band_of_what_is_never_negative_stays_above_zero():
    columns = healthy(HOUR, seed=1)
    columns["motor_current_a"] = np.maximum(columns["motor_current_a"] * (np.arange(HOUR) % 600 < 300), 0.0)
    grid, clock = grid_of(columns)
    assert detector_fit(grid, clock, seed=1).normal["motor_current_a"][0] == 0.0


def test_growing_restlessness_is_found_without_a_change_of_level(detector):
    columns = healthy(1800, seed=9)
    columns["motor_current_a"][900:] += np.random.default_rng(1).normal(0, 1.0, 900)
    _, anomalies = found(detector, columns)
    assert [carriers[0].metric for _, _, carriers in anomalies] == ["motor_current_a"]
    assert anomalies[0][2][0].aspect is Aspect.SPREAD


def test_a_fault_far_beyond_all_training_is_scored_higher_than_a_near_one(detector):
    def peak(by: float) -> float:
        columns = healthy(600, seed=9)
        columns["vibration_mm_s"][300:] += by
        return float(np.nanmax(found(detector, columns)[0].score))

    # What an Isolation Forest alone can't do: 5, 50 and 1e300 are all the same leaf to it.
    assert peak(0.0) < 1 < peak(2.0) < peak(20.0) < peak(1e300)


def test_missing_readings_are_not_scored_as_normal(detector):
    columns = healthy(600, seed=9)
    for values in columns.values():
        values[200:500] = np.nan
    scores, anomalies = found(detector, columns)
    assert np.isnan(scores.score[300:500]).all()
    assert anomalies == []


def test_a_machine_with_one_dead_sensor_is_still_judged_by_the_others(detector):
    columns = healthy(900, seed=9)
    columns["bearing_temperature_c"][:] = np.nan
    columns["bearing_temperature_c"][0] = 59.0
    columns["vibration_mm_s"][500:] += 3.0
    _, anomalies = found(detector, columns)
    assert [carriers[0].metric for _, _, carriers in anomalies] == ["vibration_mm_s"]


def test_a_replay_and_a_stream_in_pieces_score_alike(detector):
    grid, _ = grid_of(healthy(900, seed=12))
    whole = detector_score(detector, grid).score
    pieces = []
    for end in range(100, 901, 100):
        start = max(0, end - 100 - 70)
        pieces.append(detector_score(detector, part_of(grid, slice(start, end))).score[-100:])
    assert np.allclose(np.concatenate(pieces)[100:], whole[100:], rtol=0, atol=1e-6)


def test_the_same_history_teaches_the_same_detector():
    grid, clock = grid_of(healthy(HOUR, seed=1))
    first, second = (detector_fit(grid, clock, seed=1) for _ in range(2))
    arrays, described = detector_to_parts(first)
    again, described_again = detector_to_parts(second)
    assert described == described_again
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_a_detector_survives_being_taken_apart(detector):
    again = detector_from_parts(*detector_to_parts(detector))
    grid, _ = grid_of(healthy(600, seed=3))
    assert np.array_equal(detector_score(again, grid).score, detector_score(detector, grid).score, equal_nan=True)


def test_too_little_history_teaches_nothing():
    grid, clock = grid_of(healthy(600))
    with pytest.raises(NotEnoughDataError):
        detector_fit(grid, clock, seed=1)


def test_learning_needs_both_readings_and_time():
    assert learning_progress(cells=1240, span_ms=40 * 60_000) == 0.62
    assert learning_progress(cells=5000, span_ms=5 * 60_000) == 0.25
    assert learning_progress(cells=2000, span_ms=20 * 60_000) == 1.0


def test_a_long_stop_in_history_teaches_neither_less_nor_nonsense():
    columns = healthy(4 * HOUR, seed=1)
    for values in columns.values():
        values[HOUR : 3 * HOUR] = np.nan
    grid, clock = grid_of(columns)
    detector = detector_fit(grid, clock, seed=1)
    assert 1.8 * HOUR * 1000 < detector.taught_ms < 2.1 * HOUR * 1000
    assert found(detector, healthy(HOUR, seed=7))[1] == []


def test_coarse_history_before_the_fine_one_does_not_spoil_the_lesson():
    columns = healthy(5 * HOUR, seed=1)
    for values in columns.values():
        keep = np.arange(len(values)) % 300 == 0
        values[: 4 * HOUR] = np.where(keep, values, np.nan)[: 4 * HOUR]
    grid, clock = grid_of(columns)
    detector = detector_fit(grid, clock, seed=1)
    assert detector.taught_ms < 1.2 * HOUR * 1000
    assert found(detector, healthy(HOUR, seed=7))[1] == []


def test_the_newest_rows_alone_score_as_they_do_in_their_window(detector):
    columns = healthy(900, seed=9)
    columns["vibration_mm_s"][700:] += 2.0
    columns["motor_current_a"][850:860] = np.nan
    grid, _ = grid_of(columns)
    whole = detector_score(detector, grid)
    for start in (1, 640, 899):
        newest = detector_score(detector, grid, start=start)
        for name in ("t_ms", "score", "ratio", "matrix"):
            assert np.array_equal(getattr(newest, name), getattr(whole, name)[start:], equal_nan=True)


def test_a_sensor_that_stands_still_is_known_by_its_equal_readings(detector):
    columns = healthy(900, seed=9)
    columns["vibration_mm_s"][200:] = columns["vibration_mm_s"][200]
    grid, _ = grid_of(columns)
    runs = flat_runs(grid, {})
    assert runs["vibration_mm_s"].lasted_ms == 699_000 > detector.flat_limit_ms["vibration_mm_s"]
    assert runs["motor_current_a"].lasted_ms < 10_000


@pytest.mark.parametrize(("every_ms", "limit_ms"), [(1_000, 300_000), (5_000, 300_000), (180_000, 30 * 180_000)])
def test_a_metric_is_stuck_after_five_minutes_and_thirty_of_its_own_readings(every_ms, limit_ms):
    values = np.random.default_rng(1).normal(40.0, 1.0, 600)
    part = Series("M01", "valve_pct", np.arange(600, dtype=np.int64) * every_ms, values)
    clock = clock_for({"valve_pct": float(every_ms)})
    cells = cells_from_series(part, clock.step_ms)
    grid = grid_from_cells([cells], clock, from_ms=0, to_ms=600 * every_ms)
    assert longest_flat_ms(grid) == {"valve_pct": limit_ms}
    assert stuck_metrics({"valve_pct": FlatRun(40.0, 0, limit_ms)}, longest_flat_ms(grid))
    assert not stuck_metrics({"valve_pct": FlatRun(40.0, 0, limit_ms - 1)}, longest_flat_ms(grid))


def test_equal_readings_are_followed_over_batches():
    columns = {"a": np.array([1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0])}
    grid, _ = grid_of(columns)
    first = flat_runs(part_of(grid, slice(0, 3)), {})
    second = flat_runs(part_of(grid, slice(3, 5)), first)
    third = flat_runs(part_of(grid, slice(5, 7)), second)
    start = int(grid.t_ms[0])
    assert first["a"] == FlatRun(2.0, start + 1000, start + 2000)
    assert second["a"] == FlatRun(2.0, start + 1000, start + 4000)
    assert third["a"] == FlatRun(3.0, start + 5000, start + 6000)


def test_a_setpoint_may_stand_still_forever():
    columns = {**healthy(HOUR), "setpoint_c": np.full(HOUR, 72.0)}
    grid, clock = grid_of(columns)
    assert "setpoint_c" not in detector_fit(grid, clock, seed=1).flat_limit_ms
