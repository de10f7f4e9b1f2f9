"""Signing programs in: tokens that are good in one factory, for as long as their session lives."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core.cache import cache
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts import attempts
from accounts.login import LoginFailedError
from accounts.models import AuditEntry, User
from accounts.tokens import TokenInvalidError, tokens_issue, tokens_refresh
from common import clock
from tenants.context import factory_context
from tenants.life import factory_mfa_require
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

LOGIN = "/api/v1/auth/login"
PROBE = "/api/v1/auth/ws-ticket"  # asks for any signed-in person


def _login(client: FactoryClient, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return client.post_json(LOGIN, {"email": email, "password": password, **more})


def _probe(client: FactoryClient, access: str) -> int:
    return int(client.post(PROBE, HTTP_AUTHORIZATION=f"Bearer {access}").status_code)


def test_a_person_signs_in_and_is_let_in(anonymous: FactoryClient, viewer: User, acme: Factory) -> None:
    response = _login(anonymous, viewer.email)
    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh"}
    assert _probe(anonymous, response.json()["access"]) == 200
    with factory_context(acme):
        assert AuditEntry.objects.filter(action="login.api", target=viewer.email).count() == 1


def test_the_address_may_be_written_in_any_case(anonymous: FactoryClient, viewer: User) -> None:
    assert _login(anonymous, viewer.email.upper()).status_code == 200


def test_a_refusal_does_not_say_whether_the_account_exists(
    anonymous: FactoryClient, viewer: User, outsider: User
) -> None:
    answers = [_login(anonymous, email, "wrong").json() for email in (viewer.email, outsider.email, "no@one.example")]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["status"], answers[0]["code"]) == (401, "login_failed")


def test_shut_out_and_unconfirmed_people_are_refused_like_strangers(
    anonymous: FactoryClient, viewer: User, operator: User, acme: Factory
) -> None:
    with factory_context(acme):
        User.objects.filter(pk=viewer.pk).update(is_active=False)
        EmailAddress.objects.filter(user=operator).update(verified=False)
    for person in (viewer, operator):
        assert _login(anonymous, person.email).json()["code"] == "login_failed"


def test_a_token_of_one_factory_is_refused_in_another(anonymous: FactoryClient, viewer: User, outsider: User) -> None:
    access = _login(anonymous, viewer.email).json()["access"]
    at_borg = FactoryClient(host=host_of("borg"))
    response = at_borg.post(PROBE, HTTP_AUTHORIZATION=f"Bearer {access}")
    assert (response.status_code, response.json()["code"]) == (401, "token_invalid")
    refresh = _login(anonymous, viewer.email).json()["refresh"]
    assert at_borg.post_json("/api/v1/auth/refresh", {"refresh": refresh}).status_code == 401


def test_a_token_leads_to_its_factory_on_the_public_host(
    anonymous: FactoryClient, public_client: FactoryClient, viewer: User
) -> None:
    access = _login(anonymous, viewer.email).json()["access"]
    assert _probe(public_client, access) == 200


def test_a_refresh_token_works_once_and_is_no_access_token(anonymous: FactoryClient, viewer: User) -> None:
    first = _login(anonymous, viewer.email).json()
    renewed = anonymous.post_json("/api/v1/auth/refresh", {"refresh": first["refresh"]})
    assert _probe(anonymous, renewed.json()["access"]) == 200
    again = anonymous.post_json("/api/v1/auth/refresh", {"refresh": first["refresh"]})
    assert (again.status_code, again.json()["code"]) == (401, "token_invalid")
    assert _probe(anonymous, first["refresh"]) == 401


def test_a_used_refresh_token_that_comes_again_later_ends_the_session(
    anonymous: FactoryClient, viewer: User, acme: Factory
) -> None:
    first = _login(anonymous, viewer.email).json()
    renewed = anonymous.post_json("/api/v1/auth/refresh", {"refresh": first["refresh"]}).json()
    # At once it is somebody who lost the answer on the way.
    anonymous.post_json("/api/v1/auth/refresh", {"refresh": first["refresh"]})
    assert _probe(anonymous, renewed["access"]) == 200
    with factory_context(acme):
        BlacklistedToken.objects.update(blacklisted_at=clock.now() - timedelta(minutes=1))
    anonymous.post_json("/api/v1/auth/refresh", {"refresh": first["refresh"]})
    assert _probe(anonymous, renewed["access"]) == 401
    assert anonymous.post_json("/api/v1/auth/refresh", {"refresh": renewed["refresh"]}).status_code == 401
    assert _probe(anonymous, _login(anonymous, viewer.email).json()["access"]) == 200


def test_no_program_goes_on_for_more_than_two_weeks_without_signing_in(in_acme: Factory, viewer: User) -> None:
    now_s = int(clock.now().timestamp())

    def begun(days: int) -> str:
        token = RefreshToken(tokens_issue(viewer)["refresh"])
        token["begun"] = now_s - days * 86_400
        return str(token)

    with pytest.raises(TokenInvalidError):
        tokens_refresh(begun(days=14))
    renewed = RefreshToken(tokens_refresh(begun(days=13))["refresh"])
    assert (renewed["begun"], renewed["exp"]) == (now_s - 13 * 86_400, now_s + 86_400)
    assert RefreshToken(tokens_refresh(str(renewed))["refresh"])["exp"] == now_s + 86_400


def test_signing_out_ends_every_token_of_the_session_and_no_other(anonymous: FactoryClient, viewer: User) -> None:
    session, other = _login(anonymous, viewer.email).json(), _login(anonymous, viewer.email).json()
    renewed = anonymous.post_json("/api/v1/auth/refresh", {"refresh": session["refresh"]}).json()
    assert anonymous.post_json("/api/v1/auth/logout", {"refresh": renewed["refresh"]}).status_code == 204
    assert [_probe(anonymous, token) for token in (session["access"], renewed["access"])] == [401, 401]
    assert anonymous.post_json("/api/v1/auth/refresh", {"refresh": renewed["refresh"]}).status_code == 401
    assert _probe(anonymous, other["access"]) == 200


def test_a_new_password_or_a_shut_out_person_ends_the_tokens(
    anonymous: FactoryClient, viewer: User, acme: Factory
) -> None:
    before = _login(anonymous, viewer.email).json()
    with factory_context(acme):
        viewer.set_password("another long password")
        viewer.save()
    assert _probe(anonymous, before["access"]) == 401
    after = _login(anonymous, viewer.email, "another long password").json()
    with factory_context(acme):
        User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert _probe(anonymous, after["access"]) == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJmYWN0b3J5IjoiYWNtZSIsInVzZXJfaWQiOjF9."])
def test_a_forged_token_is_refused(anonymous: FactoryClient, viewer: User, token: str) -> None:
    assert _probe(anonymous, token) == 401


def test_guessing_at_one_account_is_stopped_and_says_when_to_come_back(
    anonymous: FactoryClient, viewer: User, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FAILURES_PER_ACCOUNT", 3)
    for _attempt in range(3):
        assert _login(anonymous, viewer.email, "wrong").status_code == 401
    refused = _login(anonymous, viewer.email)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(refused["Retry-After"]) <= attempts.WINDOW_S
    assert _login(anonymous, operator.email).status_code == 200


def test_guessing_at_many_accounts_from_one_address_is_stopped(
    anonymous: FactoryClient, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FAILURES_PER_ADDRESS", 3)
    for number in range(3):
        _login(anonymous, f"guess{number}@acme.example", "wrong")
    assert _login(anonymous, viewer.email).status_code == 429


def test_a_success_forgives_the_failures_before_it(
    anonymous: FactoryClient, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FAILURES_PER_ACCOUNT", 2)
    for _round in range(3):
        _login(anonymous, viewer.email, "wrong")
        assert _login(anonymous, viewer.email).status_code == 200


def test_a_second_factor_is_asked_for_where_it_is_set_up(anonymous: FactoryClient, viewer: User, acme: Factory) -> None:
    secret = generate_totp_secret()
    with factory_context(acme):
        TOTP.activate(viewer, secret)
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    assert _login(anonymous, viewer.email).json()["code"] == "second_factor_required"
    assert _login(anonymous, viewer.email, code="000000").json()["code"] == "login_failed"
    cache.clear()
    assert _login(anonymous, viewer.email, code=code).status_code == 200


@pytest.mark.parametrize("body", [{}, {"email": "a@b.example"}, {"email": [], "password": {}}, [], "text", None])
def test_a_body_that_is_no_sign_in_is_a_problem_that_names_the_fields(
    anonymous: FactoryClient, acme: Factory, body: Any
) -> None:
    response = anonymous.post_json(LOGIN, body)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "invalid_input"
    assert response.json()["errors"]


def test_a_key_gets_no_ticket_for_a_socket(api_client: Callable[..., FactoryClient], read_key: str) -> None:
    response = api_client(read_key).post(PROBE)
    assert (response.status_code, response.json()["code"]) == (403, "not_permitted")


def test_signing_in_needs_a_factory(public_client: FactoryClient, viewer: User) -> None:
    response = _login(public_client, viewer.email)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_a_browsers_session_needs_the_csrf_token_to_change_anything(
    client_for: Callable[..., FactoryClient], viewer: User
) -> None:
    browser = client_for(viewer)
    assert browser.post(PROBE).status_code == 200
    browser.handler.enforce_csrf_checks = True
    assert browser.post(PROBE).status_code == 403


def test_many_guesses_at_once_are_no_more_than_one_by_one(in_acme: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FAILURES_PER_ACCOUNT", 3)
    guess = partial(attempts.attempt, account="vera@acme.example", address="192.0.2.7", failure=LoginFailedError)
    with ExitStack() as under_way:
        for _guess in range(3):
            under_way.enter_context(guess())
        with pytest.raises(attempts.TooManyAttemptsError), guess():
            pytest.fail("a fourth was let through while three were under way")


def test_a_program_goes_on_without_a_second_factor_no_longer_than_its_access_token(
    anonymous: FactoryClient, viewer: User, acme: Factory
) -> None:
    before = _login(anonymous, viewer.email).json()
    factory_mfa_require(acme, required=True)
    refused = anonymous.post_json("/api/v1/auth/refresh", {"refresh": before["refresh"]})
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_missing")
    with factory_context(acme):
        TOTP.activate(viewer, generate_totp_secret())
    assert anonymous.post_json("/api/v1/auth/refresh", {"refresh": before["refresh"]}).status_code == 200


def test_tokens_and_sessions_outlive_a_change_of_the_secret_while_the_one_before_is_named(
    anonymous: FactoryClient, viewer: User, client_for: Callable[..., FactoryClient], settings: Any
) -> None:
    token, browser = _login(anonymous, viewer.email).json(), client_for(viewer)
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another-secret-" + "0123456789abcdef" * 4
    # simplejwt reads the key once, as a process begins.
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "SIGNING_KEY": settings.SECRET_KEY}
    state.token_backend, kept = TokenBackend("HS256", settings.SECRET_KEY), state.token_backend
    try:
        assert _probe(anonymous, token["access"]) == 401
        settings.SECRET_KEY_FALLBACKS = [before]
        assert _probe(anonymous, token["access"]) == 200
        renewed = anonymous.post_json("/api/v1/auth/refresh", {"refresh": token["refresh"]})
        assert renewed.status_code == 200
        assert browser.get("/").status_code == 200
    finally:
        state.token_backend = kept
