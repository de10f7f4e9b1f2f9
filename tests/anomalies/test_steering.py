"""Limits follow what people say of alarms: up when too many are false, down after peace, never out of bounds."""

from datetime import timedelta

import numpy as np
import pytest

from anomalies import tasks
from anomalies.alerts.opening import alert_raise
from anomalies.detection.detector import detector_fit
from anomalies.detection.steering import HIGHEST, STEP, Realised, factor_next, limits_steer, realised_measure
from anomalies.detection.stream import course_begin, stream_judge
from anomalies.models import Alert, AlertState, DetectorModel, LimitStep, MachineHealth
from common import clock
from telemetry.models import Machine
from tests.anomalies.synthetic import grid_of, healthy, part_of
from tests.anomalies.test_alerts import finding


@pytest.fixture
def at(monkeypatch):
    """`at(days)` moves the clock to so many days after the test's beginning."""
    begin = clock.now()

    def move(days: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: begin + timedelta(days=days))

    return move


@pytest.fixture
def machine(in_acme) -> Machine:
    """One with a detector, taught just now."""
    machine = Machine.objects.create(key="M07")
    DetectorModel.objects.create(machine=machine, version=1, active=True, arrays=b"", manifest={})
    MachineHealth.objects.create(machine=machine)
    return machine


def judged(machine: Machine, verdict: str) -> None:
    """An alert of the detector, raised now by the test's clock, over and judged."""
    alert = Alert.objects.create(
        machine=machine,
        cause="detector",
        state=AlertState.NORMAL,
        verdict=verdict,
        since_at=clock.now(),
        returned_at=clock.now(),
    )
    # When it was raised is the database's clock; the test's is another.
    Alert.objects.filter(pk=alert.pk).update(raised_at=clock.now())


def test_too_many_false_alarms_raise_the_limits_by_one_step_that_is_written_down(machine, at):
    at(1)
    judged(machine, "false")
    assert limits_steer([machine]) == 0, "one may be chance"
    judged(machine, "false")
    assert limits_steer([machine]) == 1
    step = LimitStep.objects.get()
    assert (step.before, step.after, step.false_alarms) == (1.0, STEP, 2.0)
    assert step.weeks == pytest.approx(1 / 7, rel=0.01)
    assert MachineHealth.objects.get().limit_factor == STEP
    assert limits_steer([machine]) == 0, "the same alarms do not count twice"


def test_real_and_expected_alarms_and_those_nobody_judged_raise_nothing(machine, at):
    at(1)
    for verdict in ("true", "expected", "true"):
        judged(machine, verdict)
    assert limits_steer([machine]) == 0
    assert realised_measure(machine).false_alarms == 0.0


def test_two_weeks_in_peace_bring_them_down_again(machine, at):
    at(1)
    judged(machine, "false")
    judged(machine, "false")
    limits_steer([machine])
    at(14)
    assert limits_steer([machine]) == 0
    at(15.1)
    assert limits_steer([machine]) == 1
    assert MachineHealth.objects.get().limit_factor == 1.0
    at(40)
    assert limits_steer([machine]) == 0, "never below what was taught"


def test_time_in_silence_was_not_watched(machine, at):
    at(7)
    assert realised_measure(machine).weeks == pytest.approx(1.0, rel=0.01)
    alert = alert_raise(finding(machine, cause="silence"))
    since_at = clock.now() - timedelta(days=3.5)
    Alert.objects.filter(pk=alert.pk).update(since_at=since_at)
    assert realised_measure(machine).weeks == pytest.approx(0.5, rel=0.01)


def test_a_rate_is_not_told_before_a_day_was_watched():
    assert Realised(0, 1, 0, 0, 0.1).per_week is None
    assert Realised(1, 1, 0, 2, 2.0).per_week == pytest.approx(1.0)


def test_the_worker_steers_machines_that_report(machine, at, monkeypatch):
    at(1)
    judged(machine, "false")
    judged(machine, "false")
    Machine.objects.filter(pk=machine.pk).update(last_seen_at=clock.now())
    machine.metrics.create(name="vibration")
    tasks.cache.delete("limits-steered")
    monkeypatch.setattr(tasks, "models_active", lambda machines: {machine.pk: None})
    monkeypatch.setattr(tasks, "_should_learn", lambda *_given: False)
    tasks.train_factory(factory_slug="acme")
    assert MachineHealth.objects.get().limit_factor == STEP


def test_on_a_restless_stream_steering_ends_false_alarms_and_a_plain_fault_is_still_told():
    """Each week the stream holds the same harmless bursts, all judged false; in the last hour a bearing goes bad."""
    columns = healthy(3600 + 5400, seed=11)
    for begin in range(3900, 8000, 600):
        columns["vibration_mm_s"][begin : begin + 90] += 0.55
    columns["vibration_mm_s"][8400:8900] += 4.0
    grid, ticks = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, 3600)), ticks, seed=1)
    rest, fault_ms = part_of(grid, slice(3400, 9000)), int(grid.t_ms[8400])
    factor, false = 1.0, []
    for _week in range(8):
        watched = stream_judge(detector, course_begin(detector), rest, from_ms=int(grid.t_ms[3600]), raised=factor)
        found = [since for since, _end, _peak in watched.episodes()]
        assert any(abs(since - fault_ms) < 60_000 for since in found)
        false.append(sum(since < fault_ms - 60_000 for since in found))
        factor = factor_next(factor, Realised(1, false[-1], 0, 0, 1.0))
    assert false[0] > 1
    assert false[-1] <= 1
    assert 1.0 < factor <= HIGHEST
    assert np.all(np.diff(false) <= 0)
