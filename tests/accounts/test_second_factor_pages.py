"""The pages on which somebody sets up a second factor: ours in look and words, and none of them fails."""

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from accounts.models import User
from tenants.life import factory_mfa_require
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient

ClientFor = Callable[..., FactoryClient]
PAGES = ("", "totp/deactivate/", "recovery-codes/", "recovery-codes/generate/", "webauthn/", "webauthn/add/")


@pytest.fixture
def browser(in_acme: Factory, operator: User, client_for: ClientFor) -> FactoryClient:
    browser = client_for(operator)
    # Whoever has just proved who they are is not asked again.
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return browser


def test_every_page_of_the_second_factor_shows_in_both_languages(browser: FactoryClient, operator: User) -> None:
    first = browser.get("/accounts/2fa/totp/activate/")
    assert "second-factor__picture" in first.content.decode()
    TOTP.activate(operator, generate_totp_secret())
    codes = RecoveryCodes.activate(operator).get_unused_codes()
    for language in ("en", "de"):
        User.objects.filter(pk=operator.pk).update(language=language)
        pages = {path: browser.get(f"/accounts/2fa/{path}") for path in PAGES}
        assert {path: page.status_code for path, page in pages.items()} == dict.fromkeys(PAGES, 200)
        assert codes[0] in pages["recovery-codes/"].content.decode()
    assert "Notfallcodes" in pages[""].content.decode()
    # Whoever changes something here may end what is open elsewhere.
    assert 'href="/accounts/sessions/"' in pages[""].content.decode()


def _key_of(person: User) -> Authenticator:
    data = {"name": "Blue key", "credential": {"clientExtensionResults": {"credProps": {"rk": True}}}}
    return Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data=data)


def test_a_key_stands_in_a_list_with_what_can_be_done_to_it(browser: FactoryClient, operator: User) -> None:
    key = _key_of(operator)
    page = browser.get("/accounts/2fa/webauthn/").content.decode()
    assert "Blue key" in page
    assert "Passkey" in page
    rename = f"/accounts/2fa/webauthn/keys/{key.pk}/edit/"
    assert "Rename “Blue key”" in browser.get(rename).content.decode()
    browser.post(rename, {"name": "Red key"})
    assert "Red key" in browser.get("/accounts/2fa/webauthn/").content.decode()


def test_the_last_key_goes_from_no_factory_that_requires_a_second_factor(
    acme: Factory, browser: FactoryClient, operator: User
) -> None:
    key = _key_of(operator)
    RecoveryCodes.activate(operator)
    remove = f"/accounts/2fa/webauthn/keys/{key.pk}/remove/"
    factory_mfa_require(acme, required=True)
    shown = browser.get(remove)
    assert "this is your last" in shown.content.decode()
    assert 'type="submit"' not in shown.content.decode().partition("<main")[2].partition("</main")[0]
    for answer in (browser.post(remove), browser.delete(remove)):
        assert answer.status_code in {405, 422}
    assert Authenticator.objects.filter(pk=key.pk).exists()
    # A second one lets the first go, and codes of no key go with the last.
    another = _key_of(operator)
    assert browser.post(remove)["Location"] == "/accounts/2fa/webauthn/"
    assert not Authenticator.objects.filter(pk=key.pk).exists()
    factory_mfa_require(acme, required=False)
    browser.post(f"/accounts/2fa/webauthn/keys/{another.pk}/remove/")
    assert not Authenticator.objects.filter(user=operator).exists()


def test_nobody_removes_the_key_of_another(browser: FactoryClient, viewer: User) -> None:
    key = _key_of(viewer)
    assert browser.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/").status_code == 404
    assert Authenticator.objects.filter(pk=key.pk).exists()


def test_a_part_of_a_page_leaves_for_the_set_up_where_the_factory_wants_a_second_factor_now(
    acme: Factory, browser: FactoryClient
) -> None:
    factory_mfa_require(acme, required=True)
    part = browser.get("/parts/summary", headers={"HX-Request": "true"})
    assert (part.status_code, part["HX-Redirect"]) == (403, "/accounts/2fa/")
