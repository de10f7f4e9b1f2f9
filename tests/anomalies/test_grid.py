import numpy as np

from anomalies.detection.grid import cells_from_series, clock_for, grid_from_cells
from telemetry.readings import Series


def series(metric: str, t_ms: np.ndarray, values: np.ndarray) -> Series:
    return Series("M01", metric, t_ms.astype(np.int64), values.astype(float))


def test_a_fast_block_beside_a_slow_metric_shares_its_clock_and_keeps_its_ripple():
    fast_t = np.arange(0, 10_000, 10)
    fast = series("vibration", fast_t, np.sin(fast_t / 30.0))
    slow = series("temperature", np.arange(0, 10_000, 1000), np.arange(10))
    clock = clock_for({"vibration": 10.0, "temperature": 1000.0})
    grid = grid_from_cells([cells_from_series(s, clock.step_ms) for s in (fast, slow)], clock, from_ms=0, to_ms=10_000)
    assert clock.step_ms == 1000
    assert grid.level[:, 1].tolist() == list(range(10))
    assert np.allclose(grid.level[:, 0], fast.values.reshape(10, 100).mean(axis=1))
    assert np.isfinite(grid.spread[:, 0]).all()
    assert np.isnan(grid.spread[:, 1]).all()


def test_a_value_stands_until_the_next_is_overdue_and_then_there_is_a_gap():
    clock = clock_for({"level": 2000.0, "flow": 1000.0})
    level = series("level", np.array([0, 2000, 4000]), np.array([1.0, 2.0, 3.0]))
    flow = series("flow", np.arange(0, 12_000, 1000), np.ones(12))
    grid = grid_from_cells([cells_from_series(s, 1000) for s in (level, flow)], clock, from_ms=0, to_ms=12_000)
    assert grid.level[:9, 0].tolist() == [1, 1, 2, 2, 3, 3, 3, 3, 3]
    assert np.isnan(grid.level[9:, 0]).all()
    assert np.isnan(grid.low[1, 0]), "a held value is no reading of its own"


def test_cells_of_readings_equal_what_the_store_would_answer():
    t_ms = np.array([0, 400, 1200, 5000])
    cells = cells_from_series(series("m", t_ms, np.array([1.0, 3.0, 5.0, 7.0])), 1000)
    assert cells.t_ms.tolist() == [0, 1000, 5000]
    assert cells.mean.tolist() == [2.0, 5.0, 7.0]
    assert cells.minimum.tolist() == [1.0, 5.0, 7.0]
    assert cells.maximum.tolist() == [3.0, 5.0, 7.0]
    assert cells.count.tolist() == [2, 1, 1]


def test_a_device_that_is_a_little_late_each_time_still_fills_its_cells():
    assert clock_for({"m": 1_040.0}).step_ms == 1_000
    assert clock_for({"m": 1_400.0}).step_ms == 2_000
    assert clock_for({}).step_ms == 1_000
