"""Signing in: locked accounts, second factors that a factory requires, and sessions."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.test import Client

from accounts.lockout import sign_ins_trim
from accounts.models import User
from accounts.second_factor import second_factors_forget
from common import clock
from tenants.context import factory_context
from tenants.life import factory_mfa_require
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

ClientFor = Callable[..., FactoryClient]
LOGIN = "/accounts/login/"


def _try(browser: Client, email: str, password: str) -> int:
    return int(browser.post(LOGIN, {"login": email, "password": password}).status_code)


@pytest.fixture
def no_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """allauth's own slowing down of addresses is out of the way, so that what locks accounts is seen."""
    monkeypatch.setattr(settings, "ACCOUNT_RATE_LIMITS", False, raising=False)


@pytest.mark.usefixtures("no_rates")
def test_ten_failures_lock_an_account_whether_or_not_there_is_one(in_acme: Factory, operator: User) -> None:
    browser = FactoryClient(host=host_of(in_acme))
    answers = {}
    for email in (operator.email, "nobody@acme.example"):
        answers[email] = [_try(browser, email, "wrong password") for _attempt in range(12)]
    assert answers[operator.email] == answers["nobody@acme.example"]
    assert answers[operator.email][-1] == 429
    assert _try(browser, operator.email, PASSWORD) == 429, "a locked account's right password is not looked at"
    assert AccessFailureLog.objects.filter(username=operator.email).exists()
    assert PASSWORD not in str(list(AccessAttempt.objects.values()))
    assert "wrong password" not in str(list(AccessAttempt.objects.values()))


def test_who_came_and_who_failed_is_forgotten_after_ninety_days(in_acme: Factory, operator: User) -> None:
    browser = FactoryClient(host=host_of(in_acme))
    _try(browser, operator.email, "wrong password")
    _try(browser, operator.email, PASSWORD)
    AccessFailureLog.objects.update(attempt_time=clock.now() - timedelta(days=91))
    assert sign_ins_trim() == 1
    assert (AccessFailureLog.objects.count(), AccessLog.objects.count()) == (0, 1)


@pytest.mark.usefixtures("no_rates")
def test_a_locked_account_of_one_factory_is_open_in_another(acme: Factory, borg: Factory, operator: User) -> None:
    browser = FactoryClient(host=host_of(acme))
    for _attempt in range(11):
        _try(browser, operator.email, "wrong password")
    with factory_context(borg):
        assert not AccessAttempt.objects.exists()


def test_the_staffs_sign_in_is_locked_too(db: None) -> None:
    User.objects.create_superuser("staff@factorypulse.example", "a long password")
    browser = Client(HTTP_HOST=host_of(None))
    tries = [
        browser.post("/admin/login/", {"username": "staff@factorypulse.example", "password": "wrong"}).status_code
        for _attempt in range(11)
    ]
    assert tries[-1] == 429


def test_a_factory_that_requires_a_second_factor_asks_for_it_before_anything_else(
    acme: Factory, operator: User, client_for: ClientFor, api_client: Callable[..., FactoryClient]
) -> None:
    browser = client_for(operator)
    assert browser.get("/").status_code == 200
    factory_mfa_require(acme, required=True)
    assert browser.get("/")["Location"] == "/accounts/2fa/"
    assert browser.get("/accounts/2fa/").status_code == 200
    assert browser.get("/api/v1/machines").json()["code"] == "second_factor_required"
    login = api_client(None).post_json("/api/v1/auth/login", {"email": operator.email, "password": PASSWORD})
    assert (login.status_code, login.json()["code"]) == (401, "second_factor_missing")
    with factory_context(acme):
        TOTP.activate(operator, generate_totp_secret())
    assert browser.get("/").status_code == 200


def test_devices_go_on_where_people_need_a_second_factor(
    acme: Factory, ingest_key: str, api_client: Callable[..., FactoryClient]
) -> None:
    factory_mfa_require(acme, required=True)
    body = {"machine": "M01", "metrics": {"v": 1}}
    assert api_client(ingest_key).post_json("/api/v1/telemetry/ingest", body).status_code == 201


def test_passkeys_can_be_added(acme: Factory, operator: User, client_for: ClientFor) -> None:
    page = client_for(operator).get("/accounts/2fa/webauthn/add/", follow=True)
    assert page.status_code == 200
    assert "webauthn" in page.content.decode()


def test_sessions_are_listed_and_the_others_can_be_ended(in_acme: Factory, operator: User) -> None:
    here, there = FactoryClient(host=host_of(in_acme)), FactoryClient(host=host_of(in_acme), HTTP_USER_AGENT="Tablet")
    for browser in (here, there):
        assert _try(browser, operator.email, PASSWORD) == 302
    assert UserSession.objects.filter(user=operator).count() == 2
    assert "Tablet" in here.get("/accounts/sessions/").content.decode()
    here.post("/accounts/sessions/")
    assert there.get("/").status_code == 302
    assert here.get("/").status_code == 200


def test_the_last_second_factor_goes_from_no_factory_that_requires_one(in_acme: Factory, operator: User) -> None:
    factory_mfa_require(in_acme, required=True)
    app = TOTP.activate(operator, generate_totp_secret()).instance
    RecoveryCodes.activate(operator)
    assert not get_adapter().can_delete_authenticator(app), "codes alone are no second factor"
    factory_mfa_require(in_acme, required=False)
    assert get_adapter().can_delete_authenticator(app)


def test_whoever_has_lost_the_second_factor_is_asked_for_another_in_every_browser(
    in_acme: Factory, operator: User, client_for: ClientFor
) -> None:
    factory_mfa_require(in_acme, required=True)
    app = TOTP.activate(operator, generate_totp_secret()).instance
    browsers = [client_for(operator) for _browser in range(2)]
    assert [browser.get("/").status_code for browser in browsers] == [200, 200]
    app.delete()
    second_factors_forget()
    assert [browser.get("/").get("Location") for browser in browsers] == ["/accounts/2fa/", "/accounts/2fa/"]
