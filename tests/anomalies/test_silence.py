from datetime import timedelta

import pytest

from anomalies.models import Alert, AlertState, HealthStatus, MachineHealth
from anomalies.silence import silence_watch
from common import clock
from telemetry.models import Machine


@pytest.fixture
def at(monkeypatch):
    """`at(seconds)` moves the clock to so many seconds after the test's beginning."""
    begin = clock.now()

    def move(seconds: float):
        instant = begin + timedelta(seconds=seconds)
        monkeypatch.setattr(clock, "now", lambda: instant)
        return instant

    move(0)
    return move


@pytest.fixture
def machine(in_acme, at) -> Machine:
    machine = Machine.objects.create(key="M01", silent_after_s=30, last_seen_at=at(0))
    MachineHealth.objects.create(machine=machine, status=HealthStatus.NORMAL, health_percent=97.0)
    return machine


def watch() -> None:
    silence_watch(Machine.objects.select_related("line__site"))


def test_a_machine_that_falls_silent_is_told_once_and_has_no_health(machine, at):
    for second in (0, 15, 30, 45, 60):
        at(second)
        watch()
    alert = Alert.objects.get()
    assert (alert.cause, alert.since_at) == ("silence", machine.last_seen_at)
    assert alert.events.count() == 1
    health = MachineHealth.objects.get(machine=machine)
    assert (health.status, health.health_percent) == (HealthStatus.NO_DATA, None)


def test_it_returns_when_it_is_heard_again(machine, at):
    for second in (0, 20, 40):
        at(second)
        watch()
    Machine.objects.update(last_seen_at=at(60))
    watch()
    assert Alert.objects.get().state == AlertState.RETURNED_UNACKNOWLEDGED


def test_a_platform_that_was_away_blames_nobody_for_it(machine, at):
    watch()
    Machine.objects.bulk_create(Machine(key=f"X{n}", silent_after_s=30, last_seen_at=at(0)) for n in range(20))
    at(3600)
    from django.core.cache import cache

    cache.clear()  # what an hour without a watch does to its marker
    watch()
    assert not Alert.objects.exists()
    Machine.objects.exclude(pk=machine.pk).update(last_seen_at=at(3620))
    at(3640)
    watch()
    assert list(Alert.objects.values_list("machine__key", flat=True)) == ["M01"], "it alone did not come back"


def test_a_machine_that_never_sent_anything_is_not_silent(machine, at):
    Machine.objects.create(key="NEW")
    at(1000)
    watch()
    at(1040)
    watch()
    assert not Alert.objects.filter(machine__key="NEW").exists()


def test_browsers_hear_the_state_and_the_health(machine, at, django_capture_on_commit_callbacks, monkeypatch):
    heard = []
    monkeypatch.setattr("anomalies.health.live_publish", lambda slug, message: heard.append((slug, message)))
    watch()
    at(40)
    with django_capture_on_commit_callbacks(execute=True):
        watch()
    slug, message = heard[0]
    assert slug == "acme"
    assert {key: message[key] for key in ("type", "machine", "state", "health", "health_percent")} == {
        "type": "state",
        "machine": "M01",
        "state": "silent",
        "health": "no_data",
        "health_percent": None,
    }
