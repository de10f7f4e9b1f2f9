"""The API about notifications."""

import pytest

from anomalies.models import Notification, NotificationState, NotificationTarget, OnCallSchedule, Route, RouteStep
from anomalies.notify.outbox import drain
from common import clock
from telemetry.models import Machine
from tests.conftest import FactoryClient


@pytest.fixture
def dead(in_acme, operator):
    return Notification.objects.create(
        dedupe_key="x",
        recipient=operator.email,
        subject="High",
        body_text="hello",
        state=NotificationState.DEAD,
        attempts=3,
        last_error="550 no",
        next_attempt_at=clock.now(),
    )


def test_supervisors_list_messages_and_send_one_again_and_operators_may_not(client_for, supervisor, operator, dead):
    client = client_for(supervisor)
    listed = client.get("/api/v1/notifications?state=dead").json()["results"]
    assert [(row["id"], row["state"], row["last_error"]) for row in listed] == [(dead.pk, "dead", "550 no")]
    assert "hello" not in str(listed)
    again = client.post_json(f"/api/v1/notifications/{dead.pk}/retry", {})
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    assert client.post_json(f"/api/v1/notifications/{dead.pk}/retry", {}).status_code == 409
    assert client.post_json("/api/v1/notifications/999999/retry", {}).status_code == 404
    assert client_for(operator).get("/api/v1/notifications").status_code == 403
    assert client_for(supervisor).get("/api/v1/notification-targets").status_code == 403


def test_keys_see_no_addresses_of_people(api_client, read_key, write_key, dead):
    for key in (read_key, write_key):
        client: FactoryClient = api_client(key)
        assert client.get("/api/v1/notifications").status_code == 403
        assert client.get("/api/v1/notification-targets").status_code == 403
        assert client.get("/api/v1/notification-routes").status_code == 403


def test_a_target_is_made_tried_and_removed(client_for, admin, receiver, in_acme):
    client = client_for(admin)
    body = {"kind": "webhook", "name": "ERP", "address": receiver.url("/secret-path")}
    made = client.post_json("/api/v1/notification-targets", body)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert client.post_json("/api/v1/notification-targets", body).status_code == 409
    listed = client.get("/api/v1/notification-targets")
    assert "secret-path" not in listed.content.decode()
    assert "whsec" not in listed.content.decode()
    target = made.json()["id"]
    assert client.post_json(f"/api/v1/notification-targets/{target}/test", {}).status_code == 202
    assert drain() == 1
    assert receiver.received[0].json["type"] == "test"
    assert client.delete(f"/api/v1/notification-targets/{target}").status_code == 204
    assert not NotificationTarget.objects.exists()


def test_a_refused_address_says_why(client_for, admin):
    body = {"kind": "webhook", "name": "x", "address": "http://10.0.0.1/"}
    answer = client_for(admin).post_json("/api/v1/notification-targets", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "address_refused")


def test_routes_preview_and_who_is_on_call_are_read(client_for, admin, viewer, operator, in_acme):
    Machine.objects.create(key="M/07")
    route = Route.objects.create(name="Night", severities=["high"], days=[5])
    RouteStep.objects.create(route=route, roles=["operator"], channels=["email"])
    client = client_for(admin)
    (read,) = client.get("/api/v1/notification-routes").json()["results"]
    assert (read["name"], read["severities"], read["steps"][0]["roles"]) == ("Night", ["high"], ["operator"])
    stages = client.get("/api/v1/notification-preview?machine=M/07&severity=low").json()["stages"]
    assert operator.email in stages[0]["told"]
    assert client.get("/api/v1/notification-preview?machine=nobody&severity=low").status_code == 404
    assert client.get("/api/v1/notification-preview?machine=M/07&severity=odd").status_code == 400
    OnCallSchedule.objects.create(name="M", starts_on=clock.now().date())
    assert client_for(viewer).get("/api/v1/on-call").json()["results"] == [
        {"schedule": "M", "person": None, "time_zone": "UTC"}
    ]
