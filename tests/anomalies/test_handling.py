from datetime import timedelta

import pytest

from accounts.models import AuditEntry
from anomalies.alerts.handling import (
    AlertStateError,
    CommentMissingError,
    ShelfInvalidError,
    VerdictInvalidError,
    alert_acknowledge,
    alert_close,
    alert_comment,
    alert_shelve,
    alert_unshelve,
)
from anomalies.alerts.opening import alert_raise, alert_return
from anomalies.alerts.tending import alerts_tend
from anomalies.models import Alert, AlertState, Notification, TimelineError
from common import clock
from telemetry.models import Machine
from tests.anomalies.test_alerts import finding, kinds


@pytest.fixture
def machine(in_acme) -> Machine:
    return Machine.objects.create(key="M07")


@pytest.fixture
def at(monkeypatch):
    """`at(minutes)` moves the clock to so many minutes after the test's beginning."""
    begin = clock.now()

    def move(minutes: float):
        instant = begin + timedelta(minutes=minutes)
        monkeypatch.setattr(clock, "now", lambda: instant)
        return instant

    move(0)
    return move


def shelved(machine, operator, *, minutes: float = 60) -> Alert:
    alert = alert_raise(finding(machine))
    until_at = clock.now() + timedelta(minutes=minutes)
    return alert_shelve(alert=alert, user=operator, reason="Waiting for the fitter", until_at=until_at)


def test_a_shelved_alert_says_who_why_and_until_when(machine, operator):
    alert = shelved(machine, operator)
    assert (alert.state, alert.hidden_reason) == (AlertState.SHELVED, "Waiting for the fitter")
    entry = alert.events.get(kind="shelved")
    assert (entry.actor, entry.comment) == (operator.email, "Waiting for the fitter")
    assert (entry.from_state, entry.to_state) == ("active_unacknowledged", "shelved")
    assert AuditEntry.objects.filter(action="alert.shelve", actor=operator.email).exists()


@pytest.mark.parametrize(
    ("reason", "minutes"), [("", 60), ("  ", 60), ("x" * 301, 60), ("why", -1), ("why", 0), ("why", 8 * 24 * 60)]
)
def test_a_shelf_without_reason_or_sensible_end_is_refused(machine, operator, at, reason, minutes):
    alert = alert_raise(finding(machine))
    with pytest.raises(ShelfInvalidError):
        alert_shelve(alert=alert, user=operator, reason=reason, until_at=clock.now() + timedelta(minutes=minutes))
    assert kinds(alert) == ["raised"]


def test_a_shelf_ends_by_itself_and_the_timeline_reminds_who_shelved_it_and_why(machine, operator, at):
    alert = shelved(machine, operator, minutes=60)
    at(59)
    assert alerts_tend() == 0
    at(61)
    assert alerts_tend() == 1
    alert.refresh_from_db()
    assert (alert.state, alert.shelved_until_at, alert.hidden_reason) == ("active_unacknowledged", None, "")
    reminder = alert.events.get(kind="unshelved")
    assert operator.email in reminder.comment
    assert "Waiting for the fitter" in reminder.comment
    assert reminder.actor == "FactoryPulse"
    assert alerts_tend() == 0


def test_what_ended_on_the_shelf_is_cleared_when_the_shelf_ends(machine, operator, at):
    alert = shelved(machine, operator, minutes=60)
    alert_return(machine=machine, cause="detector", at=clock.now())
    alert.refresh_from_db()
    assert alert.state == AlertState.SHELVED
    at(61)
    alerts_tend()
    alert.refresh_from_db()
    assert alert.state == AlertState.NORMAL


def test_what_happens_on_the_shelf_is_recorded_and_told_to_nobody(machine, operator):
    alert = shelved(machine, operator)
    before = Notification.objects.count()
    alert_return(machine=machine, cause="detector", at=clock.now())
    alert_raise(finding(machine, since_at=clock.now()))
    alert_raise(finding(machine, since_at=clock.now()))
    alert.refresh_from_db()
    assert (alert.state, alert.returned_at, alert.occurrences) == (AlertState.SHELVED, None, 2)
    assert kinds(alert) == ["raised", "shelved", "returned", "raised"]
    assert Notification.objects.count() == before


def test_taken_back_by_hand_it_wants_to_be_seen_again(machine, operator, supervisor):
    alert = alert_raise(finding(machine))
    alert_acknowledge(alert=alert, user=operator)
    alert_shelve(alert=alert, user=operator, reason="Lunch", until_at=clock.now() + timedelta(hours=1))
    back = alert_unshelve(alert=alert, user=supervisor, comment="No")
    assert (back.state, back.acknowledged_by) == (AlertState.ACTIVE_UNACKNOWLEDGED, None)
    with pytest.raises(AlertStateError):
        alert_unshelve(alert=alert, user=supervisor)


def test_a_cleared_alert_can_not_be_shelved(machine, operator):
    alert = alert_raise(finding(machine))
    alert_close(alert=alert, user=operator, verdict="false")
    with pytest.raises(AlertStateError):
        alert_shelve(alert=alert, user=operator, reason="why", until_at=clock.now() + timedelta(hours=1))


def test_closing_asks_for_a_verdict_and_writes_it_down(machine, operator):
    alert = alert_raise(finding(machine))
    with pytest.raises(VerdictInvalidError):
        alert_close(alert=alert, user=operator, verdict="perhaps")
    closed = alert_close(alert=alert, user=operator, verdict="true", comment="Bearing replaced")
    assert (closed.state, closed.verdict, closed.closed_by) == (AlertState.NORMAL, "true", operator)
    assert closed.returned_at is not None
    assert closed.acknowledged_by == operator
    entry = alert.events.get(kind="closed")
    assert (entry.verdict, entry.comment, entry.to_state) == ("true", "Bearing replaced", "normal")
    assert AuditEntry.objects.get(action="alert.close").details["verdict"] == "true"


def test_a_verdict_may_be_changed_later_and_both_stand_in_the_timeline(machine, operator, supervisor):
    alert = alert_raise(finding(machine))
    alert_close(alert=alert, user=operator, verdict="true")
    alert_close(alert=alert, user=operator, verdict="true")
    judged = alert_close(alert=alert, user=supervisor, verdict="expected")
    assert judged.verdict == "expected"
    assert list(alert.events.values_list("kind", "verdict")) == [
        ("raised", ""), ("closed", "true"), ("judged", "expected"),
    ]  # fmt: skip


def test_what_was_closed_is_not_raised_again_for_the_same_stretch(machine, operator):
    same = finding(machine)
    alert = alert_raise(same)
    alert_close(alert=alert, user=operator, verdict="false")
    assert alert_raise(same).pk == alert.pk
    assert Alert.objects.get().state == AlertState.NORMAL
    later = alert_raise(finding(machine, since_at=clock.now()))
    assert later.pk != alert.pk, "a new beginning is a new alert, however soon"


def test_a_comment_needs_words_and_changes_no_state(machine, operator):
    alert = alert_raise(finding(machine))
    with pytest.raises(CommentMissingError):
        alert_comment(alert=alert, user=operator, comment="  ")
    assert alert_comment(alert=alert, user=operator, comment="Smells hot").state == alert.state
    assert alert.events.get(kind="commented").comment == "Smells hot"


def test_the_timeline_can_only_be_added_to(machine, operator):
    alert = alert_raise(finding(machine))
    entry = alert.events.get()
    entry.comment = "It never happened"
    with pytest.raises(TimelineError):
        entry.save()
    with pytest.raises(TimelineError):
        alert.events.update(comment="x")
    with pytest.raises(TimelineError):
        alert.events.all().delete()
    machine.delete()
    assert not Alert.objects.exists(), "with its machine, everything goes"


def test_what_comes_and_goes_is_held_as_one_alert_with_a_count_until_it_settles(machine, operator, at):
    mails = []
    for flutter in range(8):
        at(flutter * 0.5)
        alert = alert_raise(finding(machine, since_at=clock.now()))
        at(flutter * 0.5 + 0.25)
        alert_return(machine=machine, cause="detector", at=clock.now())
        mails.append(Notification.objects.count())
    alert.refresh_from_db()
    assert (Alert.objects.count(), alert.occurrences, alert.chattering) == (1, 8, True)
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED, "held, not fluttering on the page"
    assert kinds(alert) == ["raised", "returned", "raised", "returned", "raised", "chattering"]
    assert mails[3:] == [mails[2]] * 5, "nobody is told of each flutter"
    alert_acknowledge(alert=alert, user=operator)
    at(30)
    assert alerts_tend() == 1
    alert.refresh_from_db()
    assert (alert.state, alert.chattering) == (AlertState.NORMAL, False)
    assert kinds(alert)[-4:] == ["acknowledged", "settled", "returned", "cleared"]


def test_readings_that_came_late_make_a_retroactive_alert(machine):
    an_hour_ago = clock.now() - timedelta(hours=1)
    assert alert_raise(finding(machine, since_at=an_hour_ago, found_at=an_hour_ago)).retroactive
    slow = alert_raise(finding(machine, cause="rule:1", since_at=an_hour_ago, found_at=clock.now()))
    assert not slow.retroactive, "a rule that waits an hour is not late"
