"""Platform staff with an authenticator app: set up by themselves, asked for at the door, and required where told."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.cache import cache

from accounts import attempts
from accounts.models import User
from tests.conftest import FactoryClient, host_of

ADDRESS, PASSWORD = "staff@factorypulse.example", "a long staff password"
LOGIN, PAGE = "/admin/login/", "/admin/second-factor/"


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_superuser(ADDRESS, PASSWORD)


def _code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time() // 30))))


def _signed_in(**more: str) -> FactoryClient:
    browser = FactoryClient(host=host_of(None))
    browser.post(LOGIN, {"username": ADDRESS, "password": PASSWORD, **more})
    return browser


def _inside(browser: FactoryClient) -> bool:
    return browser.get("/admin/").status_code == 200


def test_the_app_is_set_up_asked_for_and_taken_away(person: User) -> None:
    browser = _signed_in()
    found = re.search(r'<code id="secret">(\w+)</code>', browser.get(PAGE).content.decode())
    assert found
    wrong = browser.post(PAGE, {"code": "000000"})
    assert (wrong.status_code, found[1] in wrong.content.decode()) == (422, True)
    assert browser.post(PAGE, {"code": _code(found[1])}).status_code == 302
    assert not _inside(_signed_in())
    assert not _inside(_signed_in(code="000000"))
    again = _signed_in(code=_code(found[1]))
    assert _inside(again)
    cache.clear()  # a code is taken once in its half minute
    assert again.post(PAGE, {"code": _code(found[1])}).status_code == 302
    assert _inside(_signed_in())


def test_guessing_codes_is_stopped(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    monkeypatch.setattr(attempts, "FAILURES_PER_ACCOUNT", 3)
    for _guess in range(3):
        assert not _inside(_signed_in(code="000000"))
    assert not _inside(_signed_in(code=_code(secret))), "the right one is not looked at any more"


def test_where_it_is_required_staff_sets_it_up_before_anything_else(person: User, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = True
    browser = _signed_in()
    assert browser.get("/admin/tenants/factory/")["Location"] == PAGE
    assert browser.get(PAGE).status_code == 200
    TOTP.activate(person, generate_totp_secret())
    assert browser.get("/admin/tenants/factory/").status_code == 200
    assert Authenticator.objects.count() == 1
