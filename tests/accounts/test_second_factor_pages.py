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


def test_a_key_stands_in_a_list_with_what_can_be_done_to_it(browser: FactoryClient, operator: User) -> None:
    data = {"name": "Blue key", "credential": {"clientExtensionResults": {"credProps": {"rk": True}}}}
    Authenticator.objects.create(user=operator, type=Authenticator.Type.WEBAUTHN, data=data)
    page = browser.get("/accounts/2fa/webauthn/").content.decode()
    assert "Blue key" in page
    assert "Passkey" in page


def test_a_part_of_a_page_leaves_for_the_set_up_where_the_factory_wants_a_second_factor_now(
    acme: Factory, browser: FactoryClient
) -> None:
    factory_mfa_require(acme, required=True)
    part = browser.get("/parts/summary", headers={"HX-Request": "true"})
    assert (part.status_code, part["HX-Redirect"]) == (403, "/accounts/2fa/")
