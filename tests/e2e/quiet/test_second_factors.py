"""A passkey of a real browser, and an authenticator app with its codes, from setting up to signing in by each."""

import re
import time
from collections.abc import Callable

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import CDPSession, Page, expect

from tests.e2e.conftest import Person
from tests.e2e.plant.test_first_day import PASSWORD, follow_link_in_mail, open_latest_mail_to
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]
NewPerson = Callable[..., Person]
ADDRESS = "kim@demo.example"
_STEP_S = 30


@pytest.fixture
def kim(quiet_trial: Trial, new_person: NewPerson) -> Person:
    """An operator who came by invitation a moment ago; of their own, so that nobody else is asked for a code."""
    owner, person = new_person(), new_person()
    owner.sign_in(quiet_trial.factory_url(), quiet_trial.owner_email, quiet_trial.owner_password)
    expect(owner.page.get_by_role("heading", level=1)).to_be_visible()
    owner.page.goto(f"{quiet_trial.factory_url()}/people")
    form = owner.page.locator("form", has=owner.page.get_by_role("button", name="Send the invitation"))
    form.locator("[name=email]").fill(ADDRESS)
    form.get_by_role("button", name="Send the invitation").click()
    open_latest_mail_to(person, quiet_trial, ADDRESS, "")
    follow_link_in_mail(person, "/invitations/")
    person.page.get_by_label("Your name").fill("Kim")
    person.page.get_by_label(re.compile("^Password")).fill(PASSWORD)
    person.page.locator("main button[type=submit]").last.click()
    expect(person.page.get_by_role("heading", level=1)).to_be_visible()
    return person


def _authenticator(page: Page) -> tuple[CDPSession, str]:
    """A virtual authenticator as a laptop's own: keeps passkeys, knows its person, and touches itself."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, str(made["authenticatorId"])


def _code(page: Page, secret: str) -> str:
    """The app's code now; where its half minute is nearly over, that of the next."""
    while time.time() % _STEP_S > _STEP_S - 4:
        page.wait_for_timeout(250)
    return str(format_hotp_value(hotp_value(secret, int(time.time() // _STEP_S))))


def _sign_out(trial: Trial, person: Person) -> None:
    person.page.goto(f"{trial.factory_url()}/accounts/logout/")
    person.page.get_by_role("button", name="Sign out").click()
    expect(person.page.get_by_role("heading", name=re.compile("^Sign in to"))).to_be_visible()


def _with_code(trial: Trial, person: Person, code: str) -> None:
    """Sign in by the password, and send a code."""
    person.sign_in(trial.factory_url(), ADDRESS, PASSWORD)
    person.page.locator("#id_code").fill(code)
    person.page.get_by_role("button", name=re.compile("^Sign in$", re.IGNORECASE)).click()


def _prove_once_more(page: Page) -> None:
    """Whoever finds an open browser gives nobody a key to it."""
    page.locator("input[type=password]").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def _is_in(person: Person) -> None:
    expect(person.page.locator("body[data-person='Kim']")).to_be_visible()


def test_a_passkey_and_an_app_with_recovery_codes_are_set_up_and_sign_in(quiet_trial: Trial, kim: Person) -> None:
    page, here = kim.page, quiet_trial.factory_url()
    session, authenticator = _authenticator(page)
    page.goto(f"{here}/account")
    page.get_by_role("link", name="Second factor and passkeys").click()
    page.get_by_role("link", name="Add", exact=True).click()
    _prove_once_more(page)
    kim.shoot("passkey-add-1440")
    page.get_by_role("button", name="Go on").click()
    codes = page.locator("#codes").inner_text().split()
    assert len(set(codes)) == 10
    kim.shoot("recovery-codes-1440")
    (kept,) = session.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})["credentials"]
    assert (kept["isResidentCredential"], kept["rpId"]) == (True, "demo.localhost")

    _sign_out(quiet_trial, kim)
    # Nothing of theirs stays in the browser: neither pages nor what waited for a network.
    assert page.evaluate("caches.has('pages')") is False
    page.get_by_role("button", name="Sign in with a passkey").click()
    _is_in(kim)

    page.goto(f"{here}/accounts/2fa/")
    kim.shoot("second-factors-1440", full_page=True)
    page.get_by_role("link", name="Set up", exact=True).click()
    _prove_once_more(page)
    kim.shoot("authenticator-app-1440", full_page=True)
    secret = page.locator("#secret").inner_text()
    page.locator("#id_code").fill(_code(page, secret))
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Signing in asks for a code from your authenticator app.")).to_be_visible()

    _sign_out(quiet_trial, kim)
    _with_code(quiet_trial, kim, _code(page, secret))
    _is_in(kim)
    _sign_out(quiet_trial, kim)
    _with_code(quiet_trial, kim, codes[0])
    _is_in(kim)
    _sign_out(quiet_trial, kim)
    _with_code(quiet_trial, kim, codes[0])
    expect(page.get_by_text("Incorrect code.")).to_be_visible()
    kim.shoot("second-factor-asked-1440")
    # The passkey is a second factor, too, where the password came first.
    page.get_by_role("button", name="Use a security key").click()
    _is_in(kim)


def test_a_browser_without_a_passkey_says_so_beside_the_button(quiet_trial: Trial, new_person: NewPerson) -> None:
    person = new_person(width=390, height=844)
    session, authenticator = _authenticator(person.page)
    # The person takes their finger away.
    session.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    person.page.goto(f"{quiet_trial.factory_url()}/accounts/login/")
    person.page.get_by_role("button", name="Sign in with a passkey").click()
    expect(person.page.get_by_role("alert").filter(has_text="No passkey was used")).to_be_visible()
    person.shoot("no-passkey-390", full_page=True)
    assert person.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
