from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from unittest.mock import patch

import pytest
from django.db import connection, connections

from accounts.models import AuditEntry
from anomalies.alerts.opening import Finding, alert_acknowledge, alert_raise, alert_return, alert_update
from anomalies.detection.train import alert_stretches
from anomalies.models import Alert, AlertEvent, AlertState, Notice
from common import clock
from common.times import to_ms
from telemetry.models import Machine
from tenants.context import factory_context
from tests.conftest import person_make


def finding(machine: Machine, **changes) -> Finding:
    given = {
        "machine": machine,
        "cause": "detector",
        "severity": "high",
        "title": "Vibration above normal",
        "summary": "Vibration 7.90 mm/s, normal 1.80–3.10, since 10:42 CET",
        "since_at": clock.now() - timedelta(minutes=1),
    }
    return Finding(**{**given, **changes})


@pytest.fixture
def machine(in_acme) -> Machine:
    return Machine.objects.create(key="M07")


def kinds(alert: Alert) -> list[str]:
    return list(alert.events.values_list("kind", flat=True))


def test_many_workers_that_find_the_same_thing_make_one_alert_one_event_and_one_notice(live_factory):
    person_make(live_factory, "omar@live.example", "operator")
    with factory_context(live_factory):
        machine = Machine.objects.create(key="M07")
    workers = 8
    together = Barrier(workers)

    def work(_: int) -> int:
        try:
            with factory_context(live_factory):
                together.wait(timeout=20)
                return alert_raise(finding(machine)).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(workers) as pool:
        found = set(pool.map(work, range(workers)))
    with factory_context(live_factory):
        assert len(found) == 1
        assert Alert.objects.count() == 1
        assert AlertEvent.objects.filter(kind="raised").count() == 1
        assert Notice.objects.count() == 1


def test_another_cause_of_the_same_machine_is_another_alert(machine):
    first, second = alert_raise(finding(machine)), alert_raise(finding(machine, cause="rule:1"))
    assert first.pk != second.pk


def test_acknowledged_then_returned_is_cleared_and_the_next_is_a_new_alert(machine, operator):
    alert = alert_raise(finding(machine))
    alert_acknowledge(alert=alert, user=operator, comment="On my way")
    returned = alert_return(machine=machine, cause="detector", at=clock.now())
    assert returned.state == AlertState.NORMAL
    assert kinds(alert) == ["raised", "acknowledged", "returned", "cleared"]
    assert alert_raise(finding(machine, since_at=clock.now() + timedelta(minutes=11))).pk != alert.pk


def test_what_comes_back_within_minutes_is_the_same_alert_and_wants_to_be_seen_again(machine, operator):
    alert = alert_raise(finding(machine))
    alert_acknowledge(alert=alert, user=operator)
    alert_return(machine=machine, cause="detector", at=clock.now())
    again = alert_raise(finding(machine, since_at=clock.now() + timedelta(minutes=9)))
    assert (again.pk, again.state, again.occurrences) == (alert.pk, AlertState.ACTIVE_UNACKNOWLEDGED, 2)
    assert again.acknowledged_by is None


def test_what_returns_unseen_stays_until_acknowledged_and_comes_back_as_the_same_alert(machine, operator):
    alert = alert_raise(finding(machine))
    alert_return(machine=machine, cause="detector", at=clock.now())
    back_at = clock.now()
    again = alert_raise(finding(machine, severity="critical", since_at=back_at))
    assert (again.since_at, again.returned_at) == (back_at, None)
    assert (again.pk, again.state, again.severity) == (alert.pk, AlertState.ACTIVE_UNACKNOWLEDGED, "critical")
    alert_return(machine=machine, cause="detector", at=clock.now())
    seen = alert_acknowledge(alert=alert, user=operator)
    assert seen.state == AlertState.NORMAL
    assert kinds(alert) == ["raised", "returned", "raised", "returned", "acknowledged", "cleared"]


def test_an_acknowledgement_names_the_person_and_the_first_one_stands(machine, operator, supervisor):
    alert = alert_raise(finding(machine))
    first = alert_acknowledge(alert=alert, user=operator, comment="On my way")
    second = alert_acknowledge(alert=alert, user=supervisor, comment="Me too")
    assert first.acknowledged_by == second.acknowledged_by == operator
    assert first.acknowledged_at == second.acknowledged_at
    entry = AuditEntry.objects.get(action="alert.acknowledge")
    assert (entry.actor, entry.target) == (operator.email, f"alert {alert.pk}")
    event = alert.events.get(kind="acknowledged")
    assert (event.actor, event.comment) == (operator.email, "On my way")


def test_severity_grows_with_the_trouble_and_never_shrinks(machine):
    alert = alert_raise(finding(machine, severity="medium"))
    alert_update(alert, finding(machine, severity="critical", summary="worse"))
    alert_update(alert, finding(machine, severity="low", summary="better"))
    alert.refresh_from_db()
    assert (alert.severity, alert.summary) == ("critical", "better")
    assert kinds(alert) == ["raised", "updated"]


def test_a_return_never_lies_before_the_beginning(machine):
    since_at = clock.now()
    alert_raise(finding(machine, since_at=since_at))
    returned = alert_return(machine=machine, cause="detector", at=since_at - timedelta(hours=1))
    assert returned.returned_at == since_at


def test_a_return_without_an_alert_is_nothing(machine):
    assert alert_return(machine=machine, cause="detector", at=clock.now()) is None


def test_browsers_hear_of_it_on_commit_and_only_then(machine, django_capture_on_commit_callbacks):
    with patch("anomalies.alerts.timeline.live_publish") as published:
        with django_capture_on_commit_callbacks(execute=False) as waiting:
            alert = alert_raise(finding(machine))
        assert not published.called
        for callback in waiting:
            callback()
    slug, message = published.call_args.args
    assert slug == "acme"
    assert (message["type"], message["event"], message["alert"]["id"]) == ("alert", "raised", alert.pk)
    assert message["alert"]["machine"] == "M07"


def test_an_alert_of_one_factory_is_not_in_the_other(machine, borg):
    alert_raise(finding(machine))
    with factory_context(borg):
        assert not Alert.objects.exists()
    assert connection.tenant.slug == "acme"


def test_what_was_wrong_is_known_stretch_by_stretch_even_when_it_came_back_unseen(machine, operator):
    begin = clock.now() - timedelta(hours=5)

    def hour(number: float):
        return begin + timedelta(hours=number)

    for first, last in ((0, 1), (2, 3)):
        alert_raise(finding(machine, since_at=hour(first)))
        alert_return(machine=machine, cause="detector", at=hour(last))
    alert = alert_raise(finding(machine, since_at=hour(4)))
    alert_acknowledge(alert=alert, user=operator)
    alert_raise(finding(machine, cause="silence", since_at=hour(4.5)))
    assert alert_stretches(machine) == [
        (to_ms(hour(0)), to_ms(hour(1))),
        (to_ms(hour(2)), to_ms(hour(3))),
        (to_ms(hour(4)), None),
    ]
