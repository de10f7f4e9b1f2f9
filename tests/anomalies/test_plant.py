"""The detector on the simulated food line: quiet while it is well, quick and right when its bearing fails."""

import numpy as np
import pytest

from anomalies.detection.checks import flat_runs
from anomalies.detection.detector import detector_fit
from anomalies.detection.explain import carriers_of
from anomalies.detection.grid import Clock, Grid, cells_from_series, clock_for, grid_from_cells, interval_ms
from anomalies.detection.stream import course_begin, stream_judge
from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.faults import FAULTS
from factorypulse.dev.plant.line import PlantMachine, food_line, record
from telemetry.readings import Series
from tests.anomalies.synthetic import part_of

BEGIN_MS = 1_795_255_200_000
MINUTE_MS = 60_000
KEYS = [machine.key for machine in food_line()]


def recorded(machine: PlantMachine, *, minutes: int, fast_from_ms: int | None = None) -> tuple[Grid, Clock]:
    """The machine's readings as the product would see them; `fast_from_ms`: from when its 100 Hz block is sent."""
    end_ms = BEGIN_MS + minutes * MINUTE_MS
    recording = record(machine, from_ms=BEGIN_MS, to_ms=end_ms)
    columns = {name: values for name, values in recording.columns.items() if not name.endswith("_state")}
    parts = [Series(machine.key, name, recording.t_ms, values) for name, values in columns.items()]
    if fast_from_ms is not None:
        fast_ms = np.arange(fast_from_ms, end_ms, machine.fast_period_ms, dtype=np.int64)
        slow = next(part for part in parts if part.metric == machine.fast_metric)
        before = slow.t_ms < fast_from_ms
        parts.remove(slow)
        parts.append(
            Series(
                machine.key,
                slow.metric,
                np.concatenate([slow.t_ms[before], fast_ms]),
                np.concatenate([slow.values[before], machine.fast_values_at(fast_ms)]),
            )
        )
    clock = clock_for({part.metric: interval_ms(part.t_ms[-200:]) for part in parts})
    cells = [cells_from_series(part, clock.step_ms) for part in parts]
    return grid_from_cells(cells, clock, from_ms=BEGIN_MS, to_ms=end_ms), clock


def watched(detector, grid, *, from_ms):
    return stream_judge(detector, course_begin(detector), grid, from_ms=from_ms)


@pytest.mark.parametrize("key", KEYS)
def test_two_healthy_hours_after_two_of_learning_raise_nothing(key):
    machine = next(machine for machine in food_line() if machine.key == key)
    grid, clock = recorded(machine, minutes=240)
    detector = detector_fit(part_of(grid, slice(0, len(grid) // 2)), clock, seed=1)
    found = watched(detector, grid, from_ms=int(grid.t_ms[len(grid) // 2]))
    assert np.isfinite(found.score).mean() > 0.99
    assert found.episodes() == []


@pytest.mark.parametrize("learning_minutes", [60, 180])
def test_the_failing_bearing_is_found_within_two_minutes_and_vibration_named_first(learning_minutes):
    fault = FaultSchedule(start_s=BEGIN_MS / 1000 + learning_minutes * 60)
    pump = next(machine for machine in food_line(fault=fault) if machine.fast_metric)
    live_ms = BEGIN_MS + learning_minutes * MINUTE_MS
    # History came once a second; live, the vibration comes in blocks of 100 Hz.
    grid, clock = recorded(pump, minutes=learning_minutes + 30, fast_from_ms=live_ms)
    learnt = (live_ms - BEGIN_MS) // clock.step_ms
    detector = detector_fit(part_of(grid, slice(0, learnt)), clock, seed=1)
    seen = watched(detector, grid, from_ms=live_ms)
    found = seen.episodes()
    assert len(found) == 1
    since_ms, ends_ms, _peak = found[0]
    begins_ms = live_ms + int(fault.healthy_s * 1000)
    repaired_ms = begins_ms + int((fault.rise_s + fault.bad_s + fault.repair_s) * 1000)
    assert begins_ms < since_ms < begins_ms + 100_000
    assert repaired_ms < ends_ms < repaired_ms + 400_000, "the bearing cools slowly"
    first = carriers_of(detector, seen, from_ms=since_ms, to_ms=since_ms + 60_000)[0]
    assert first.metric == "vibration_mm_s"
    assert first.observed > first.high


@pytest.mark.parametrize(("name", "within_minutes"), [("clogged-filter", 5), ("drifting-temperature", 25)])
def test_another_fault_is_found_once_while_it_grows_and_its_metric_named(name, within_minutes):
    live_ms = BEGIN_MS + 180 * MINUTE_MS
    fault = FAULTS[name](live_ms / 1000 + 300)
    machine = next(machine for machine in food_line(faults=[fault]) if machine.key == fault.machine)
    grid, clock = recorded(machine, minutes=180 + 75)
    detector = detector_fit(part_of(grid, slice(0, (live_ms - BEGIN_MS) // clock.step_ms)), clock, seed=1)
    seen = watched(detector, grid, from_ms=live_ms)
    (since_ms, _ends_ms, _peak), *more = seen.episodes()
    begins_ms = int(fault.course.start_s * 1000)
    assert begins_ms < since_ms < begins_ms + within_minutes * MINUTE_MS
    assert more == []
    assert carriers_of(detector, seen, from_ms=since_ms, to_ms=since_ms + 120_000)[0].metric == fault.metric


def test_a_stuck_sensor_is_known_by_its_equal_readings():
    live_ms = BEGIN_MS + 180 * MINUTE_MS
    fault = FAULTS["stuck-sensor"](live_ms / 1000 + 300)
    machine = next(machine for machine in food_line(faults=[fault]) if machine.key == fault.machine)
    grid, clock = recorded(machine, minutes=180 + 15)
    learnt = (live_ms - BEGIN_MS) // clock.step_ms
    detector = detector_fit(part_of(grid, slice(0, learnt)), clock, seed=1)
    runs = flat_runs(part_of(grid, slice(learnt, len(grid))), {})
    stuck = [m for m, run in runs.items() if run.lasted_ms >= detector.flat_limit_ms.get(m, 1 << 62)]
    assert stuck == [fault.metric]
