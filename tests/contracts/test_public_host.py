"""The API on DOMAIN itself: whatever names its factory works there, and what names none hears a clear 401."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

LOGIN, REFRESH, LOGOUT = (f"/api/v1/auth/{door}" for door in ("login", "refresh", "logout"))


@pytest.fixture
def public(acme: Factory) -> FactoryClient:
    return FactoryClient(host=host_of(None))


@pytest.fixture
def credentials(owner: User) -> dict[str, str]:
    return {"email": owner.email, "password": PASSWORD}


def test_a_program_signs_in_renews_and_signs_out_without_the_factorys_host(
    public: FactoryClient, credentials: dict[str, str]
) -> None:
    tokens = public.post_json(LOGIN, {**credentials, "factory": "acme"}).json()
    summary = public.get("/api/v1/dashboard/summary", HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    assert summary.status_code == 200
    renewed = public.post_json(REFRESH, {"refresh": tokens["refresh"]})
    assert (renewed.status_code, set(renewed.json())) == (200, {"access", "refresh"})
    assert public.post_json(LOGOUT, {"refresh": renewed.json()["refresh"]}).status_code == 204
    assert public.post_json(REFRESH, {"refresh": renewed.json()["refresh"]}).json()["code"] == "token_invalid"


def test_the_factory_in_a_body_opens_no_other_factory(
    public: FactoryClient, borg: Factory, credentials: dict[str, str], client_for: Callable[..., FactoryClient]
) -> None:
    assert public.post_json(LOGIN, {**credentials, "factory": "borg"}).json()["code"] == "login_failed"
    tokens = public.post_json(LOGIN, {**credentials, "factory": "acme"}).json()
    refused = public.post_json(REFRESH, {"refresh": tokens["refresh"], "factory": "borg"})
    assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
    # On a factory's own host the host alone says which.
    there = FactoryClient(host=host_of(borg)).post_json(LOGIN, {**credentials, "factory": "acme"})
    assert there.json()["code"] == "login_failed"


def _claiming(factory: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"factory": factory}).encode()).decode().rstrip("=")
    return f"e30.{payload}.e30"


@pytest.mark.parametrize("named", ["nobody-here", "\x00", "ACME", "a" * 5_000, 7, None, ["acme"]])
def test_a_factory_that_is_none_is_a_401_and_no_fault(
    public: FactoryClient, credentials: dict[str, str], named: Any
) -> None:
    assert public.post_json(LOGIN, {**credentials, "factory": named}).status_code == 401
    assert public.post_json(REFRESH, {"refresh": _claiming(named)}).status_code == 401
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {_claiming(named)}"}
    assert public.get("/api/v1/dashboard/summary", **bearer).status_code == 401


@pytest.mark.parametrize("body", ["", "[]", "{", "7", "[" * 10_000, "x" * 20_000])
def test_a_body_that_names_nothing_is_a_401(public: FactoryClient, body: str) -> None:
    refused = public.post(LOGIN, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")


def test_the_apis_bare_address_is_answered_as_a_program_reads_it(
    public: FactoryClient, owner: User, client_for: Callable[..., FactoryClient]
) -> None:
    for path in ("/api/v1", "/api/v1/"):
        assert public.get(path)["Content-Type"] == "application/problem+json"
        found = client_for(owner).get(path)
        assert (found.status_code, found.json()["code"]) == (404, "not_found")
