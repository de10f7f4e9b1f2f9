"""Two schedulers, many workers: each shelf, window and verdict counts once, whoever comes first."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from anomalies.alerts.handling import AlertStateError, alert_acknowledge, alert_close, alert_shelve
from anomalies.alerts.opening import alert_raise, alert_return
from anomalies.alerts.tending import alerts_tend
from anomalies.models import Alert, AlertEvent, AlertState, MaintenanceWindow, Notice
from common import clock
from telemetry.models import Machine
from tenants.context import factory_context
from tests.anomalies.test_alerts import finding
from tests.conftest import person_make

WORKERS = 6


@pytest.fixture
def together(live_factory) -> Callable[[Callable[[int], Any]], list[Any]]:
    """`together(work)` runs `work(number)` in WORKERS threads at the same moment, each with a connection of its own."""
    gate = Barrier(WORKERS)

    def run(work: Callable[[int], Any]) -> list[Any]:
        def one(number: int) -> Any:
            try:
                with factory_context(live_factory):
                    gate.wait(timeout=30)
                    return work(number)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(WORKERS) as pool:
            return list(pool.map(one, range(WORKERS)))

    return run


def events(kind: str) -> int:
    return AlertEvent.objects.filter(kind=kind).count()


def test_two_schedulers_end_a_shelf_and_a_window_once_and_tell_it_once(live_factory, together, monkeypatch):
    user = person_make(live_factory, "omar@live.example", "operator")
    with factory_context(live_factory):
        shelved = alert_raise(finding(Machine.objects.create(key="M01")))
        alert_shelve(alert=shelved, user=user, reason="x", until_at=clock.now() + timedelta(hours=1))
        other = Machine.objects.create(key="M02")
        now = clock.now()
        MaintenanceWindow.objects.create(
            machine=other, starts_at=now - timedelta(minutes=1), ends_at=now + timedelta(hours=1), reason="x"
        )
        alert_raise(finding(other))
        before = Notice.objects.count()
    later = clock.now() + timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    changed = together(lambda _number: alerts_tend())
    with factory_context(live_factory):
        # One that another worker had in hand was left to it.
        assert sum(changed) == 2
        assert (events("unshelved"), events("released")) == (1, 1)
        assert set(Alert.objects.values_list("state", flat=True)) == {AlertState.ACTIVE_UNACKNOWLEDGED}
        assert Notice.objects.count() == before + 2


def test_acknowledging_closing_and_returning_at_once_never_loses_or_doubles_an_end(live_factory, together):
    user = person_make(live_factory, "omar@live.example", "operator")
    with factory_context(live_factory):
        machine = Machine.objects.create(key="M01")
        alert = alert_raise(finding(machine))

    def work(number: int) -> None:
        deeds: list[Callable[[], Any]] = [
            lambda: alert_acknowledge(alert=alert, user=user),
            lambda: alert_return(machine=machine, cause="detector", at=clock.now()),
            lambda: alert_close(alert=alert, user=user, verdict="true"),
        ]
        deeds[number % 3]()

    together(work)
    with factory_context(live_factory):
        alert.refresh_from_db()
        assert (alert.state, alert.verdict) == (AlertState.NORMAL, "true")
        assert events("acknowledged") <= 1
        assert events("returned") <= 1
        assert events("closed") + events("judged") >= 1
        steps = list(alert.events.exclude(from_state="").values_list("from_state", "to_state"))
        assert [before for before, _after in steps[1:]] == [after for _before, after in steps[:-1]], (
            "no step is missing"
        )


def test_of_many_who_shelve_at_once_everyone_is_written_down_and_the_last_reason_stands(live_factory, together):
    user = person_make(live_factory, "omar@live.example", "operator")
    with factory_context(live_factory):
        alert = alert_raise(finding(Machine.objects.create(key="M01")))

    def work(number: int) -> bool:
        try:
            until_at = clock.now() + timedelta(hours=1 + number)
            alert_shelve(alert=alert, user=user, reason=f"reason {number}", until_at=until_at)
        except AlertStateError:
            return False
        return True

    assert all(together(work))
    with factory_context(live_factory):
        alert.refresh_from_db()
        last = alert.events.filter(kind="shelved").order_by("pk").last()
        assert events("shelved") == WORKERS
        assert last.comment == alert.hidden_reason
