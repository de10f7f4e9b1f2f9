"""A visitor makes a factory: what stands afterwards, what is refused, and that a refusal leaves nothing."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.locmem import EmailBackend

from accounts import signup
from accounts.models import Role, User
from accounts.signup import address_suggest
from tenants.context import factory_context, factory_get
from tenants.models import Domain, Factory
from tests.conftest import FactoryClient, host_of

FORM = {
    "name": "North Mill",
    "address": "north-mill",
    "email": "Nora@north.example",
    "password": "grain becomes flour",
    "time_zone": "Europe/Warsaw",
}


def sign_up(client: FactoryClient, **changes: str) -> Any:
    return client.post("/signup", {**FORM, **changes})


def browser_at(url: str) -> tuple[FactoryClient, str]:
    """A fresh browser and the path of an absolute URL on that URL's host."""
    parts = urlsplit(url)
    return FactoryClient(host=parts.netloc), parts.path


def link_in(message: Any) -> str:
    found = re.search(r"http://\S+", message.body)
    assert found
    return found[0]


def errors_of(response: Any, field: str) -> str:
    return " ".join(response.context["form"].errors.get(field, []))


def test_sign_up_makes_the_factory_with_an_unconfirmed_owner_and_sends_the_mail(public_client: FactoryClient) -> None:
    response = sign_up(public_client)
    assert response.status_code == 302
    assert response["Location"].startswith(f"http://{host_of('north-mill')}/welcome/")
    factory = factory_get("north-mill")
    assert factory.time_zone == "Europe/Warsaw"
    with factory_context(factory):
        person = User.objects.get()
        assert (person.email, person.role, person.is_superuser) == ("nora@north.example", Role.OWNER, False)
        assert not EmailAddress.objects.get(user=person).verified
    (message,) = mail.outbox
    assert message.to == ["nora@north.example"]
    assert link_in(message).startswith(f"http://{host_of('north-mill')}/accounts/confirm-email/")
    html = message.alternatives[0][0]
    assert "North Mill" in html
    assert link_in(message) in html


def test_the_same_browser_is_signed_in_by_the_link_and_led_to_the_first_run(public_client: FactoryClient) -> None:
    browser, path = browser_at(sign_up(public_client)["Location"])
    waiting = browser.get(path, follow=True)
    assert waiting.redirect_chain[-1][0] == "/accounts/confirm-email/"
    assert b"/mailbox/" in waiting.content
    assert browser.get("/first-run").status_code == 302
    link = urlsplit(link_in(mail.outbox[0])).path
    assert b"Confirm and go on" in browser.get(link).content
    done = browser.post(link)
    assert (done.status_code, done["Location"]) == (302, "/first-run")
    assert browser.get("/first-run").status_code == 200


def test_another_browser_confirms_but_has_to_sign_in(public_client: FactoryClient) -> None:
    sign_up(public_client)
    browser, path = browser_at(link_in(mail.outbox[0]))
    done = browser.post(path)
    assert (done.status_code, done["Location"]) == (302, "/accounts/login/")
    assert browser.get("/people").status_code == 302
    signed_in = browser.post("/accounts/login/", {"login": "nora@north.example", "password": FORM["password"]})
    assert signed_in["Location"] == "/"


def test_a_used_confirmation_link_says_so(public_client: FactoryClient) -> None:
    sign_up(public_client)
    browser, path = browser_at(link_in(mail.outbox[0]))
    browser.post(path)
    for again in (browser.get(path), browser.post(path)):
        assert again.status_code == 410
        assert b"has done its work" in again.content


def test_a_confirmation_link_of_one_factory_means_nothing_in_another(public_client: FactoryClient) -> None:
    sign_up(public_client)
    path = urlsplit(link_in(mail.outbox[0])).path
    foreign = FactoryClient(host=host_of("acme"))
    assert foreign.post(path).status_code == 410
    with factory_context("north-mill"):
        assert not EmailAddress.objects.get().verified


def test_the_way_from_the_public_site_works_once(public_client: FactoryClient) -> None:
    url = sign_up(public_client)["Location"]
    first, path = browser_at(url)
    assert first.get(path)["Location"] == "/accounts/confirm-email/"
    second, _path = browser_at(url)
    assert second.get(path)["Location"] == "/accounts/login/"


def test_the_way_from_the_public_site_leads_into_its_own_factory_only(
    public_client: FactoryClient, acme: Factory, owner: User
) -> None:
    path = urlsplit(sign_up(public_client)["Location"]).path
    assert FactoryClient(host=host_of("acme")).get(path)["Location"] == "/accounts/login/"


def test_signing_in_before_the_address_is_confirmed_is_refused_and_sends_another_link(
    public_client: FactoryClient,
) -> None:
    sign_up(public_client)
    browser = FactoryClient(host=host_of("north-mill"))
    response = browser.post("/accounts/login/", {"login": "nora@north.example", "password": FORM["password"]})
    assert response["Location"] == "/accounts/confirm-email/"
    assert browser.get("/").status_code == 302
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"address": "acme"}, "address", "taken"),
        ({"address": "admin"}, "address", "reserved"),
        ({"address": "Not an address!"}, "address", "small letters"),
        ({"email": "nora"}, "email", "valid email"),
        ({"password": "short"}, "password", "too short"),
        ({"password": "password123"}, "password", "too common"),
        ({"password": "nora@north.example"}, "password", "similar"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "not one of"),
        ({"name": " "}, "name", "required"),
    ],
)
def test_a_wrong_value_is_named_at_its_field(
    public_client: FactoryClient, acme: Factory, changes: dict[str, str], field: str, words: str
) -> None:
    before = set(Factory.objects.values_list("slug", flat=True))
    response = sign_up(public_client, **changes)
    assert response.status_code == 422
    assert words in errors_of(response, field)
    assert set(Factory.objects.values_list("slug", flat=True)) == before
    assert mail.outbox == []


@pytest.fixture
def refusing_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: EmailBackend, messages: Any) -> int:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)


@pytest.mark.usefixtures("refusing_mail_server")
def test_a_sign_up_whose_mail_cannot_be_sent_leaves_nothing(public_client: FactoryClient) -> None:
    response = sign_up(public_client)
    assert response.status_code == 422
    assert "could not send" in errors_of(response, "email")
    assert not Factory.objects.filter(slug="north-mill").exists()
    assert not Domain.objects.filter(domain__startswith="north-mill.").exists()
    assert not schema_exists("f_north_mill")


def schema_exists(name: str) -> bool:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [name])
        return cursor.fetchone() is not None


def test_one_address_can_sign_up_only_so_often(public_client: FactoryClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signup, "SIGNUPS_PER_EMAIL", 1)
    assert sign_up(public_client).status_code == 302
    again = sign_up(public_client, address="south-mill")
    assert again.status_code == 422
    assert "Too many" in " ".join(again.context["form"].non_field_errors())
    assert not Factory.objects.filter(slug="south-mill").exists()
    cache.clear()
    assert sign_up(public_client, address="south-mill").status_code == 302


def test_the_address_is_suggested_and_checked_while_typing(public_client: FactoryClient, acme: Factory) -> None:
    def said(**query: str) -> str:
        return public_client.get("/signup/address", query).content.decode()

    assert "north-mill.localhost:8000</strong> is free" in said(name="North Mill")
    assert "taken" in said(address="acme")
    assert "reserved" in said(address="www")
    assert "small letters" in said(address="-")


# The browser suggests the same while typing; tests/js/signup.test.js reads the same file.
ADDRESSES = json.loads((Path(__file__).parent.parent / "js" / "addresses.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "address"), ADDRESSES)
def test_a_name_becomes_an_address(name: str, address: str) -> None:
    assert address_suggest(name) == address


def test_nobody_joins_a_factory_through_its_own_sign_up(anonymous: FactoryClient, acme: Factory) -> None:
    page = anonymous.get("/accounts/signup/")
    assert b"by invitation" in page.content
    anonymous.post("/accounts/signup/", {"email": "eve@evil.example", "password1": "grain becomes flour"})
    with factory_context(acme):
        assert not User.objects.filter(email="eve@evil.example").exists()


def test_a_new_password_is_offered_without_saying_who_exists(anonymous: FactoryClient, owner: User) -> None:
    known = anonymous.post("/accounts/password/reset/", {"email": owner.email})
    unknown = anonymous.post("/accounts/password/reset/", {"email": "nobody@acme.example"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    (message,) = mail.outbox
    assert message.to == [owner.email]
    browser, path = browser_at(link_in(message))
    form = browser.get(path, follow=True)
    assert b"Choose a new password" in form.content
