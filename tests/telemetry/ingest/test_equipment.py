"""Machines and metrics register themselves, and their names tell unit and kind."""

from datetime import timedelta

import numpy as np
import pytest

from common import clock
from telemetry import equipment
from telemetry.equipment import (
    MachineNotFoundError,
    infer_metric,
    machine_for,
    machine_state,
    machines_register,
    registration_of,
)
from telemetry.models import Machine, Metric, QuarantinedReading
from telemetry.readings import ReadingBatch, Series
from tenants.context import factory_context


@pytest.mark.parametrize(
    ("name", "unit", "kind", "sure"),
    [
        ("temperature", "°C", "temperature", 0.6),
        ("bearing_temperature_c", "°C", "temperature", 0.95),
        ("oilTempF", "°F", "temperature", 0.95),
        ("vibration_mm_s", "mm/s", "vibration", 0.95),
        ("vib_g", "g", "vibration", 0.95),
        ("motor_current_a", "A", "current", 0.95),
        ("power_kw", "kW", "power", 0.95),
        ("energy_kwh", "kWh", "counter", 0.95),
        ("pressure_bar", "bar", "pressure", 0.95),
        ("flow_l_min", "l/min", "flow", 0.95),
        ("speed_rpm", "rpm", "speed", 0.95),
        ("rpm", "rpm", "speed", 0.95),
        ("belt_speed_m_s", "m/s", "speed", 0.95),
        ("tank_level_pct", "%", "level", 0.95),
        ("humidity_%", "%", "humidity", 0.95),
        ("piece_count", "", "counter", 0.6),
        ("running", "", "state", 0.6),
        ("Temp2", "°C", "temperature", 0.6),
        ("Thermocouple", "°C", "temperature", 0.6),
        ("Accelerometer1RMS", "g", "vibration", 0.6),
        ("acceleration_m_s2", "m/s²", "vibration", 0.95),
        ("x17", "", "other", 0.0),
        ("", "", "other", 0.0),
    ],
)
def test_a_metrics_name_tells_unit_and_kind(name, unit, kind, sure):
    assert infer_metric(name) == (unit, kind, sure)


def test_a_lone_letter_is_less_sure_than_a_unit():
    assert infer_metric("phase_a")[2] < infer_metric("phase_kw")[2] < infer_metric("speed_rpm")[2]


def batch(*names):
    return ReadingBatch([Series(machine, metric, np.array([1]), np.array([1.0])) for machine, metric in names])


def test_unknown_machines_and_metrics_are_made_once(in_acme):
    for _ in range(2):
        machines, kept = machines_register(batch(("M01", "a"), ("M01", "b"), ("M02", "a")))
    assert sorted(machines) == ["M01", "M02"]
    assert len(kept) == 3
    assert (Machine.objects.count(), Metric.objects.count()) == (2, 3)


def test_what_somebody_else_registered_meanwhile_is_found(in_acme):
    machines_register(batch(("M01", "a")))
    other = Machine.objects.create(key="M02", name="Made by an admin")
    machines, _kept = machines_register(batch(("M02", "a")))
    assert machines["M02"].pk == other.pk


def test_the_plans_last_place_goes_to_who_came_first(in_acme):
    in_acme.plan.max_machines = 1
    machines, kept = machines_register(batch(("M01", "a"), ("M02", "a"), ("M03", "a")))
    assert list(machines) == ["M01"]
    assert len(kept) == 1
    assert QuarantinedReading.objects.get().count == 2


def test_a_bomb_of_names_is_capped_for_the_whole_factory_and_counted(in_acme):
    in_acme.plan.max_series = 150
    for start in range(0, 10_000, 2_500):
        names = [(f"M{n % 5}", f"metric {n}") for n in range(start, start + 2_500)]
        machines_register(batch(*names))
    assert (Metric.objects.count(), Machine.objects.count()) == (150, 5)
    [row] = QuarantinedReading.objects.all()
    assert (row.code, row.machine, row.count) == ("series_limit", "", 10_000 - 150)
    assert "150 metrics of all machines together" in row.detail
    # What is known goes on, and nothing remembers the names that were refused.
    _machines, kept = machines_register(batch(("M0", "metric 0"), ("M1", "metric 9996")))
    assert [series.metric for series in kept] == ["metric 0"]
    registry = equipment._registries.fresh(in_acme.pk).value
    assert (len(registry.metric_ids), len(registry.machines)) == (150, 5)


def test_a_full_machine_leaves_room_for_the_others(in_acme):
    in_acme.plan.max_metrics_per_machine = 2
    machines_register(batch(*[("M01", f"m{n}") for n in range(5)], ("M02", "a")))
    assert sorted(Metric.objects.values_list("machine__key", "name")) == [("M01", "m0"), ("M01", "m1"), ("M02", "a")]
    assert [(row.code, row.machine, row.count) for row in QuarantinedReading.objects.all()] == [
        ("metric_limit", "M01", 3)
    ]


def test_factories_share_no_machines(in_acme, borg):
    machines_register(batch(("M01", "a")))
    with factory_context(borg):
        assert Machine.objects.count() == 0
        machines_register(batch(("M01", "a")))
        assert Machine.objects.count() == 1


def test_a_machine_is_new_then_live_then_silent(in_acme):
    machine = Machine.objects.create(key="M01", silent_after_s=60)
    now = clock.now()
    assert machine_state(machine, now) == "new"
    machine.last_seen_at = now - timedelta(seconds=59)
    assert machine_state(machine, now) == "live"
    machine.last_seen_at = now - timedelta(seconds=61)
    assert machine_state(machine, now) == "silent"


def test_a_missing_machine_is_told_by_code(in_acme):
    with pytest.raises(MachineNotFoundError) as missing:
        machine_for("M99")
    assert (missing.value.code, missing.value.status) == ("machine_not_found", 404)


def test_a_deleted_machine_comes_back_with_its_next_metric(live_factories):
    factory = live_factories()
    with factory_context(factory):
        registration_of(batch(("M01", "a"), ("M02", "a")))
        # As another process does it: this one's registry knows nothing of it.
        gone = Machine.objects.get(key="M01")
        gone.metrics.all().delete()
        gone.delete()
        found = registration_of(batch(("M01", "b"), ("M02", "a")))
        assert found.machines["M01"].pk == Machine.objects.get(key="M01").pk != gone.pk
        assert sorted(Metric.objects.values_list("machine__key", "name")) == [("M01", "b"), ("M02", "a")]


def test_a_metric_that_another_process_deleted_is_made_anew(in_acme, monkeypatch):
    monkeypatch.setattr(equipment, "_CHECK_AFTER_S", 0.0)
    first = registration_of(batch(("M01", "a"), ("M01", "b")))
    Metric.objects.filter(name="a").delete()
    Metric.objects.create(machine=Machine.objects.get(), name="c")
    again = registration_of(batch(("M01", "a"), ("M01", "b")))
    assert again.metric_ids["M01", "b"] == first.metric_ids["M01", "b"]
    assert again.metric_ids["M01", "a"] == Metric.objects.get(name="a").pk > first.metric_ids["M01", "a"]


def test_a_known_batch_asks_the_database_nothing(in_acme, django_assert_num_queries):
    registration_of(batch(("M01", "a")))
    registration_of(batch(("M01", "a")))
    with django_assert_num_queries(0):
        registration_of(batch(("M01", "a")))
