"""The synthetic line: the same instant always reads the same, and what belongs together moves together."""

import numpy as np
import pytest

from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.line import PlantMachine, food_line, record
from telemetry.ingest.inference import infer_metric

NOON_MS = 1_795_262_400_000
HOUR_MS = 3_600_000
KEYS = [machine.key for machine in food_line()]


def machine_named(key: str, fault: FaultSchedule | None = None) -> PlantMachine:
    return next(machine for machine in food_line(fault=fault) if machine.key == key)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize("key", KEYS)
def test_an_instant_reads_the_same_alone_and_within_a_block(key):
    t_ms = NOON_MS + np.arange(0, 1200, dtype=np.int64) * 1000
    block = machine_named(key).values_at(t_ms)
    for index in (0, 17, 1199):
        alone = machine_named(key).values_at(t_ms[index : index + 1])
        for name, values in block.items():
            assert alone[name][0] == pytest.approx(values[index], abs=1e-9), name


@pytest.mark.parametrize("key", KEYS)
def test_history_and_live_readings_join_without_a_seam(key):
    recording = record(machine_named(key), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS)
    after = machine_named(key).values_at(np.array([NOON_MS]))
    for name, values in recording.columns.items():
        usual_step = np.abs(np.diff(values)).max()
        assert abs(after[name][0] - values[-1]) <= usual_step + 1e-9, name


def test_another_seed_is_another_line():
    first, second = food_line(seed=1)[0], food_line(seed=2)[0]
    t_ms = NOON_MS + np.arange(100, dtype=np.int64) * 1000
    assert not np.array_equal(first.values_at(t_ms)["power_kw"], second.values_at(t_ms)["power_kw"])


@pytest.mark.parametrize("key", KEYS)
def test_every_machine_sends_three_to_six_finite_metrics_that_move(key):
    recording = record(machine_named(key), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS)
    assert 3 <= len(recording.columns) <= 6
    for name, values in recording.columns.items():
        assert np.isfinite(values).all(), name
        assert values.std() > 0, name


@pytest.mark.parametrize("key", KEYS)
def test_unit_and_kind_of_every_metric_can_be_told_from_its_name(key):
    for name in machine_named(key).values_at(np.array([NOON_MS])):
        unit, kind, confidence = infer_metric(name)
        assert unit or kind == "state", name
        assert confidence >= 0.6, name


def test_current_follows_load_and_temperature_lags_behind_it():
    mixer = record(machine_named("M01-mixer"), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS).columns
    assert correlation(mixer["motor_current_a"], mixer["power_kw"]) > 0.98
    filler = record(machine_named("M03-filler"), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS).columns
    assert correlation(filler["product_flow_l_min"], filler["product_pressure_bar"]) > 0.85
    compressor = record(machine_named("M05-compressor"), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS).columns
    oil, load = compressor["oil_temperature_c"], compressor["load_state"]
    lagged = [correlation(oil[lag:], load[: len(load) - lag]) for lag in (0, 25)]
    assert lagged[1] > lagged[0] + 0.3


def test_the_line_behind_the_filler_follows_it_in_order():
    fill = record(machine_named("M03-filler"), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS).columns["carousel_speed_rpm"]
    packs = record(machine_named("M08-packer"), from_ms=NOON_MS - HOUR_MS, to_ms=NOON_MS).columns["cutter_speed_rpm"]
    assert correlation(packs[45:], fill[:-45]) > 0.9
    assert correlation(packs, fill) < 0.6


def test_the_bearing_is_healthy_then_bad_then_repaired_and_again():
    fault = FaultSchedule(start_s=NOON_MS / 1000)
    ask_s = NOON_MS / 1000 + np.array(
        [-7 * 86_400.0, -1.0, 0.0, 200.0, 330.0, 420.0, 1000.0, 1060.0, 2000.0, 2700.0 + 600.0]
    )
    severity = fault.severity(ask_s)
    assert severity[[0, 1, 2, 3, 7, 8]].tolist() == [0.0] * 6
    assert 0.3 < severity[4] < 0.7
    assert severity[[5, 6, 9]].tolist() == [1.0] * 3
    assert [fault.phase(t) for t in ask_s[[3, 4, 6]]] == ["healthy", "degrading", "bad"]


def test_a_bad_bearing_shows_in_vibration_first_then_in_current_and_temperature():
    start_s = NOON_MS / 1000
    run = {"from_ms": NOON_MS - HOUR_MS, "to_ms": NOON_MS + 1_000_000}
    sick = record(machine_named("M07-pump", FaultSchedule(start_s=start_s)), **run)
    well = record(machine_named("M07-pump"), **run)
    at_s = sick.t_ms / 1000 - start_s
    before, bad = at_s < 240, at_s > 700
    for name in sick.columns:
        assert np.array_equal(sick.columns[name][before], well.columns[name][before]), name
    assert sick.columns["vibration_mm_s"][bad].mean() > 3 * well.columns["vibration_mm_s"][bad].mean()
    assert sick.columns["motor_current_a"][bad].mean() > well.columns["motor_current_a"][bad].mean() + 1.0
    assert sick.columns["bearing_temperature_c"][bad].mean() > well.columns["bearing_temperature_c"][bad].mean() + 15
    half_up = {name: _first_halfway(at_s, sick.columns[name] - well.columns[name]) for name in sick.columns}
    assert half_up["vibration_mm_s"] < half_up["motor_current_a"] < half_up["bearing_temperature_c"]


def _first_halfway(at_s: np.ndarray, rise: np.ndarray) -> float:
    calm = np.convolve(rise, np.ones(15) / 15, mode="same")
    return float(at_s[np.argmax(calm > calm.max() / 2)])


def test_the_fast_metric_agrees_with_the_slow_one_where_both_are_asked():
    pump = machine_named("M07-pump")
    fast_ms = NOON_MS + np.arange(0, 2000, 10, dtype=np.int64)
    slow = pump.values_at(np.array([NOON_MS, NOON_MS + 1000]))["vibration_mm_s"]
    assert np.allclose(pump.fast_values_at(fast_ms)[[0, 100]], slow)
