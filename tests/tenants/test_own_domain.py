"""A factory's own host name: proved by its DNS or its web server, answering as the address does, gone with it."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.test import override_settings
from django_tenants.utils import get_public_schema_name, schema_context

from accounts.models import AuditEntry, User
from common.errors import DomainError
from factorypulse.origins import OwnOriginValidator
from tenants import own_domain as room
from tenants.context import factory_context
from tenants.hosts import factory_of_host, hosts_forget
from tenants.models import Domain, DomainClaim, Factory
from tenants.own_domain import (
    DomainReservedError,
    DomainTakenError,
    DomainUnprovenError,
    domain_normal,
    own_domain,
    own_domain_claim,
    own_domain_prove,
    own_domain_remove,
)
from tenants.provisioning import factory_delete
from tests.conftest import PASSWORD, FactoryClient, host_of, person_make

NAME = "pulse.mill.example"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What strangers' web servers show, by address. The client itself has its own tests (notify/safe_http)."""
    pages: dict[str, bytes] = {}

    def fetch(url: str) -> bytes:
        if url not in pages:
            raise OSError("nobody there")
        return pages[url]

    monkeypatch.setattr(room, "_fetchers", [fetch])
    return pages


@pytest.fixture
def aliases(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What DNS says, by name."""
    known: dict[str, str] = {}

    def look_up(name: str, *_given: Any, **_named: Any) -> list[Any]:
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, known[name], ("192.0.2.1", 0))]

    monkeypatch.setattr(room, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    "text", ["mill", "http://mill.example", "192.0.2.7", "[::1]", "a_b.example", "x." * 130 + "de", "a..b", "-a.de"]
)
def test_what_is_no_host_name_is_refused(text: str) -> None:
    with pytest.raises(DomainError) as refused:
        domain_normal(text)
    assert refused.value.code == "domain_invalid"


@pytest.mark.parametrize(
    "name",
    ["pulse.example", "mill.pulse.example", "x.y.pulse.example", "plant.localhost", "a.internal", "b.test", "c.lan"],
)
def test_names_of_ours_and_of_no_public_network_are_refused(name: str) -> None:
    with override_settings(DOMAIN_HOST="pulse.example", TRIAL=False), pytest.raises(DomainReservedError):
        domain_normal(name)


def test_a_name_above_ours_is_refused() -> None:
    with override_settings(DOMAIN_HOST="pulse.vendor.de", TRIAL=False), pytest.raises(DomainReservedError):
        domain_normal("vendor.de")


def test_a_file_with_the_token_proves_a_name_and_another_text_does_not(
    acme: Factory, web: dict[str, bytes], aliases: dict[str, str]
) -> None:
    claim = own_domain_claim(acme, f" {NAME.upper()}. ")
    assert (claim.domain, own_domain_claim(acme, NAME).token) == (NAME, claim.token)
    with pytest.raises(DomainUnprovenError):
        own_domain_prove(acme)
    web[f"https://{NAME}/.well-known/factorypulse.txt"] = b"factorypulse-another"
    with pytest.raises(DomainUnprovenError):
        own_domain_prove(acme)
    assert factory_of_host(NAME) is None
    web[f"https://{NAME}/.well-known/factorypulse.txt"] = f"{claim.token}\n".encode()
    assert own_domain_prove(acme) == own_domain(acme) == NAME
    assert factory_of_host(NAME) == acme
    assert not DomainClaim.objects.exists()


def test_an_alias_of_another_factorys_address_proves_nothing(
    acme: Factory, borg: Factory, web: dict[str, bytes], aliases: dict[str, str]
) -> None:
    own_domain_claim(acme, NAME)
    own_domain_claim(borg, NAME)
    aliases[NAME] = host_of(borg).partition(":")[0]
    with pytest.raises(DomainUnprovenError):
        own_domain_prove(acme)
    assert own_domain_prove(borg) == NAME
    aliases[NAME] = host_of(acme).partition(":")[0]
    with pytest.raises(DomainTakenError):
        own_domain_prove(acme)
    with pytest.raises(DomainTakenError):
        own_domain_claim(acme, NAME)


def test_a_claim_alone_answers_nothing(acme: Factory) -> None:
    claim = own_domain_claim(acme, NAME)
    stranger = FactoryClient(host=NAME)
    assert stranger.get("/").status_code == 404
    answer = stranger.get("/.well-known/factorypulse.txt")
    assert (answer.status_code, claim.token in answer.content.decode()) == (404, False)


def _proved(factory: Factory) -> None:
    with schema_context(get_public_schema_name()):
        Domain.objects.create(domain=NAME, tenant=factory, is_primary=False)
    hosts_forget()


def test_people_sign_in_there_with_cookies_and_origins_of_that_name(acme: Factory, operator: User) -> None:
    _proved(acme)
    browser = FactoryClient(host=NAME, enforce_csrf_checks=True)
    page = browser.get("/accounts/login/")
    assert page.status_code == 200
    form = {"login": operator.email, "password": PASSWORD, "csrfmiddlewaretoken": page.context["csrf_token"]}
    foreign = browser.post("/accounts/login/", form, HTTP_ORIGIN=f"http://{host_of(acme)}")
    assert foreign.status_code == 403, "another host's page, even our own, may not post here"
    assert browser.post("/accounts/login/", form, HTTP_ORIGIN=f"http://{NAME}").status_code == 302
    assert browser.get("/").status_code == 200
    assert all(not cookie["domain"] for cookie in browser.cookies.values()), "cookies are for this host alone"


def test_a_name_below_a_proved_one_or_with_odd_signs_answers_nothing(acme: Factory) -> None:
    _proved(acme)
    for host in (f"www.{NAME}", f"{NAME}.evil.example", f"{NAME}:x", f"{NAME}/", f"evil@{NAME}"):
        assert FactoryClient(host=host).get("/accounts/login/").status_code == 404, host


def test_only_the_name_itself_is_forced_into_tls(acme: Factory) -> None:
    _proved(acme)
    with override_settings(SECURE_HSTS_SECONDS=100, SECURE_HSTS_INCLUDE_SUBDOMAINS=True, SECURE_HSTS_PRELOAD=True):
        theirs = FactoryClient(host=NAME).get("/accounts/login/", secure=True)
        ours = FactoryClient(host=host_of(acme)).get("/accounts/login/", secure=True)
    assert theirs["Strict-Transport-Security"] == "max-age=100"
    assert "includeSubDomains" in ours["Strict-Transport-Security"]


@pytest.mark.parametrize(
    ("origin", "opens"),
    [(f"https://{NAME}", True), ("https://evil.example", False), (f"https://{NAME}.evil.example", False)],
)
async def test_a_socket_opens_for_pages_of_the_same_name_alone(origin: str, opens: bool) -> None:
    async def accepting(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    headers = [(b"origin", origin.encode()), (b"host", NAME.encode())]
    socket_there = WebsocketCommunicator(OwnOriginValidator(accepting), "/ws/live", headers=headers)
    opened, _code = await socket_there.connect()
    assert opened is opens


def test_it_goes_with_the_factory_and_another_may_have_it(
    live_factories: Callable[..., Factory], web: dict[str, bytes], aliases: dict[str, str]
) -> None:
    first, second = live_factories(), live_factories()
    aliases[NAME] = host_of(first).partition(":")[0]
    own_domain_claim(first, NAME)
    own_domain_prove(first)
    own_domain_claim(first, "next.mill.example")
    factory_delete(first)
    assert factory_of_host(NAME) is None
    assert not DomainClaim.objects.filter(domain="next.mill.example").exists()
    aliases[NAME] = host_of(second).partition(":")[0]
    own_domain_claim(second, NAME)
    assert own_domain_prove(second) == NAME
    assert own_domain_remove(second) == NAME
    assert factory_of_host(NAME) is None


def test_an_owner_sets_it_up_on_the_page(
    acme: Factory, owner: User, client_for: Callable[..., FactoryClient], web: dict[str, bytes], aliases: dict[str, str]
) -> None:
    browser = client_for(owner)
    assert browser.post("/factory/domain", {"domain": NAME})["Location"] == "/factory#domain"
    page = browser.get("/factory").content.decode()
    assert f"{NAME}. CNAME {host_of(acme).partition(':')[0]}." in page
    browser.post("/factory/domain", {"check": "1"})
    assert "Neither the alias nor the file" in browser.get("/factory").content.decode()
    aliases[NAME] = host_of(acme).partition(":")[0]
    browser.post("/factory/domain", {"check": "1"})
    assert f"<strong>{NAME}</strong>" in browser.get("/factory").content.decode()
    browser.post("/factory/domain", {"remove": "1"})
    with factory_context(acme):
        actions = list(AuditEntry.objects.filter(target=NAME).order_by("id").values_list("action", flat=True))
    assert actions == ["factory.domain_entered", "factory.domain_proved", "factory.domain_removed"]


def test_a_program_sets_it_up(
    acme: Factory, client_for: Callable[..., FactoryClient], web: dict[str, bytes], aliases: dict[str, str]
) -> None:
    program = client_for(person_make(acme, "o2@acme.example", "owner"))
    entered = program.put("/api/v1/factory/domain", {"domain": NAME}, content_type="application/json").json()
    assert entered["domain"] is None
    assert program.post("/api/v1/factory/domain/check").json()["code"] == "domain_unproven"
    web[entered["waiting"]["url"]] = entered["waiting"]["token"].encode()
    assert program.post("/api/v1/factory/domain/check").json() == {"domain": NAME, "waiting": None}
    assert program.delete("/api/v1/factory/domain").status_code == 204
    refused = program.put("/api/v1/factory/domain", {"domain": "mill"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "domain_invalid")
