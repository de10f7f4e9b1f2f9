"""SMS and WhatsApp: Twilio's own client against a local server that speaks Twilio's HTTP API."""

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from anomalies.models import ContactPreference, NotificationState, Route, RouteStep, TargetHealth
from anomalies.notify.channels.phone import phone_sent_today
from anomalies.notify.outbox import drain
from anomalies.notify.phone_numbers import (
    PhoneCodesUsedUpError,
    PhoneCodeWrongError,
    PhoneNumberInvalidError,
    PhoneUnavailableError,
    number_normal,
    phone_change,
    phone_confirm,
)
from common import clock
from tests.anomalies.notify.conftest import sent_out

PHONE = "+48123456789"


@pytest.fixture
def twilio(receiver, settings):
    """An account at a Twilio that takes everything."""
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "AC" + "0" * 32, "t0ken"
    settings.TWILIO_FROM, settings.TWILIO_WHATSAPP_FROM = "+15005550006", "+14155238886"
    settings.TWILIO_API_URL = f"http://127.0.0.1:{receiver.port}"
    receiver.answer = lambda request: reply(201, {"sid": "SM" + "1" * 32, "status": "queued"})
    return receiver


def reply(status, body):
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


def sent(twilio) -> list[dict[str, str]]:
    return [
        {name: values[0] for name, values in parse_qs(request.body.decode()).items()} for request in twilio.received
    ]


@pytest.fixture
def reachable(in_acme, operator):
    """An operator whose phone is confirmed, and a route that uses it."""
    ContactPreference.objects.create(
        user=operator, phone=PHONE, phone_verified_at=clock.now(), sms=True, whatsapp=True, email=False
    )
    route = Route.objects.create(name="Phone")
    RouteStep.objects.create(route=route, roles=["operator"], channels=["sms", "whatsapp"])
    return operator


def test_an_alert_is_told_by_both_in_twilios_own_words(twilio, reachable, machine, raised):
    alert = raised(machine, severity="critical")
    assert drain() == 2
    request = twilio.received[0]
    assert request.path == f"/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    login = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
    assert login == f"AC{'0' * 32}:t0ken"
    sms, whatsapp = sent(twilio)
    assert (sms["To"], sms["From"]) == (PHONE, "+15005550006")
    assert (whatsapp["To"], whatsapp["From"]) == (f"whatsapp:{PHONE}", "whatsapp:+14155238886")
    assert sms["Body"].startswith("Critical: Pump <7> – Vibration above normal.")
    assert sms["Body"].endswith(f"/alerts/{alert.pk}")
    assert len(sms["Body"]) <= 300


@pytest.mark.parametrize(
    ("status", "code", "state", "blamed"),
    [
        (400, 21211, "dead", False),  # no such number
        (400, 21610, "dead", False),  # the person wrote STOP
        (400, 21606, "dead", False),  # our request is wrong
        (401, 20003, "pending", True),  # the token is wrong: nothing goes through until somebody sets it right
        (429, 20429, "pending", True),
        (500, 20500, "pending", True),
    ],
)
def test_what_twilios_refusals_mean(twilio, reachable, machine, raised, status, code, state, blamed):
    twilio.answer = lambda request: reply(status, {"code": code, "message": "no", "status": status})
    Route.objects.get().steps.update(channels=["sms"])
    raised(machine)
    assert drain() == 0
    row = sent_out().get()
    assert row.state == state
    assert str(code) in row.last_error
    assert TargetHealth.objects.filter(key="twilio", failures=1).exists() is blamed


def test_a_phone_gets_no_more_messages_a_day_than_the_operator_allows(twilio, reachable, machine, raised, settings):
    settings.PHONE_MESSAGES_A_DAY = 3
    Route.objects.get().steps.update(channels=["sms"])
    for number in range(4):
        raised(machine, cause=f"rule:{number}")
        drain()
    assert len(twilio.received) == phone_sent_today(PHONE) == 3
    assert "messages of the day" in sent_out().get(state=NotificationState.DEAD).last_error


def test_a_number_is_used_once_its_owner_has_typed_the_code_back(twilio, in_acme, operator):
    wish = phone_change(person=operator, number="+48 123 456 789")
    assert not wish.phone_ready
    assert drain() == 1
    code = sent(twilio)[0]["Body"][:6]
    with pytest.raises(PhoneCodeWrongError):
        phone_confirm(person=operator, code="000000" if code != "000000" else "111111")
    phone_confirm(person=operator, code=f" {code} ")
    wish.refresh_from_db()
    assert wish.phone_ready
    assert wish.sms
    assert sent_out().get().body_text == "", "the log keeps no code"
    with pytest.raises(PhoneCodeWrongError):
        phone_confirm(person=operator, code=code)


def test_a_code_can_be_guessed_five_times_and_grows_old(twilio, in_acme, operator, settings):
    for _ in range(2):
        phone_change(person=operator, number=PHONE)
        drain()
    code = sent(twilio)[1]["Body"][:6]
    ContactPreference.objects.update(code_expires_at=clock.now() - timedelta(seconds=1))
    with pytest.raises(PhoneCodeWrongError):
        phone_confirm(person=operator, code=code)
    ContactPreference.objects.update(code_expires_at=clock.now() + timedelta(minutes=5))
    for _ in range(5):
        with pytest.raises(PhoneCodeWrongError):
            phone_confirm(person=operator, code="x")
    with pytest.raises(PhoneCodeWrongError):
        phone_confirm(person=operator, code=code)


def test_codes_are_not_sent_without_end(twilio, in_acme, operator):
    for _ in range(5):
        phone_change(person=operator, number=PHONE)
    with pytest.raises(PhoneCodesUsedUpError):
        phone_change(person=operator, number="+48987654321")


@pytest.mark.parametrize("number", ["", "123456", "+0123456789", "+48", "+48 12a 456", "+4812345678901234567"])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(PhoneNumberInvalidError):
        number_normal(number)


def test_without_an_account_nobody_is_asked_for_a_number_and_messages_say_why(in_acme, reachable, machine, raised):
    with pytest.raises(PhoneUnavailableError):
        phone_change(person=reachable, number=PHONE)
    raised(machine)
    assert drain() == 0
    assert all("set up Twilio" in row.last_error for row in sent_out())
