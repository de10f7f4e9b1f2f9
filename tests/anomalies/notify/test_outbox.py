from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from threading import Barrier
from unittest.mock import patch

from django.core import mail
from django.db import connections

from anomalies.alerts.finding import Finding
from anomalies.alerts.handling import alert_close
from anomalies.alerts.opening import alert_return, alert_update
from anomalies.models import Alert, ContactPreference, Notice, Notification, NotificationState, TargetHealth
from anomalies.notify import outbox
from anomalies.notify.channels import email
from anomalies.notify.outbox import drain
from common import clock
from telemetry.models import Machine
from tenants.context import factory_context
from tests.anomalies.notify.conftest import sent_out, settle, storm
from tests.conftest import person_make


def test_everybody_who_may_act_is_told_once_and_nobody_else(machine, operator, owner, viewer, raised):
    unconfirmed = person_make(machine_factory(), "new@acme.example", "operator")
    unconfirmed.emailaddress_set.update(verified=False)
    raised(machine)
    raised(machine)
    assert drain() == 2
    assert sorted(message.to[0] for message in mail.outbox) == sorted([operator.email, owner.email])
    assert drain() == 0


def machine_factory():
    from tenants.context import factory_current

    return factory_current()


def test_the_mail_says_what_is_wrong_since_when_and_where_to_act(machine, operator, raised):
    alert = raised(machine)
    drain()
    message = mail.outbox[0]
    html = message.alternatives[0].content
    assert message.subject == "High: Pump <7> – Vibration above normal"
    for body in (message.body, html):
        for part in (
            "7.90",
            "1.80–3.10",
            "mm/s",
            "since 10:42 CET",
            "Łódź",
            f"://acme.localhost:8000/alerts/{alert.pk}",
        ):
            assert part in body, part
    assert "Pump <7>" in message.body
    assert "Pump &lt;7&gt;" in html


def test_the_mail_says_what_it_was_when_it_was_like_this_before(machine, operator, raised):
    before = raised(machine)
    alert_close(alert=before, user=operator, verdict="false")
    drain()
    raised(machine, since_at=clock.now() + timedelta(minutes=20))
    raised(machine, cause="rule:1")
    drain()
    first, again, other = mail.outbox
    assert "Like it before" not in first.body + other.body
    for body in (again.body, again.alternatives[0].content):
        assert "Like it before: " in body
        assert "(False alarm)." in body


def test_back_to_normal_is_a_second_short_mail_in_the_same_thread(machine, operator, raised):
    raised(machine)
    alert_return(machine=machine, cause="detector", at=clock.now())
    assert drain() == 2
    first, second = mail.outbox
    assert second.subject == "Back to normal: Pump <7> – Vibration above normal"
    assert first.extra_headers["References"] == second.extra_headers["References"]
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_what_was_over_before_its_readings_came_is_one_mail_that_says_so(machine, operator, raised):
    then = clock.now() - timedelta(hours=2)
    alert = raised(machine, since_at=then, found_at=then)
    alert_return(machine=machine, cause="detector", at=then + timedelta(minutes=5))
    assert drain() == 1
    (message,) = mail.outbox
    assert message.subject == "High: Pump <7> – Vibration above normal"
    assert "; the readings came late." in message.body
    assert list(alert.events.values_list("kind", flat=True)) == ["raised", "returned", "notified"]
    assert drain() == 0


def test_that_readings_arrive_again_or_a_sensor_moves_is_said_as_what_it_is(machine, operator, raised):
    for cause, words in (("silence", "readings arrive again"), ("stuck:vibration", "it moves again")):
        raised(machine, cause=cause)
        alert_return(machine=machine, cause=cause, at=clock.now())
        drain()
        assert words in mail.outbox[-1].body


def test_an_alert_that_flaps_fills_no_mailbox(machine, operator, raised):
    for _ in range(5):
        raised(machine)
        alert_return(machine=machine, cause="detector", at=clock.now())
    assert drain() == 2


def test_many_alerts_told_together_are_counted_once_each_as_they_are_by_then(in_acme, operator):
    first, *others = storm(Machine.objects.bulk_create(Machine(key=f"S{number}") for number in range(6)))
    alert_return(machine=first.machine, cause="silence", at=clock.now())
    settle()
    assert drain() == 1
    (message,) = mail.outbox
    assert message.subject == f"High: {len(others)} alerts on {len(others)} machines"
    assert "Back to normal: 1" in message.body
    assert message.body.count("S0:") == 1
    row = sent_out().get()
    assert sorted(row.payload["alerts"]) == [first.pk, *(alert.pk for alert in others)]


def test_a_line_break_in_a_name_makes_no_header(machine, operator, raised):
    raised(machine, title="Vibration\nBcc: everybody@example.com")
    assert drain() == 1
    assert "\n" not in mail.outbox[0].subject


def test_a_server_that_is_away_is_tried_again_later_with_the_same_message_id(machine, operator, raised):
    raised(machine)
    tried = []

    def refuse(message, **_):
        tried.append(message.extra_headers["Message-ID"])
        raise ConnectionRefusedError("down")

    with patch.object(email.EmailMultiAlternatives, "send", refuse):
        assert drain() == 0
    row = sent_out().get()
    assert (row.state, row.attempts) == (NotificationState.PENDING, 1)
    assert row.next_attempt_at > clock.now()
    assert drain() == 0, "not before its time"
    Notification.objects.update(next_attempt_at=clock.now())
    assert drain() == 1
    assert mail.outbox[0].extra_headers["Message-ID"] == tried[0]


def test_after_enough_attempts_it_is_given_up_and_shown(machine, operator, raised):
    raised(machine)
    with patch.object(email.EmailMultiAlternatives, "send", side_effect=SMTPServerDisconnected("gone")):
        waits = []
        for _ in range(outbox.MAX_ATTEMPTS):
            before = clock.now()
            Notification.objects.update(next_attempt_at=before)
            TargetHealth.objects.update(open_until=None)
            drain()
            waits.append((sent_out().get().next_attempt_at - before) / timedelta(seconds=1))
    row = sent_out().get()
    assert (row.state, row.attempts) == (NotificationState.DEAD, outbox.MAX_ATTEMPTS)
    assert "gone" in row.last_error
    assert [15 <= waits[0] < 20, 30 <= waits[1] < 38, 60 <= waits[2] < 74] == [True] * 3, waits


def test_an_address_that_does_not_exist_is_not_tried_again(machine, operator, raised):
    raised(machine)
    refusal = SMTPRecipientsRefused({operator.email: (550, b"no such user")})
    with patch.object(email.EmailMultiAlternatives, "send", side_effect=refusal):
        drain()
    assert sent_out().get().state == NotificationState.DEAD


def test_one_message_that_fails_does_not_hold_back_the_others(machine, operator, owner, raised):
    raised(machine)

    def refuse_one(message, **_):
        if message.to == [operator.email]:
            raise ConnectionRefusedError("down")
        return 1

    with patch.object(email.EmailMultiAlternatives, "send", refuse_one):
        assert drain() == 1
    assert sent_out().get(recipient=owner.email).state == NotificationState.SENT


def test_two_workers_that_drain_at_once_send_each_message_once(live_factory, raised):
    for number in range(12):
        person_make(live_factory, f"person{number}@live.example", "operator")
    with factory_context(live_factory):
        raised(Machine.objects.create(key="M07"))
    sent: list[str] = []
    together = Barrier(3)

    def record(message, **_):
        sent.append(message.to[0])
        return 1

    def work(_: int) -> int:
        try:
            with factory_context(live_factory):
                together.wait(timeout=20)
                return drain()
        finally:
            connections.close_all()

    with patch.object(email.EmailMultiAlternatives, "send", record), ThreadPoolExecutor(3) as pool:
        counts = list(pool.map(work, range(3)))
    assert sum(counts) == 12
    assert len(set(sent)) == len(sent) == 12


def test_the_same_notification_of_two_factories_has_two_message_ids(acme, borg):
    ids = set()
    for factory in (acme, borg):
        with factory_context(factory):
            ids.add(email.message_id("alert:1:raised:1:email:a@example.com"))
    assert len(ids) == 2


def grow(alert, severity):
    finding = Finding(
        machine=alert.machine,
        cause=alert.cause,
        severity=severity,
        title=alert.title,
        summary=alert.summary,
        since_at=alert.since_at,
    )
    alert_update(alert, finding)


def test_an_alert_that_grows_is_told_once_to_each_and_as_it_is_by_then(machine, operator, raised):
    alert = raised(machine, severity="medium")
    grow(alert, "high")
    assert drain() == 1
    assert mail.outbox[0].subject.startswith("High: ")
    grow(alert, "critical")
    assert drain() == 0
    Notice.objects.update(created_at=clock.now() - timedelta(hours=3))
    assert Alert.objects.get().severity == "critical"
    alert_return(machine=machine, cause="detector", at=clock.now())
    assert drain() == 1, "that it is over"


def test_whom_only_the_higher_severity_concerns_hears_of_an_alert_when_it_has_grown(machine, operator, owner, raised):
    ContactPreference.objects.create(user=owner, email_from="critical")
    alert = raised(machine, severity="medium")
    assert drain() == 1
    grow(alert, "critical")
    assert drain() == 1
    assert [message.to for message in mail.outbox] == [[operator.email], [owner.email]]


def test_what_comes_back_severer_is_told_again(machine, operator, raised):
    raised(machine, severity="medium")
    drain()
    alert_return(machine=machine, cause="detector", at=clock.now())
    drain()
    raised(machine, severity="critical")
    assert drain() == 1
    assert [message.subject.partition(":")[0] for message in mail.outbox] == ["Medium", "Back to normal", "Critical"]
