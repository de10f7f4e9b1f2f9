"""What late readings tell of the past: more of a known alert, or an alert of its own; never one cause twice."""

from datetime import timedelta

import pytest

from anomalies.alerts.handling import alert_acknowledge, alert_close
from anomalies.alerts.opening import alert_raise, alert_return
from anomalies.alerts.retroactive import late_raise, late_return
from anomalies.detection.train import alert_stretches
from anomalies.models import Alert, AlertState, Notice
from common import clock
from common.times import to_ms
from telemetry.models import Machine
from tests.anomalies.test_alerts import finding, kinds


@pytest.fixture
def machine(in_acme) -> Machine:
    return Machine.objects.create(key="M07")


@pytest.fixture
def hour():
    """`hour(1.5)`: an instant so many hours after a moment six hours ago."""
    begin = clock.now() - timedelta(hours=6)
    return lambda number: begin + timedelta(hours=number)


def wrong(machine, first, last=None):
    """It was wrong, and known at once."""
    alert = alert_raise(finding(machine, since_at=first, found_at=first))
    if last is not None:
        alert_return(machine=machine, cause="detector", at=last)
    return alert


def late(machine, first, last=None):
    late_raise(finding(machine, since_at=first, found_at=first), over_at=last)


def test_an_alert_that_was_closed_began_earlier_and_is_not_raised_again(machine, operator, hour):
    alert = wrong(machine, hour(3), hour(4))
    alert_close(alert=alert, user=operator, verdict="true")
    told = Notice.objects.count()
    late(machine, hour(2), hour(4))
    alert.refresh_from_db()
    assert (alert.since_at, alert.returned_at) == (hour(2), hour(4))
    assert (alert.state, alert.verdict) == (AlertState.NORMAL, "true")
    assert (Alert.objects.count(), Notice.objects.count()) == (1, told)
    assert kinds(alert) == ["raised", "returned", "closed", "began_earlier"]
    assert alert_stretches(machine) == [(to_ms(hour(2)), to_ms(hour(4)))]
    late(machine, hour(2), hour(4))
    assert kinds(alert)[-1] == "began_earlier", "a second time it is nothing new"
    assert alert.events.count() == 4


def test_what_somebody_closed_while_it_was_wrong_is_not_raised_because_it_had_begun_earlier(machine, operator, hour):
    alert = wrong(machine, hour(3))
    alert_close(alert=alert, user=operator, verdict="expected")
    late(machine, hour(2))
    alert.refresh_from_db()
    assert (alert.since_at, alert.state, Alert.objects.count()) == (hour(2), AlertState.NORMAL, 1)


def test_a_stretch_minutes_before_an_alert_is_the_same_trouble_and_stands_in_its_timeline(machine, operator, hour):
    alert = wrong(machine, hour(3), hour(4))
    alert_acknowledge(alert=alert, user=operator)
    late(machine, hour(2.8), hour(2.9))
    alert.refresh_from_db()
    assert (alert.since_at, alert.state, alert.occurrences) == (hour(3), AlertState.NORMAL, 2)
    assert kinds(alert)[-2:] == ["wrong_before", "right_before"]
    assert alert_stretches(machine) == [(to_ms(hour(3)), to_ms(hour(4))), (to_ms(hour(2.8)), to_ms(hour(2.9)))]


def test_an_alert_in_hand_stays_in_hand_whatever_the_past_brings(machine, operator, hour):
    alert = wrong(machine, hour(5))
    alert_acknowledge(alert=alert, user=operator)
    told = Notice.objects.count()
    late(machine, hour(1), hour(2))
    late(machine, hour(4))
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == (AlertState.ACTIVE_ACKNOWLEDGED, operator)
    assert (alert.since_at, alert.returned_at, Alert.objects.count()) == (hour(4), None, 1)
    assert Notice.objects.count() == told
    late(machine, hour(3), hour(5.5))
    alert.refresh_from_db()
    assert (alert.since_at, alert.returned_at) == (hour(3), hour(5.5)), "it was over by then"
    assert alert_stretches(machine) == [(to_ms(hour(3)), to_ms(hour(5.5))), (to_ms(hour(1)), to_ms(hour(2)))]


def test_trouble_hours_before_a_cleared_alert_is_an_alert_of_its_own_marked_retroactive(machine, operator, hour):
    alert = wrong(machine, hour(5), hour(5.5))
    alert_acknowledge(alert=alert, user=operator)
    late(machine, hour(1), hour(2))
    other = Alert.objects.exclude(pk=alert.pk).get()
    assert other.retroactive
    assert (other.since_at, other.returned_at) == (hour(1), hour(2))
    assert other.state == AlertState.RETURNED_UNACKNOWLEDGED
    alert_acknowledge(alert=other, user=operator)
    # What comes next goes on from what was last, not from what was raised last.
    assert wrong(machine, hour(5.6)).pk == alert.pk


def test_what_lasted_longer_than_was_known_ends_later(machine, operator, hour):
    alert = wrong(machine, hour(1), hour(2))
    alert_close(alert=alert, user=operator, verdict="true")
    late_return(machine=machine, cause="detector", at=hour(3), stands=False)
    alert.refresh_from_db()
    assert (alert.returned_at, kinds(alert)[-1]) == (hour(3), "ended_later")
    late_return(machine=machine, cause="detector", at=hour(2.5), stands=True)
    alert.refresh_from_db()
    assert alert.returned_at == hour(3)


def test_what_is_wrong_now_is_raised_though_late_readings_told_it(machine, operator, hour):
    alert = wrong(machine, hour(1), hour(2))
    alert_close(alert=alert, user=operator, verdict="true")
    now = clock.now()
    late(machine, now)
    assert Alert.objects.exclude(pk=alert.pk).get().state == AlertState.ACTIVE_UNACKNOWLEDGED
