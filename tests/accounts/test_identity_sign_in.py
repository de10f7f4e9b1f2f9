"""Signing in by a plant's own identity provider: who gets in, and what of a provider that lies is believed: nothing."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

from accounts.identity import IdentityProviderInvalidError, identity_provider, identity_provider_set, server_url_check
from accounts.identity_calls import provider_session
from accounts.models import AuditEntry, User
from tenants.models import Factory
from tests.accounts.identity_server import Provider, identity_server
from tests.conftest import FactoryClient, host_of

ClientFor = Callable[..., FactoryClient]
LOGIN = "/accounts/login/"
LEAVE = "/accounts/oidc/plant/login/"


@pytest.fixture
def provider(in_acme: Factory, owner: User) -> Iterator[Provider]:
    with identity_server() as provider:
        identity_provider_set(
            actor=owner,
            name="Plant login",
            server_url=provider.url,
            client_id=provider.client_id,
            secret=provider.secret,
        )
        yield provider


def _leads_to(page: Any) -> str:
    """Where a page sends the browser on to: no redirect, which Chromium would hold to the form's policy."""
    assert page.status_code == 200, page.content.decode()[:300]
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.content.decode())
    assert found, page.content.decode()
    return unescape(found[1])


def _through(provider: Provider, factory: Factory) -> tuple[FactoryClient, int]:
    """A browser that signs in by the provider; where it ends up."""
    browser = FactoryClient(host=host_of(factory))
    back = provider.authorise(_leads_to(browser.post(LEAVE)))
    arrived = browser.get(back.partition(settings.DOMAIN)[2])
    return browser, arrived.status_code


def test_somebody_who_is_here_signs_in_by_the_plants_provider(
    provider: Provider, in_acme: Factory, operator: User
) -> None:
    provider.claims = {"sub": "42", "email": operator.email, "email_verified": True, "name": "Omar"}
    browser, _status = _through(provider, in_acme)
    assert browser.get("/").status_code == 200
    assert "Plant login" in FactoryClient(host=host_of(in_acme)).get(LOGIN).content.decode()


@pytest.mark.parametrize("claims", [{"email": "new@acme.example", "email_verified": True}, {"email_verified": False}])
def test_strangers_and_unconfirmed_addresses_stay_outside(
    provider: Provider, in_acme: Factory, operator: User, claims: dict[str, object]
) -> None:
    people = User.objects.count()
    provider.claims = {"sub": "43", "email": operator.email, **claims}
    browser, _status = _through(provider, in_acme)
    assert browser.get("/").status_code == 302
    assert User.objects.count() == people


def test_whoever_is_shut_out_stays_out(provider: Provider, in_acme: Factory, operator: User) -> None:
    User.objects.filter(pk=operator.pk).update(is_active=False)
    provider.claims = {"sub": "44", "email": operator.email, "email_verified": True}
    browser, _status = _through(provider, in_acme)
    assert browser.get("/").status_code == 302


def test_one_factorys_provider_is_unknown_to_another(provider: Provider, borg: Factory) -> None:
    stranger = FactoryClient(host=host_of(borg))
    assert stranger.post(LEAVE).status_code == 404
    assert "Plant login" not in stranger.get(LOGIN).content.decode()


def test_an_owner_sets_and_removes_it_and_its_secret_is_not_shown(
    in_acme: Factory, owner: User, client_for: ClientFor
) -> None:
    browser = client_for(owner)
    data = {"name": "Plant", "server_url": "http://127.0.0.1:1", "client_id": "x", "secret": "very-secret"}
    assert browser.post("/factory/identity", data).status_code == 302
    assert "very-secret" not in browser.get("/factory").content.decode()
    assert "very-secret" not in str(list(AuditEntry.objects.values()))
    browser.post("/factory/identity", {"remove": "1"})
    assert identity_provider() is None


def test_in_production_a_provider_stands_on_the_public_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TRIAL", False)
    for url in ("http://login.example", "https://127.0.0.1", "https://10.0.0.1", "https://user@login.example", "x"):
        with pytest.raises(IdentityProviderInvalidError):
            server_url_check(url)


def _known(provider: Provider, person: User) -> None:
    provider.claims = {"sub": "42", "email": person.email, "email_verified": True}


def _signed_in(browser: FactoryClient) -> bool:
    return browser.get("/").status_code == 200


def _other_key(provider: Provider) -> None:
    provider.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)


LIES: dict[str, Callable[[Provider], Any]] = {
    "signed by another key": _other_key,
    "for another client": lambda provider: provider.claims.update(aud="somebody-else"),
    "by another issuer": lambda provider: provider.claims.update(iss="https://login.example"),
    "too old": lambda provider: provider.claims.update(exp=1_700_000_000),
    "for another sign-in": lambda provider: provider.claims.update(nonce="another"),
    "of another person": lambda provider: setattr(provider, "about", {**provider.claims, "sub": "43"}),
    "of nobody": lambda provider: setattr(provider, "about", {"email": provider.claims["email"]}),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_an_id_token_that_does_not_hold_signs_nobody_in(
    provider: Provider, in_acme: Factory, operator: User, lie: str
) -> None:
    _known(provider, operator)
    LIES[lie](provider)
    browser, status = _through(provider, in_acme)
    assert (status, _signed_in(browser)) == (401, False), "a page that says so, and nobody inside"
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_a_key_of_two_halves_is_not_believed(
    provider: Provider, in_acme: Factory, operator: User, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _known(provider, operator)
    real = jwt.encode

    def forged(claims: dict[str, Any], key: Any, **given: Any) -> str:
        shared = "" if algorithm == "none" else provider.secret * 4
        return real(claims, shared, **{**given, "algorithm": algorithm})

    monkeypatch.setattr("tests.accounts.identity_server.jwt.encode", forged)
    browser, status = _through(provider, in_acme)
    assert (status, _signed_in(browser)) == (401, False)


def test_a_description_of_another_issuer_is_refused_before_anybody_is_sent_there(
    provider: Provider, in_acme: Factory
) -> None:
    for described in (
        {"issuer": "https://login.example"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ):
        provider.described = described
        answer = FactoryClient(host=host_of(in_acme)).post(LEAVE)
        assert (answer.status_code, "http-equiv" in answer.content.decode()) == (401, False)


def test_a_provider_that_is_away_is_told_on_a_page(in_acme: Factory, owner: User) -> None:
    given = {"name": "Plant", "server_url": "http://127.0.0.1:1", "client_id": "x", "secret": "y"}
    identity_provider_set(actor=owner, **given)
    assert FactoryClient(host=host_of(in_acme)).post(LEAVE).status_code == 401


def test_the_way_back_is_for_the_browser_that_left(provider: Provider, in_acme: Factory, operator: User) -> None:
    """State, nonce and PKCE go along, and the address alone lets nobody in."""
    _known(provider, operator)
    left = _leads_to(FactoryClient(host=host_of(in_acme)).post(f"{LEAVE}?auth_params=prompt%3Dnone&scope=everything"))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left).query).items()}
    assert min(len(asked["state"]), len(asked["nonce"]), len(asked["code_challenge"])) >= 16
    assert asked["code_challenge_method"] == "S256"
    assert ("prompt" in asked, "everything" in asked["scope"]) == (False, False)
    back = provider.authorise(left).partition(settings.DOMAIN)[2]
    thief = FactoryClient(host=host_of(in_acme))
    assert thief.get(back).status_code == 401
    assert not _signed_in(thief)


def test_a_person_is_known_by_sub_once_they_came_and_no_token_is_kept(
    provider: Provider, in_acme: Factory, operator: User, supervisor: User
) -> None:
    _known(provider, operator)
    _through(provider, in_acme)
    assert SocialAccount.objects.get().user == operator
    provider.claims["email"] = supervisor.email
    browser, _status = _through(provider, in_acme)
    assert browser.get("/account").context["user"] == operator
    assert not SocialToken.objects.exists()


def test_in_production_nothing_of_a_private_network_is_asked(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a provider's own documents name: tokens' and keys' addresses go the same way."""
    monkeypatch.setattr(settings, "TRIAL", False)
    monkeypatch.setattr(settings, "WEBHOOK_HTTP", True)
    for url in (f"{provider.url}/keys", "http://169.254.169.254/latest/meta-data", "http://localhost/"):
        with pytest.raises(requests.RequestException):
            provider_session().get(url)
    monkeypatch.setattr(settings, "WEBHOOK_PRIVATE_RANGES", [ip_network("127.0.0.0/8")])
    assert provider_session().get(f"{provider.url}/keys").json() == provider.keys()


def test_another_provider_knows_nobody_of_the_one_before_and_hears_no_secret_of_it(
    provider: Provider, in_acme: Factory, owner: User, operator: User
) -> None:
    _known(provider, operator)
    assert _signed_in(_through(provider, in_acme)[0])
    given = {"actor": owner, "name": "Other", "client_id": "x"}
    with identity_server() as other:
        with pytest.raises(IdentityProviderInvalidError, match="client secret"):
            identity_provider_set(**given, server_url=other.url, secret="")
        other.client_id = "x"
        identity_provider_set(**given, server_url=other.url, secret=other.secret)
        # The same “sub” is somebody else there.
        other.claims = {"sub": "42", "email": "new@acme.example", "email_verified": True}
        assert not _signed_in(_through(other, in_acme)[0])
    assert not SocialAccount.objects.exists()
