"""Webhooks and chat rooms against local servers: signed, told once, tried again; hostile ones gain nothing."""

import base64
import hashlib
import hmac
import socket
import time
from datetime import timedelta
from ipaddress import ip_address

import pytest

from anomalies.alerts.opening import alert_return
from anomalies.models import Notification, NotificationState, NotificationTarget, Route, RouteStep, TargetHealth
from anomalies.notify import safe_http
from anomalies.notify.addresses import address_allowed, networks_parse
from anomalies.notify.breaker import OPENS_AFTER
from anomalies.notify.outbox import drain
from anomalies.notify.safe_http import AddressRefusedError, CallFailedError, post
from anomalies.notify.targets import secret_rotate, target_create
from anomalies.notify.trying import target_test
from common import clock
from tests.anomalies.notify.http_servers import drip, flood, garbage, raw_server, silence


@pytest.fixture
def told(in_acme, admin, receiver):
    """A webhook on the local server that every alert is told to; the target and its secret."""

    def make(kind="webhook", path="/hook"):
        target, secret = target_create(actor=admin, kind=kind, name=f"{kind} {path}", address=receiver.url(path))
        step = RouteStep.objects.create(route=Route.objects.create(name=f"route {path}"))
        step.targets.add(target)
        return target, secret

    return make


def valid(request, secret: str) -> list[bool]:
    """Which of the delivery's signatures a receiver finds right, computed as the specification says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return [part == f"v1,{right}" for part in request.headers["webhook-signature"].split(" ")]


def test_each_transition_is_delivered_signed_with_the_alert_as_the_api_shows_it(told, machine, receiver, raised):
    _target, secret = told()
    alert = raised(machine)
    alert_return(machine=machine, cause="detector", at=clock.now())
    assert drain() == 2
    first, second = receiver.received
    assert (first.json["type"], second.json["type"]) == ("alert.raised", "alert.returned")
    assert first.json["data"]["alert"]["id"] == alert.pk
    assert first.json["data"]["factory"] == "acme"
    assert first.json["data"]["url"].endswith(f"/alerts/{alert.pk}")
    assert valid(first, secret) == [True]
    assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


def test_a_delivery_tried_again_keeps_its_id(told, machine, receiver, raised):
    _target, secret = told()
    receiver.answer = lambda request: (503, {}, b"busy") if len(receiver.received) == 1 else (200, {}, b"")
    raised(machine)
    assert drain() == 0
    assert Notification.objects.get().last_error == "HTTP 503: busy"
    Notification.objects.update(next_attempt_at=clock.now())
    assert drain() == 1
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert valid(second, secret) == [True]


def test_while_a_secret_is_rotated_both_sign_and_afterwards_the_new_one_alone(told, admin, receiver):
    target, old = told()
    new = secret_rotate(actor=admin, target=target)
    target_test(target)
    assert drain() == 1
    assert valid(receiver.received[0], new) == [True, False]
    assert valid(receiver.received[0], old) == [False, True]
    target.previous_until = clock.now() - timedelta(seconds=1)
    target.save()
    target_test(target)
    assert drain() == 1
    assert valid(receiver.received[1], new) == [True]
    assert valid(receiver.received[1], old) == [False]


def test_programs_hear_of_every_alert_in_a_storm_and_of_every_flap(told, in_acme, machine, receiver, raised):
    from telemetry.models import Machine
    from tests.anomalies.notify.conftest import settle, storm

    told()
    storm(Machine.objects.bulk_create(Machine(key=f"S{number}") for number in range(8)))
    settle()
    assert drain() == 8
    assert len({request.json["data"]["alert"]["id"] for request in receiver.received}) == 8


@pytest.mark.parametrize(
    ("status", "state"),
    [(400, "dead"), (404, "dead"), (410, "dead"), (302, "dead"), (408, "pending"), (429, "pending"), (500, "pending")],
)
def test_what_an_answer_means(told, machine, receiver, raised, status, state):
    told()
    receiver.answer = lambda request: (status, {"Location": receiver.url("/secret")}, b"")
    raised(machine)
    drain()
    assert Notification.objects.get().state == state
    assert len(receiver.received) == 1, "a redirect is not followed"


def test_a_target_in_trouble_is_left_alone_and_the_others_go_on(told, machine, receiver, raised):
    bad, _secret = told(path="/bad")
    told(path="/good")
    receiver.answer = lambda request: (500 if request.path == "/bad" else 204, {}, b"")
    for number in range(OPENS_AFTER + 1):
        raised(machine, cause=f"rule:{number}")
        drain()
    paths = [request.path for request in receiver.received]
    assert paths.count("/good") == OPENS_AFTER + 1
    assert paths.count("/bad") == OPENS_AFTER
    health = TargetHealth.objects.get(key=bad.health_key)
    assert health.open_until > clock.now()
    assert health.last_error.startswith("HTTP 500")


def test_slack_and_teams_get_their_own_form_and_no_markup_from_names(told, machine, receiver, raised):
    told("slack", "/slack")
    told("teams", "/teams")
    machine.name = "<!channel> [x](http://evil)"
    machine.save()
    alert = raised(machine, severity="critical")
    assert drain() == 2
    bodies = {request.path: request.json for request in receiver.received}
    slack = bodies["/slack"]
    assert slack["blocks"][0]["text"]["text"].startswith("🔴 Critical: ")
    assert "<!channel>" not in slack["text"]
    assert "<!channel>" not in slack["blocks"][1]["text"]["text"]
    assert slack["blocks"][2]["elements"][0]["url"].endswith(f"/alerts/{alert.pk}")
    card = bodies["/teams"]["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    assert "[x](http" not in card["body"][0]["text"]
    assert card["actions"][0]["url"].endswith(f"/alerts/{alert.pk}")


def test_a_target_switched_off_or_sealed_with_another_key_is_given_up_with_the_reason(told, receiver, settings):
    target, _secret = told()
    target_test(target)
    settings.SECRET_KEY = "another-" + "0123456789abcdef" * 4
    assert drain() == 0
    assert "another SECRET_KEY" in Notification.objects.get().last_error
    NotificationTarget.objects.update(active=False)
    target_test(target)
    assert drain() == 0
    assert Notification.objects.filter(state=NotificationState.DEAD).count() == 2
    assert receiver.received == []


# --- hostile targets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1"),
        *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255"),
        *("198.18.0.1", "203.0.113.5", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a9fe:a9fe"),
        *("2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_an_address_that_is_not_on_the_open_internet_is_refused(address):
    assert not address_allowed(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:220:1:248:1893:25c8:1946"])
def test_an_address_on_the_open_internet_is_taken(address):
    assert address_allowed(ip_address(address))


def test_an_operator_allows_a_plants_own_range_and_never_the_metadata_of_a_cloud():
    ranges = networks_parse(["10.20.0.0/16", "169.254.0.0/16", "fd00::/8"])
    assert address_allowed(ip_address("10.20.3.4"), ranges)
    assert not address_allowed(ip_address("10.21.3.4"), ranges)
    assert address_allowed(ip_address("fd12::7"), ranges)
    for metadata in ("169.254.169.254", "fd00:ec2::254", "169.254.7.7"):
        assert not address_allowed(ip_address(metadata), ranges), metadata


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_our_own_services_are_out_of_reach_however_they_are_written(receiver, settings, host):
    settings.WEBHOOK_PRIVATE_RANGES = []
    with pytest.raises((AddressRefusedError, CallFailedError)):
        post(receiver.url(host=host), b"{}", {})
    assert receiver.received == []


def answers(monkeypatch, *turns):
    """A name server that answers differently each time it is asked; the last answer stays."""
    asked: list[str] = []

    def resolve(host, port, **_):
        addresses = turns[min(len(asked), len(turns) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(safe_http.socket, "getaddrinfo", resolve)
    return asked


def test_a_name_that_changes_its_answer_gains_nothing(receiver, settings, monkeypatch):
    settings.WEBHOOK_PRIVATE_RANGES = networks_parse(["127.0.0.1/32"])
    asked = answers(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    assert post(receiver.url(host="rebind.example"), b"{}", {}).status == 204
    assert asked == ["rebind.example"], "looked up once, and connected to what was looked at"
    assert receiver.received[0].headers["host"] == f"rebind.example:{receiver.port}"
    with pytest.raises(AddressRefusedError):
        post(receiver.url(host="rebind.example"), b"{}", {})


def test_a_name_with_one_foot_inside_is_refused(receiver, settings, monkeypatch):
    settings.WEBHOOK_PRIVATE_RANGES = []
    answers(monkeypatch, ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(AddressRefusedError):
        post(receiver.url(host="both.example"), b"{}", {})
    assert receiver.received == []


@pytest.mark.parametrize("hostile", [drip, silence, garbage])
def test_a_server_that_drips_is_silent_or_talks_nonsense_is_cut_off_in_time(receiver, hostile):
    with raw_server(hostile) as port:
        began = time.monotonic()
        with pytest.raises(CallFailedError):
            post(f"http://127.0.0.1:{port}/", b"{}", {}, whole_s=0.6)
        # Not how fast we are: that the drip, which would go on for a hundred seconds, was cut.
        assert time.monotonic() - began < 30


def test_of_an_endless_answer_only_the_beginning_is_read(receiver):
    with raw_server(flood) as port:
        answer = post(f"http://127.0.0.1:{port}/", b"{}", {}, whole_s=5)
        assert answer.status == 500
        assert len(answer.body) <= 64 * 1024


def test_plain_http_needs_the_operators_word(receiver, settings):
    settings.WEBHOOK_HTTP = False
    with pytest.raises(AddressRefusedError, match="https"):
        post(receiver.url(), b"{}", {})
