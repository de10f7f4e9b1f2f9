"""Which factory a request reaches, and what a request that names none is told."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from accounts.models import User
from accounts.permissions import public_page
from tenants import hosts
from tenants.context import factory_current
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of


@public_page
def _whoami(request: HttpRequest) -> HttpResponse:
    factory = factory_current()
    logged = structlog.contextvars.get_contextvars().get("factory", "none")
    return HttpResponse(f"{factory.slug if factory else 'public'} {logged}")


@public_page
def _self(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.build_absolute_uri())


urlpatterns = [path(route, _whoami) for route in ("whoami", "api/v1/whoami", "write", "api/v2/write")]
urlpatterns += [
    path("api/v1/self", _self),
    path("closed", lambda request: HttpResponse("open")),
    path("accounts/login/", _whoami, name="account_login"),
]
handler404 = "factorypulse.api_errors.not_found"

pytestmark = pytest.mark.usefixtures("these_urls", "acme")


@pytest.fixture
def these_urls() -> Any:
    # Without the one that knows some of these addresses by itself.
    middleware = [name for name in settings.MIDDLEWARE if not name.startswith("factorypulse.device_doors")]
    with override_settings(ROOT_URLCONF=__name__, PUBLIC_SCHEMA_URLCONF=__name__, MIDDLEWARE=middleware):
        yield


def test_a_host_leads_to_its_factory_in_requests_and_logs() -> None:
    assert FactoryClient(host=host_of("acme")).get("/whoami").content == b"acme acme"
    assert FactoryClient(host=host_of("borg")).get("/whoami").content == b"borg borg"
    assert FactoryClient(host=host_of(None)).get("/whoami").content == b"public none"


@pytest.mark.parametrize("host", ["ACME.localhost:8000", "acme.localhost", "acme.localhost.:8000"])
def test_the_spelling_of_a_host_does_not_matter(host: str) -> None:
    assert FactoryClient(host=host).get("/whoami").content == b"acme acme"


@pytest.mark.parametrize(
    "host", ["nowhere.localhost:8000", "public.localhost:8000", "a.acme.localhost", "fp-template.localhost"]
)
def test_an_unknown_host_is_a_404_that_says_no_more(host: str) -> None:
    page = FactoryClient(host=host).get("/whoami")
    assert (page.status_code, page["Content-Type"]) == (404, "text/plain; charset=utf-8")
    problem = FactoryClient(host=host).get("/api/v1/whoami")
    assert (problem.status_code, problem["Content-Type"]) == (404, "application/problem+json")
    assert "localhost" not in problem.content.decode()
    assert problem.json()["detail"] in page.content.decode()


@pytest.mark.parametrize("route", ["/who%00ami", "/whoami?a=%00", "/api/v1/whoami%00", "/api/v1/whoami?machine=a%00b"])
def test_a_sign_that_the_database_can_not_hold_is_refused_at_the_door(route: str) -> None:
    assert FactoryClient(host=host_of("acme")).get(route).status_code == 400


def test_a_host_that_is_not_ours_is_a_404() -> None:
    assert FactoryClient(host="evil.example").get("/whoami").status_code == 404


@pytest.mark.parametrize("route", ["/api/v1/whoami", "/write", "/api/v2/write"])
def test_on_the_public_host_a_key_leads_to_its_factory(route: str, ingest_key: str) -> None:
    basic = base64.b64encode(f"telegraf:{ingest_key}".encode()).decode()
    public = FactoryClient(host=host_of(None))
    for headers in (
        {"HTTP_X_API_KEY": ingest_key},
        {"HTTP_AUTHORIZATION": f"Api-Key {ingest_key}"},
        {"HTTP_AUTHORIZATION": f"Token {ingest_key}"},
        {"HTTP_AUTHORIZATION": f"Basic {basic}"},
    ):
        assert public.get(route, **headers).content == b"acme acme"
    assert public.get(f"{route}?p={ingest_key}").content == b"acme acme"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "10.20.30.40", "[::1]:8000", "[2001:db8::1]"])
def test_at_a_bare_address_a_key_leads_to_its_factory_too(host: str, ingest_key: str) -> None:
    device = FactoryClient(host=host)
    for route in ("/api/v1/whoami", "/write", "/api/v2/write"):
        assert device.get(route, HTTP_X_API_KEY=ingest_key).content == b"acme acme"
        assert device.get(route).status_code == 401
    # Links in answers carry our name, whatever the caller wrote.
    assert device.get("/api/v1/self", HTTP_X_API_KEY=ingest_key).content == b"http://localhost:8000/api/v1/self"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000"])
def test_at_a_bare_address_are_no_pages_and_no_public_site(host: str, ingest_key: str) -> None:
    for headers in ({}, {"HTTP_X_API_KEY": ingest_key}):
        for route in ("/whoami", "/closed", "/accounts/login/", "/"):
            assert FactoryClient(host=host).get(route, **headers).status_code == 404


@pytest.mark.parametrize("host", ["10.0.0.1.evil.example", "127.0.0.1:8000@evil.example", "1", "256.0.0.1", "[::1", ""])
def test_what_only_looks_like_an_address_opens_nothing(host: str, ingest_key: str) -> None:
    found = FactoryClient(host=host).get("/api/v1/whoami", HTTP_X_API_KEY=ingest_key)
    assert (found.status_code, found.json()["code"]) == (404, "not_found")


def test_a_key_does_not_move_a_request_to_another_host(foreign_key: str) -> None:
    assert FactoryClient(host=host_of("acme")).get("/api/v1/whoami", HTTP_X_API_KEY=foreign_key).content == b"acme acme"


def test_a_key_does_not_open_a_factorys_pages_on_the_public_host(ingest_key: str) -> None:
    assert FactoryClient(host=host_of(None)).get("/whoami", HTTP_X_API_KEY=ingest_key).content == b"public none"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "not_authenticated"),
        ({"HTTP_X_API_KEY": "nonsense"}, "not_authenticated"),
        ({"HTTP_AUTHORIZATION": "Basic ///"}, "not_authenticated"),
        ({"HTTP_AUTHORIZATION": "Bearer a.bm90IGpzb24.c"}, "not_authenticated"),
        ({"HTTP_X_API_KEY": "fp_nowhere_abcdefgh_" + "x" * 32}, "key_invalid"),
        ({"HTTP_X_API_KEY": "fp_public_abcdefgh_" + "x" * 32}, "key_invalid"),
    ],
)
def test_the_api_on_the_public_host_refuses_whoever_names_no_factory(headers: dict[str, str], code: str) -> None:
    response = FactoryClient(host=host_of(None)).get("/api/v1/whoami", **headers)
    assert (response.status_code, response.json()["code"]) == (401, code)


def test_every_answer_carries_a_request_id() -> None:
    for host, route in (
        (host_of("acme"), "/whoami"),
        (host_of("acme"), "/nothing"),
        ("nowhere.localhost", "/api/v1/x"),
    ):
        response = FactoryClient(host=host).get(route)
        assert len(response["X-Request-ID"]) >= 16


def test_a_callers_request_id_is_kept_while_it_is_harmless() -> None:
    client = FactoryClient(host=host_of("nowhere"))
    kept = client.get("/api/v1/x", HTTP_X_REQUEST_ID="trace-17.a_b")
    assert kept["X-Request-ID"] == kept.json()["request_id"] == "trace-17.a_b"
    for harmful in ("<script>", "x" * 500, "a b"):
        assert client.get("/api/v1/x", HTTP_X_REQUEST_ID=harmful)["X-Request-ID"] != harmful


def test_pages_of_a_factory_are_closed_unless_they_say_otherwise() -> None:
    stranger = FactoryClient(host=host_of("acme"))
    response = stranger.get("/closed?a=1")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/closed%3Fa%3D1")


def test_a_strangers_partial_sends_the_whole_browser_to_sign_in_and_back_to_its_page() -> None:
    response = FactoryClient(host=host_of("acme")).get(
        "/closed", HTTP_HX_REQUEST="true", HTTP_HX_CURRENT_URL="http://evil.example/machines/M01?from=1"
    )
    assert (response.status_code, response["HX-Redirect"]) == (401, "/accounts/login/?next=/machines/M01%3Ffrom%3D1")


def test_a_session_of_another_factory_means_nothing(client_for: Callable[..., FactoryClient], outsider: User) -> None:
    assert client_for(outsider).get("/closed").content == b"open"
    assert client_for(outsider, at="acme").get("/closed").status_code == 302


def test_a_known_host_goes_on_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FactoryClient(host=host_of("acme"))
    client.get("/whoami")
    monkeypatch.setattr(hosts, "_look_up", _database_away)
    now_s = hosts._found.fresh("acme.localhost").at_s
    monkeypatch.setattr("common.clock.monotonic_s", lambda: now_s + 60)
    assert client.get("/whoami").content == b"acme acme"
    with pytest.raises(OperationalError):
        FactoryClient(host=host_of("borg")).get("/whoami")


def test_a_deleted_factory_answers_no_more(monkeypatch: pytest.MonkeyPatch, acme: Factory) -> None:
    client = FactoryClient(host=host_of("acme"))
    assert client.get("/whoami").status_code == 200
    Factory.objects.filter(pk=acme.pk).delete()
    now_s = hosts._found.fresh("acme.localhost").at_s
    monkeypatch.setattr("common.clock.monotonic_s", lambda: now_s + 1.01)
    assert client.get("/whoami").status_code == 404


def _database_away(_host: str) -> Factory:
    raise OperationalError("the connection was refused")
