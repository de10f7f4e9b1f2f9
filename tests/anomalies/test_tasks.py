import pytest

from anomalies import tasks
from anomalies.models import DetectorModel, HealthStatus, MachineHealth
from common import clock
from common.times import from_ms
from tests.anomalies.synthetic import healthy, series_of, stored


@pytest.fixture
def enqueued(in_acme, monkeypatch):
    calls: list[tuple] = []
    monkeypatch.setattr(tasks.train_machine, "for_factory", lambda *call: calls.append(call))
    monkeypatch.setattr(tasks.evaluate, "for_factory", lambda *call: calls.append(("evaluate", *call)))
    return calls


def sent(seconds: int, monkeypatch):
    """A machine that has reported for so long, until now."""
    now_ms = clock.now_ms()
    machine = stored(series_of(healthy(seconds), start_ms=now_ms - seconds * 1000))
    monkeypatch.setattr(clock, "now", lambda: from_ms(now_ms))
    return machine


def test_a_machine_is_taught_as_soon_as_there_is_enough_and_once(enqueued, monkeypatch):
    machine = sent(2100, monkeypatch)
    for _ in range(3):
        tasks.train_factory(factory_slug="acme")
    assert enqueued == [("acme", machine.pk)]
    assert tasks.train_machine(machine.pk, factory_slug="acme") is True
    assert DetectorModel.objects.get().machine == machine
    enqueued.clear()
    tasks.train_factory(factory_slug="acme")
    assert enqueued == []


def test_until_then_its_progress_is_shown(enqueued, monkeypatch):
    machine = sent(500, monkeypatch)
    tasks.train_factory(factory_slug="acme")
    assert enqueued == []
    health = MachineHealth.objects.get(machine=machine)
    assert health.status == HealthStatus.LEARNING
    assert 0.2 < health.learning_progress < 0.35


def test_a_machine_that_is_gone_is_no_error(in_acme):
    assert tasks.train_machine(999, factory_slug="acme") is False


def test_every_few_seconds_somebody_looks_even_if_no_announcement_came(enqueued):
    tasks.watch_factory(factory_slug="acme")
    assert enqueued == [("evaluate", "acme")]
