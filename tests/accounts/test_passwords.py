"""Passwords and sessions as ASVS asks: docs/security.md names these tests line by line."""

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError

from accounts.breached_passwords import BreachedPasswordValidator
from accounts.common_passwords import CommonStemValidator
from accounts.models import User
from accounts.password_words import ContextWordsValidator
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

LOGIN, CHANGE = "/accounts/login/", "/accounts/password/change/"
NEW = " A whole Sentence, with 2 spaces around it – łódź "


def _in(factory: Factory, email: str, password: str, **more: str) -> FactoryClient:
    browser = FactoryClient(host=host_of(factory))
    browser.post(LOGIN, {"login": email, "password": password, **more})
    return browser


def _inside(browser: FactoryClient) -> bool:
    return browser.get("/").status_code == 200


def _change(browser: FactoryClient, old: str, new: str) -> int:
    return int(browser.post(CHANGE, {"oldpassword": old, "password1": new, "password2": new}).status_code)


def test_a_new_password_asks_for_the_old_one_and_ends_every_other_session(in_acme: Factory, operator: User) -> None:
    here, there = (_in(in_acme, operator.email, PASSWORD) for _browser in range(2))
    assert CHANGE in here.get("/account").content.decode()
    assert _change(here, "wrong", NEW) == 200
    assert _inside(there)
    assert _change(here, PASSWORD, NEW) == 302
    assert (_inside(here), _inside(there)) == (True, False)


def test_a_password_is_kept_as_it_was_typed(in_acme: Factory, operator: User) -> None:
    browser = _in(in_acme, operator.email, PASSWORD)
    assert _change(browser, PASSWORD, NEW) == 302
    for nearly in (NEW.strip(), NEW.lower(), NEW[:-2]):
        assert not _inside(_in(in_acme, operator.email, nearly)), nearly
    assert _inside(_in(in_acme, operator.email, NEW))


@pytest.mark.parametrize(("length", "status"), [(9, 200), (10, 302), (128, 302)])
def test_a_password_has_10_to_128_signs_of_any_kind(in_acme: Factory, operator: User, length: int, status: int) -> None:
    browser, wanted = _in(in_acme, operator.email, PASSWORD), ("quietly " * 16)[:length]
    assert _change(browser, PASSWORD, wanted) == status
    assert _inside(_in(in_acme, operator.email, wanted)) == (status == 302)


def test_fields_hide_what_is_typed_and_password_managers_know_them(
    in_acme: Factory, operator: User, anonymous: FactoryClient, public_client: FactoryClient
) -> None:
    pages = {LOGIN: anonymous, "/signup": public_client, CHANGE: _in(in_acme, operator.email, PASSWORD)}
    for path, browser in pages.items():
        page = browser.get(path).content.decode()
        fields = [field for field in re.findall(r"<input([^>]*)>", page) if 'type="password"' in field]
        assert fields, path
        assert all('autocomplete="' in field and "onpaste" not in field for field in fields), path


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_but_here(in_acme: Factory, operator: User, away: str) -> None:
    browser = FactoryClient(host=host_of(in_acme))
    answer = browser.post(LOGIN, {"login": operator.email, "password": PASSWORD, "next": away})
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_a_session_gets_a_new_name_when_somebody_signs_in_and_is_gone_when_they_leave(
    in_acme: Factory, operator: User
) -> None:
    browser = FactoryClient(host=host_of(in_acme))
    browser.session.save()
    planted = browser.cookies[settings.SESSION_COOKIE_NAME].value
    browser.post(LOGIN, {"login": operator.email, "password": PASSWORD})
    own = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert own != planted
    assert len(own) == 32
    browser.post("/accounts/logout/")
    thief = FactoryClient(host=host_of(in_acme))
    thief.cookies[settings.SESSION_COOKIE_NAME] = own
    assert not _inside(thief)
    assert not Session.objects.filter(session_key=own).exists()


def test_a_session_gets_a_new_name_when_somebody_proves_once_more_who_they_are(
    in_acme: Factory, operator: User
) -> None:
    browser = _in(in_acme, operator.email, PASSWORD)
    before = browser.cookies[settings.SESSION_COOKIE_NAME].value
    browser.post("/accounts/reauthenticate/", {"password": "wrong"})
    assert browser.cookies[settings.SESSION_COOKIE_NAME].value == before
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    own = browser.cookies[settings.SESSION_COOKIE_NAME].value
    assert own != before
    assert _inside(browser)
    assert [session.session_key for session in UserSession.objects.filter(user=operator)] == [own]
    thief = FactoryClient(host=host_of(in_acme))
    thief.cookies[settings.SESSION_COOKIE_NAME] = before
    assert not _inside(thief)


def test_a_recovery_code_opens_once(in_acme: Factory, operator: User) -> None:
    TOTP.activate(operator, generate_totp_secret())
    code = RecoveryCodes.activate(operator).get_unused_codes()[0]
    for expected in (True, False):
        browser = _in(in_acme, operator.email, PASSWORD)
        assert not _inside(browser), "the password alone is not enough"
        browser.post("/accounts/2fa/authenticate/", {"code": code})
        assert _inside(browser) is expected


@pytest.mark.parametrize(
    "guess",
    ["FactoryPulse2026!", "AcmeFoods!2026", "acme-acme-acme", "P4ssw0rd!acme", "Winter.Schicht.7", "maintenance-shift"],
)
def test_words_of_this_place_make_no_password(in_acme: Factory, operator: User, guess: str) -> None:
    browser = _in(in_acme, operator.email, PASSWORD)
    assert _change(browser, PASSWORD, guess) == 200
    answer = browser.post(CHANGE, {"oldpassword": PASSWORD, "password1": guess, "password2": guess})
    assert "anybody would try here first" in answer.content.decode()


@pytest.mark.parametrize(
    "own", ["the mill turns at night", "x7#9K2$mQ4vL8!", "8829268921", "Schicht um acht Uhr", "ключ от склада"]
)
def test_what_has_words_or_signs_of_its_own_is_a_password(in_acme: Factory, own: str) -> None:
    ContextWordsValidator().validate(own)


def test_a_factorys_own_name_is_no_password_of_the_one_that_is_being_made(public_client: FactoryClient) -> None:
    data = {"name": "North Mill", "address": "north-mill", "email": "a@x.example", "time_zone": "UTC"}
    page = public_client.post("/signup", {**data, "password": "NorthMill2026"})
    assert (page.status_code, "anybody would try here first" in page.content.decode()) == (422, True)


@pytest.mark.parametrize(
    "guess",
    ["basketball", "Dragon2026!", "12monkey34", "liverpool-1892", "sunshinesunshine", "abcabcabcabc", "1111111111",
     "qwertyuiop", "9876543210", "ababababab!", "lkjhgfdsa12"],
)  # fmt: skip
def test_a_common_password_is_none_with_figures_around_it_or_over_and_over(guess: str) -> None:
    with pytest.raises(ValidationError) as refused:
        CommonStemValidator().validate(guess)
    assert refused.value.code == "password_too_common"


@pytest.mark.parametrize(
    "own", ["dragon eats sunshine", "monkey-8827462910", "Tschüss, Herr Grün", "ключ от склада", "a bearing runs warm"]
)
def test_a_common_word_may_stand_in_a_password_of_ones_own(own: str) -> None:
    CommonStemValidator().validate(own)


STOLEN, UNKNOWN = "correct horse battery", "a password of nobody"


def test_a_password_of_the_downloaded_list_is_refused(tmp_path: Path, settings: Any) -> None:
    digests = sorted(hashlib.sha1(f"word {number}".encode()).hexdigest().upper() for number in range(2_000))
    for stolen in (digests[0], digests[-1], hashlib.sha1(STOLEN.encode()).hexdigest().upper()):
        lines = [f"{digest}:{number}" for number, digest in enumerate(sorted({*digests, stolen}))]
        (tmp_path / "list.txt").write_text("\r\n".join(lines) + "\r\n", encoding="ascii")
    settings.BREACHED_PASSWORDS_LIST = str(tmp_path / "list.txt")
    for number in (0, 7, 1_999):
        with pytest.raises(ValidationError, match="stolen"):
            BreachedPasswordValidator().validate(f"word {number}")
    with pytest.raises(ValidationError, match="stolen"):
        BreachedPasswordValidator().validate(STOLEN)
    BreachedPasswordValidator().validate(UNKNOWN)


@pytest.fixture
def range_service() -> Iterator[tuple[str, list[str]]]:
    """A service as Have I Been Pwned's, and what it was asked for; it pads its answers with hashes of nobody."""
    asked: list[str] = []
    stolen = hashlib.sha1(STOLEN.encode()).hexdigest().upper()
    unknown = hashlib.sha1(UNKNOWN.encode()).hexdigest().upper()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            lines = [
                f"{digest[5:]}:{count}"
                for digest, count in ((stolen, 3), (unknown, 0))
                if self.path == f"/{digest[:5]}"
            ]
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\r\n".join(["0" * 35 + ":0", *lines]).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_range_service_hears_five_digits_and_one_that_is_away_stops_nobody(
    range_service: tuple[str, list[str]], settings: Any
) -> None:
    settings.BREACHED_PASSWORDS_URL, asked = range_service
    with pytest.raises(ValidationError, match="stolen"):
        BreachedPasswordValidator().validate(STOLEN)
    BreachedPasswordValidator().validate(UNKNOWN)
    assert [len(path) for path in asked] == [6, 6]
    settings.BREACHED_PASSWORDS_URL = "http://127.0.0.1:1/"
    BreachedPasswordValidator().validate(STOLEN)
