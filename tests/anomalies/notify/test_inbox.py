"""What a person was told in the app: counted, listed, marked, theirs alone, and there whatever becomes of the mail."""

from unittest.mock import patch

import pytest
from django.core import mail

from anomalies.alerts.opening import alert_return
from anomalies.models import ContactPreference, Notification, NotificationState, Route, RouteStep
from anomalies.notify import inbox as inboxes
from anomalies.notify.inbox import inbox_of, unread_count
from anomalies.notify.outbox import drain
from anomalies.notify.trying import person_test
from common import clock
from telemetry.models import Line, Machine, Site
from tests.anomalies.notify.conftest import settle, storm


@pytest.fixture
def heard(monkeypatch):
    """What open browsers are told: (person, unread)."""
    said = []

    def publish(slug, message, *, user_id=None):
        said.append((user_id, message["unread"]))

    monkeypatch.setattr(inboxes, "live_publish", publish)
    return said


@pytest.fixture
def told(machine, operator, supervisor, raised, heard, django_capture_on_commit_callbacks):
    """Both have been told of one alert."""
    alert = raised(machine)
    with django_capture_on_commit_callbacks(execute=True):
        drain()
    return alert


def test_whoever_is_told_has_it_in_the_app_too_at_once_and_their_browsers_hear_of_it(told, operator, supervisor, heard):
    for person in (operator, supervisor):
        (entry,) = inbox_of(person)
        assert (entry.alert, entry.state) == (told, NotificationState.SENT)
        assert entry.subject == "High: Pump <7> – Vibration above normal"
        assert entry.payload["severity"] == "high"
    assert sorted(heard) == sorted([(operator.pk, 1), (supervisor.pk, 1)])


def test_a_mail_server_that_is_away_keeps_nothing_back_in_the_app(machine, operator, raised):
    raised(machine)
    with patch.object(mail.EmailMultiAlternatives, "send", side_effect=ConnectionRefusedError("down")):
        drain()
    assert unread_count(operator) == 1


def test_a_route_by_sms_alone_reaches_the_app_as_well_and_whoever_wants_none_has_none(
    machine, operator, supervisor, raised
):
    route = Route.objects.create(name="By SMS")
    RouteStep.objects.create(route=route, roles=["operator", "supervisor"], channels=["sms"])
    ContactPreference.objects.create(user=supervisor, in_app=False)
    raised(machine)
    drain()
    assert (unread_count(operator), unread_count(supervisor)) == (1, 0)
    ContactPreference.objects.create(user=operator, in_app_from="critical")
    raised(machine, cause="rule:1", severity="high")
    drain()
    assert unread_count(operator) == 1


def test_the_page_and_the_panel_show_it_in_its_order_and_following_it_marks_it(told, operator, client_for, heard):
    client = client_for(operator)
    entry = inbox_of(operator).get()
    for page in ("/inbox", "/inbox/newest", "/inbox?unread=1"):
        shown = client.get(page).content.decode()
        assert "High: Pump &lt;7&gt; – Vibration above normal" in shown, page
        assert f'href="/inbox/{entry.pk}"' in shown
    assert 'data-unread="1"' in client.get("/alerts/banner").content.decode()
    followed = client.get(f"/inbox/{entry.pk}")
    assert (followed.status_code, followed["Location"]) == (302, f"/alerts/{told.pk}")
    assert unread_count(operator) == 0
    assert "Nothing new" in client.get("/inbox?unread=1").content.decode()
    assert client.post(f"/inbox/{entry.pk}/mark", {"unread": "1"}).status_code == 302
    assert unread_count(operator) == 1


def test_whoever_opens_the_alert_by_another_way_has_read_of_it(told, operator, supervisor, client_for):
    client_for(operator).get(f"/alerts/{told.pk}")
    assert (unread_count(operator), unread_count(supervisor)) == (0, 1)


def test_marking_all_leaves_what_came_after_the_list_was_shown(told, machine, operator, raised, client_for):
    shown = inbox_of(operator).get()
    raised(machine, cause="rule:1")
    drain()
    answer = client_for(operator).post("/inbox/read", {"until": shown.pk, "next": "https://evil.example/inbox"})
    assert answer["Location"] == "/inbox"
    assert unread_count(operator) == 1
    client_for(operator).post("/inbox/read")
    assert unread_count(operator) == 0


def test_nobody_sees_or_marks_what_others_were_told(told, operator, supervisor, viewer, outsider, client_for):
    entry = inbox_of(operator).get()
    for person in (supervisor, viewer):
        client = client_for(person)
        assert client.get(f"/inbox/{entry.pk}").status_code == 404
        assert client.post(f"/inbox/{entry.pk}/mark").status_code == 404
        client.post("/inbox/read")
    assert client_for(outsider).get(f"/inbox/{entry.pk}").status_code == 404
    assert "Nothing yet" in client_for(viewer).get("/inbox").content.decode()
    assert unread_count(operator) == 1


def test_a_person_restricted_since_then_sees_no_machine_beyond(told, operator, client_for):
    elsewhere = Line.objects.create(name="9", site=Site.objects.create(name="Other"))
    operator.reach = {"sites": [], "lines": [elsewhere.pk]}
    operator.save()
    client = client_for(operator)
    assert "Pump" not in client.get("/inbox").content.decode()
    assert 'data-unread="0"' in client.get("/alerts/banner").content.decode()
    assert client.get(f"/inbox/{Notification.objects.get(user=operator, channel='in_app').pk}").status_code == 404


def test_a_storm_is_one_line_that_leads_to_the_open_alerts(in_acme, operator, client_for):
    storm(Machine.objects.bulk_create(Machine(key=f"S{number:02}") for number in range(30)))
    settle()
    drain()
    entry = inbox_of(operator).get()
    assert entry.subject == "High: 30 alerts on 30 machines"
    assert entry.body_text == "S00, S01, S02, S03, S04, S05 …"
    assert client_for(operator).get(f"/inbox/{entry.pk}")["Location"] == "/alerts"


def test_the_end_of_an_alert_looks_calm(told, machine, operator, supervisor):
    alert_return(machine=machine, cause="detector", at=clock.now())
    drain()
    newest = inbox_of(operator).first()
    assert newest.subject.startswith("Back to normal")
    assert newest.payload["severity"] == "normal"


def test_a_person_tries_the_bell(in_acme, operator, client_for):
    client_for(operator).post("/account/notifications/test", {"channel": "in_app"})
    entry = inbox_of(operator).get()
    assert client_for(operator).get(f"/inbox/{entry.pk}")["Location"] == "/account/notifications"
    assert len(person_test(operator, "in_app")) == 1
