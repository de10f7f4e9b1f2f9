"""Pages about notifications: who may open them, what they keep, what they refuse."""

from datetime import date

import pytest
from django.contrib.messages import get_messages

from accounts.models import AuditEntry
from anomalies.models import (
    ContactPreference,
    Notification,
    NotificationState,
    NotificationTarget,
    OnCallOverride,
    OnCallSchedule,
    PushSubscription,
    Route,
    RouteStep,
    TargetHealth,
)
from anomalies.notify.outbox import drain
from common import clock
from telemetry.models import Line, Machine, Site
from tests.anomalies.notify.test_push import browser_keys

NO_STEPS = {"steps-TOTAL_FORMS": "0", "steps-INITIAL_FORMS": "0"}


def step_data(number: int = 0, **changes):
    given = {"after_min": "0", "roles": ["operator"], **changes}
    return {f"steps-{number}-{name}": value for name, value in given.items()}


def test_only_admins_choose_who_is_told_and_supervisors_see_what_was_sent(
    client_for, admin, supervisor, operator, viewer
):
    pages = ("/notifications", "/notifications/targets", "/notifications/routes/new", "/notifications/on-call/new")
    for person in (supervisor, operator, viewer):
        client = client_for(person)
        assert [client.get(page).status_code for page in pages] == [403] * 4, person.role
    assert [client_for(admin).get(page).status_code for page in pages] == [200] * 4
    log = "/notifications/deliveries"
    asked = {person.role: client_for(person).get(log).status_code for person in (admin, supervisor, operator)}
    assert asked == {"admin": 200, "supervisor": 200, "operator": 403}
    assert client_for(viewer).get("/notifications/on-call").status_code == 200
    assert client_for(viewer).get("/account/notifications").status_code == 200


def test_a_route_is_made_with_its_step_shown_changed_and_removed(in_acme, client_for, admin, operator):
    client = client_for(admin)
    site = Site.objects.create(name="Łódź", time_zone="Europe/Warsaw")
    line = Line.objects.create(name="Packaging", site=site)
    data = {
        "name": "Night shift",
        "active": "on",
        "severities": ["critical", "high"],
        "lines": [line.pk],
        "days": ["0", "4"],
        "from_time": "22:00",
        "to_time": "06:00",
        "steps-TOTAL_FORMS": "1",
        "steps-INITIAL_FORMS": "0",
        **step_data(people=[operator.pk], channels=["email", "sms"]),
    }
    answer = client.post("/notifications/routes/new", data)
    assert answer.status_code == 302
    route = Route.objects.get()
    assert (route.severities, route.days, list(route.lines.all())) == (["critical", "high"], [0, 4], [line])
    step = route.steps.get()
    assert (step.roles, step.channels, list(step.people.all())) == (["operator"], ["email", "sms"], [operator])
    shown = client.get("/notifications").content.decode()
    for words in ("Night shift", "High, Critical", "Packaging", "Mon, Fri 22:00–06:00", "every operator"):
        assert words in shown, words
    second = {
        **{name: value for name, value in data.items() if not name.startswith("steps-")},
        "steps-TOTAL_FORMS": "2",
        "steps-INITIAL_FORMS": "1",
        "steps-0-id": str(step.pk),
        **step_data(0),
        **step_data(1, after_min="15", roles=["admin"]),
    }
    assert client.post(f"/notifications/routes/{route.pk}", second).status_code == 302
    assert [step.after_min for step in route.steps.all()] == [0, 15]
    assert client.post(f"/notifications/routes/{route.pk}/delete").status_code == 302
    assert not Route.objects.exists()
    assert not RouteStep.objects.exists()
    actions = list(AuditEntry.objects.filter(action__startswith="route.").values_list("action", flat=True))
    assert sorted(actions) == ["route.change", "route.create", "route.delete"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_time": "22:00"}, "Give both times"),
        ({"from_time": "22:00", "to_time": "22:00"}, "must differ"),
        ({"steps-0-roles": [], "steps-0-after_min": "5"}, "Choose somebody to tell"),
        ({"steps-0-after_min": "1441"}, "At most a day"),
        ({"name": ""}, "required"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused_with_a_reason(in_acme, client_for, admin, changes, words):
    data = {"name": "Night", "steps-TOTAL_FORMS": "1", "steps-INITIAL_FORMS": "0", **step_data(), **changes}
    answer = client_for(admin).post("/notifications/routes/new", data)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Route.objects.exists()


def test_who_would_be_told_now_is_answered_step_by_step(in_acme, client_for, admin, operator):
    machine = Machine.objects.create(key="M07")
    page = f"/notifications?machine={machine.pk}&severity=critical"
    client = client_for(admin)
    shown = client.get(page).content.decode()
    assert "no route fits" in shown
    assert operator.email in shown
    route = Route.objects.create(name="Critical", severities=["critical"])
    RouteStep.objects.create(route=route, roles=["operator"], channels=["email"])
    RouteStep.objects.create(route=route, roles=["admin"], channels=["email"], after_min=10)
    shown = client.get(page).content.decode()
    assert f"{operator.email} (E-mail, In the app)" in shown
    assert "after 10 minutes without an acknowledgement" in shown


def test_a_webhooks_secret_is_shown_once_and_never_its_address(in_acme, client_for, admin):
    client = client_for(admin)
    data = {"kind": "webhook", "name": "ERP", "address": "https://erp.example.com/hooks/s3cret"}
    made = client.post("/notifications/targets", data)
    assert made.status_code == 200
    assert "whsec_" in made.content.decode()
    assert "no-store" in made["Cache-Control"]
    target = NotificationTarget.objects.get()
    for page in ("/notifications/targets", f"/notifications/targets/{target.pk}"):
        shown = client.get(page).content.decode()
        assert "whsec_" not in shown
        assert "s3cret" not in shown
    assert "https://erp.example.com/…" in shown
    assert "s3cret" not in target.address_sealed
    rotated = client.post(f"/notifications/targets/{target.pk}/secret").content.decode()
    assert "whsec_" in rotated
    target.refresh_from_db()
    assert target.previous_until > clock.now()


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x.example",
        "http://x.example/",
        "https://user:pw@x.example/",
        "https://x.example:22/",
        "hello",
        "https://",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
    ],
)
def test_an_address_that_no_message_may_go_to_is_refused_with_a_reason(in_acme, client_for, admin, address):
    data = {"kind": "slack", "name": "Room", "address": address}
    answer = client_for(admin).post("/notifications/targets", data)
    assert answer.status_code == 422
    assert not NotificationTarget.objects.exists()


def test_a_given_up_message_is_shown_with_its_reason_and_sent_again(in_acme, client_for, supervisor, operator):
    row = Notification.objects.create(
        dedupe_key="x",
        recipient=operator.email,
        user=operator,
        subject="High: Pump – Vibration",
        state=NotificationState.DEAD,
        attempts=12,
        last_error="550 no such user",
        next_attempt_at=clock.now(),
    )
    TargetHealth.objects.create(
        key="email", failures=4, last_error="timed out", open_until=clock.now().replace(year=2099)
    )
    client = client_for(supervisor)
    shown = client.get("/notifications/deliveries").content.decode()
    for words in ("550 no such user", "Given up", "after 12 attempts", "The mail server does not take messages"):
        assert words in shown, words
    assert client.post(f"/notifications/deliveries/{row.pk}/again").status_code == 302
    row.refresh_from_db()
    assert (row.state, row.attempts) == (NotificationState.PENDING, 0)
    assert TargetHealth.objects.get().open_until is None, "whoever sends again says that it works again"
    assert drain() == 1
    again = client.post(f"/notifications/deliveries/{row.pk}/again")
    assert "not given up" in [str(message) for message in get_messages(again.wsgi_request)][-1]
    assert AuditEntry.objects.filter(action="notification.retry").count() == 1


def test_a_schedule_is_made_in_the_order_of_its_numbers_and_somebody_stands_in(
    in_acme, client_for, admin, operator, supervisor
):
    client = client_for(admin)
    data = {
        "name": "Maintenance",
        "time_zone": "Europe/Warsaw",
        "starts_on": str(date(2026, 1, 5)),
        "handover_at": "06:00",
        "turn_days": "7",
        "members": [operator.pk, supervisor.pk],
        f"place-{operator.pk}": "2",
        f"place-{supervisor.pk}": "1",
    }
    assert client.post("/notifications/on-call/new", data).status_code == 302
    schedule = OnCallSchedule.objects.get()
    assert [member.user for member in schedule.members.all()] == [supervisor, operator]
    override = {"user": operator.pk, "starts_at": "2026-07-01T08:00", "ends_at": "2026-07-02T08:00"}
    assert client.post(f"/notifications/on-call/{schedule.pk}/overrides", override).status_code == 302
    kept = OnCallOverride.objects.get()
    assert kept.starts_at.isoformat() == "2026-07-01T06:00:00+00:00", "typed by Warsaw's clock"
    backwards = {**override, "ends_at": "2026-06-30T08:00"}
    refused = client.post(f"/notifications/on-call/{schedule.pk}/overrides", backwards)
    assert refused.status_code == 422
    assert "must lie after the beginning" in refused.content.decode()
    assert client.get("/notifications/on-call").status_code == 200
    assert client.post(f"/notifications/on-call/overrides/{kept.pk}/delete").status_code == 302
    assert not OnCallOverride.objects.exists()


def test_a_person_chooses_how_to_be_told(in_acme, client_for, operator):
    client = client_for(operator)
    data = {
        "email": "on",
        "email_from": "high",
        "push_from": "critical",
        "in_app_from": "high",
        "phone_from": "critical",
    }
    assert client.post("/account/notifications", data).status_code == 302
    wish = ContactPreference.objects.get()
    assert (wish.user, wish.email, wish.email_from, wish.push) == (operator, True, "high", False)
    assert (wish.in_app, wish.in_app_from) == (False, "high")
    half = client.post("/account/notifications", {**data, "quiet_from": "22:00"})
    assert half.status_code == 422
    assert client.post("/account/notifications", {**data, "sms": "on"}).status_code == 302
    assert not ContactPreference.objects.get().sms, "no number has been confirmed"


def test_a_browser_subscribes_and_leaves_and_only_its_owner_may_take_it_away(in_acme, client_for, operator, supervisor):
    client = client_for(operator)
    subscription = {"endpoint": "https://push.example.com/send/abc", "keys": browser_keys()[0]}
    assert client.post_json("/account/notifications/browser", subscription).json() == {"browsers": 1}
    assert client.post_json("/account/notifications/browser", subscription).json() == {"browsers": 1}
    leave = ("/account/notifications/browser", '{"endpoint": "https://push.example.com/send/abc"}')
    client_for(supervisor).delete(*leave, content_type="application/json")
    assert PushSubscription.objects.count() == 1
    client.delete(*leave, content_type="application/json")
    assert not PushSubscription.objects.exists()
    for wrong in ({}, {"endpoint": "https://x.example", "keys": {"p256dh": "a", "auth": "b"}}, [1]):
        assert client.post_json("/account/notifications/browser", wrong).status_code == 400


def test_a_test_to_oneself_goes_out_at_once(in_acme, client_for, operator, mailoutbox):
    client = client_for(operator)
    client.post("/account/notifications/test", {"channel": "email"})
    assert drain() == 1
    assert mailoutbox[0].to == [operator.email]
    client.post("/account/notifications/test", {"channel": "sms"})
    client.post("/account/notifications/test", {"channel": "webhook"})
    assert drain() == 0
