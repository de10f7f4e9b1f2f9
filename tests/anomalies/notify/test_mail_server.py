"""Mail against a real SMTP server in its own process: taken, slow, refusing, away, and a worker killed in between."""

import signal
import subprocess
import sys
import textwrap
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings as django_settings

from anomalies.alerts.opening import alert_return
from anomalies.models import Notice, Notification, NotificationState, TargetHealth
from anomalies.notify.breaker import OPENS_AFTER
from anomalies.notify.outbox import drain, notification_retry
from common import clock
from common.times import from_ms
from telemetry.models import Machine
from tenants.context import factory_context
from tests.anomalies.notify.conftest import sent_out, settle, storm
from tests.anomalies.synthetic import healthy, series_of, stored
from tests.conftest import person_make

DRAIN = """
import sys, django
django.setup()
from django.conf import settings
settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", int(sys.argv[2])
from tenants.context import factory_context
from anomalies.notify.outbox import drain
with factory_context(sys.argv[1]):
    print(drain(), flush=True)
"""


def test_a_mail_arrives_with_text_html_and_the_evidence_as_a_picture_inside(in_acme, operator, smtp, raised):
    now_ms = clock.now_ms()
    machine = stored(series_of(healthy(1200), start_ms=now_ms - 1_200_000))
    evidence = {"metrics": [{"metric": "vibration_mm_s", "share": 1.0, "observed": 7.9, "expected": [1.8, 3.1]}]}
    alert = raised(machine, since_at=from_ms(now_ms - 300_000), evidence=evidence)
    assert drain() == 1
    (message,) = smtp.wait_for(1)
    assert message["To"] == operator.email
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/related"
    html = message.get_body(("html",)).get_content()
    picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert f'src="cid:{picture["Content-ID"][1:-1]}"' in html
    assert picture.get_content()[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture.get_content()) < 40_000
    assert f"/alerts/{alert.pk}" in message.get_body(("plain",)).get_content()


def test_without_readings_the_words_go_out_alone(machine, operator, smtp, raised):
    raised(machine)
    assert drain() == 1
    (message,) = smtp.wait_for(1)
    assert message.get_content_type() == "multipart/alternative"
    assert "<!-- evidence" not in message.get_body(("html",)).get_content()


def test_a_server_that_is_away_and_comes_back_gets_the_mail_once(machine, operator, smtp, raised):
    smtp.stop()
    raised(machine)
    assert drain() == 0
    row = sent_out().get()
    assert (row.state, row.attempts) == (NotificationState.PENDING, 1)
    assert "refused" in row.last_error
    smtp.start()
    Notification.objects.update(next_attempt_at=clock.now())
    assert drain() == 1
    assert len(smtp.wait_for(1)) == 1
    assert drain() == 0


def test_a_server_that_says_later_is_asked_later(machine, operator, smtp, raised):
    smtp.mode("refuse 451")
    raised(machine)
    assert drain() == 0
    row = sent_out().get()
    assert (row.state, row.attempts) == (NotificationState.PENDING, 1)
    assert row.last_error.startswith("451")
    assert row.next_attempt_at > clock.now()


@pytest.mark.parametrize("mode", ["refuse 550", "refuse-data 554"])
def test_a_mail_refused_for_good_is_given_up_at_once_and_sent_again_by_hand(machine, operator, smtp, raised, mode):
    smtp.mode(mode)
    raised(machine)
    assert drain() == 0
    row = sent_out().get()
    assert (row.state, row.attempts) == (NotificationState.DEAD, 1)
    assert row.last_error.startswith("55")
    assert not TargetHealth.objects.filter(failures__gt=0).exists(), "one address's refusal is no fault of the server"
    smtp.mode("accept")
    notification_retry(row)
    assert drain() == 1
    assert sent_out().get().state == NotificationState.SENT


def test_a_slow_server_is_given_up_on_in_time(machine, operator, smtp, raised, settings):
    settings.EMAIL_TIMEOUT = 0.3
    smtp.mode("hang")
    raised(machine)
    assert drain() == 0
    row = sent_out().get()
    assert row.state == NotificationState.PENDING
    assert "timed out" in row.last_error.lower()


def test_a_server_in_trouble_is_left_alone_and_no_attempts_are_wasted_on_it(in_acme, smtp, raised):
    for number in range(OPENS_AFTER + 3):
        person_make(in_acme, f"person{number}@acme.example", "operator")
    smtp.stop()
    raised(Machine.objects.create(key="M07"))
    assert drain() == 0
    assert sent_out().filter(attempts=1).count() == OPENS_AFTER
    assert sent_out().filter(attempts=0).count() == 3
    smtp.start()
    assert drain() == 0, "it is paused"
    TargetHealth.objects.update(open_until=clock.now())
    Notification.objects.update(next_attempt_at=clock.now())
    assert drain() == OPENS_AFTER + 3
    assert TargetHealth.objects.get(key="email").failures == 0


def test_a_thousand_machines_that_alarm_at_once_are_told_in_one_mail(in_acme, operator, smtp):
    machines = Machine.objects.bulk_create(Machine(key=f"S{number:04}") for number in range(1000))
    storm(machines)
    assert drain() == 0, "it is gathered until it grows quiet"
    settle()
    assert drain() == 1
    (message,) = smtp.wait_for(1)
    assert message["Subject"] == "High: 1000 alerts on 1000 machines"
    text = message.get_body(("plain",)).get_content()
    assert "and 980 more" in text
    assert drain() == 0
    assert len(smtp.messages()) == 1


def test_what_follows_in_a_storm_comes_in_the_same_conversation_and_not_at_once(in_acme, operator, smtp):
    machines = Machine.objects.bulk_create(Machine(key=f"S{number:04}") for number in range(12))
    alerts = storm(machines[:10])
    settle()
    assert drain() == 1
    storm(machines[10:])
    for alert in alerts[:4]:
        alert_return(machine=alert.machine, cause="silence", at=clock.now())
    settle()
    assert drain() == 0, "an update a minute"
    Notification.objects.update(created_at=clock.now() - timedelta(seconds=90))
    assert drain() == 1
    first, second = smtp.wait_for(2)
    assert second["Subject"] == "High: 2 more alerts on 2 machines"
    assert "Back to normal: 4" in second.get_body(("plain",)).get_content()
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]


def test_what_follows_a_storm_alone_is_told_by_its_own_name(in_acme, operator, smtp):
    machines = Machine.objects.bulk_create(Machine(key=f"S{number:04}") for number in range(11))
    storm(machines[:10])
    settle()
    drain()
    (alone,) = storm(machines[10:])
    settle()
    Notification.objects.update(created_at=clock.now() - timedelta(seconds=90))
    assert drain() == 1
    first, second = smtp.wait_for(2)
    assert second["Subject"] == "High: S0010 – No readings"
    assert f"/alerts/{alone.pk}" in second.get_body(("plain",)).get_content()
    assert first["References"] == second["References"]


def test_a_worker_killed_while_mailing_leaves_one_message_id(live_factory, process_environment, smtp):
    person_make(live_factory, "omar@live.example", "operator")
    with factory_context(live_factory):
        storm([Machine.objects.create(key="M07")])
    command = [sys.executable, "-c", textwrap.dedent(DRAIN), live_factory.slug, str(smtp.port)]
    smtp.mode("hang")
    worker = subprocess.Popen(command, env=process_environment, stdout=subprocess.PIPE)
    try:
        smtp.wait_for(1)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=20)
    smtp.mode("accept")
    done = subprocess.run(command, env=process_environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "1", done.stderr
    first, second = smtp.wait_for(2)
    assert first["Message-ID"] == second["Message-ID"]
    with factory_context(live_factory):
        assert sent_out().get().state == NotificationState.SENT
        assert Notice.objects.get().told
    again = subprocess.run(command, env=process_environment, capture_output=True, text=True, timeout=120)
    assert again.stdout.strip() == "0", again.stderr


def test_the_timeline_says_who_was_told(machine, operator, smtp, raised):
    alert = raised(machine)
    drain()
    entry = alert.events.get(kind="notified")
    assert entry.comment == f"{operator} (E-mail, In the app)"


def test_the_picture_is_drawn_in_the_plants_time_and_survives_strange_names(in_acme, raised):
    from anomalies.notify.charts import evidence_chart

    columns = {"p$_{x}^": np.full(600, 3.0)}
    machine = stored(series_of(columns, start_ms=clock.now_ms() - 600_000))
    alert = raised(machine, evidence={"metrics": [{"metric": "p$_{x}^", "observed": 3.0, "limit": 2.0}]})
    assert evidence_chart(alert) is not None
    assert django_settings.TIME_ZONE == "UTC"
