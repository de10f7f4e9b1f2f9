from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections

from anomalies.alerts.grouping import STORM_MACHINES
from anomalies.alerts.opening import alert_raise
from anomalies.alerts.tending import alerts_tend
from anomalies.models import Alert, AlertEvent, AlertGroup
from anomalies.silence import silence_watch
from common import clock
from telemetry.models import Machine
from tenants.context import factory_context
from tests.anomalies.test_alerts import finding
from tests.anomalies.test_handling import at  # noqa: F401  # a fixture
from tests.conftest import person_make


def machines(count: int) -> list[Machine]:
    return Machine.objects.bulk_create(
        Machine(key=f"M{number:03}", silent_after_s=30, last_seen_at=clock.now()) for number in range(count)
    )


def test_many_machines_that_alarm_at_once_are_one_group_with_the_first_of_them(in_acme):
    alerts = [alert_raise(finding(machine)) for machine in machines(STORM_MACHINES + 3)]
    group = AlertGroup.objects.get()
    assert {alert.group for alert in Alert.objects.all()} == {group}
    assert {alert.group_key for alert in Alert.objects.all()} == {f"group:{group.pk}"}
    assert group.family == "trouble"
    assert alerts[-1].group == group


def test_a_few_machines_are_no_storm_and_keep_keys_of_their_own(in_acme):
    alerts = [alert_raise(finding(machine)) for machine in machines(STORM_MACHINES - 1)]
    alert_raise(finding(alerts[0].machine, cause="rule:1"))
    assert not AlertGroup.objects.exists()
    assert [alert.group_key for alert in alerts] == [f"alert:{alert.pk}" for alert in alerts]


def test_a_plant_that_falls_silent_is_one_group_apart_from_other_trouble(in_acme, at):  # noqa: F811
    fleet = machines(12)
    for machine in fleet[:STORM_MACHINES]:
        alert_raise(finding(machine))
    for minutes in (0, 0.5, 1):
        at(minutes)
        silence_watch(Machine.objects.select_related("line__site"))
    assert {group.family: group.alerts.count() for group in AlertGroup.objects.all()} == {
        "trouble": STORM_MACHINES, "silence": 12,
    }  # fmt: skip


def test_a_storm_ends_when_nothing_joins_it_and_the_next_is_another(in_acme, at):  # noqa: F811
    fleet = machines(STORM_MACHINES)
    for machine in fleet:
        alert_raise(finding(machine))
    # Entries are stamped by the database's writer, not by the frozen clock.
    at(9)
    alerts_tend()
    assert AlertGroup.objects.get().ended_at is None
    at(11)
    alerts_tend()
    assert AlertGroup.objects.get().ended_at is not None
    later = alert_raise(finding(fleet[0], cause="rule:1", since_at=clock.now() + timedelta(minutes=1)))
    assert later.group is None


@pytest.mark.timeout(300)
def test_a_thousand_machines_that_alarm_under_four_workers_are_a_thousand_alerts_in_one_group(live_factory):
    person_make(live_factory, "omar@live.example", "operator")
    with factory_context(live_factory):
        fleet = machines(1_000)
    workers = 4
    together = Barrier(workers)

    def work(number: int) -> None:
        try:
            with factory_context(live_factory):
                together.wait(timeout=30)
                # Half of what each finds is found by its neighbour, too.
                for machine in fleet[number * 250 : number * 250 + 375] + fleet[: max(0, number * 250 + 375 - 1_000)]:
                    alert_raise(finding(machine, since_at=machine.last_seen_at))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    with factory_context(live_factory):
        assert Alert.objects.count() == 1_000
        assert AlertEvent.objects.filter(kind="raised").count() == 1_000
        # What another worker had in hand as the storm began joins when the clock next looks.
        alerts_tend()
        assert AlertGroup.objects.get().alerts.count() == 1_000
