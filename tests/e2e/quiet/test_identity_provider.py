"""A plant's own identity provider: set up by the owner, used by a person, with a real browser's policies in force."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.accounts.identity_server import identity_server
from tests.e2e.conftest import Person
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]
NewPerson = Callable[..., Person]


def test_an_owner_sets_up_the_plants_provider_and_a_person_signs_in_by_it(
    quiet_trial: Trial, new_person: NewPerson
) -> None:
    owner, here = new_person(), quiet_trial.factory_url()
    owner.sign_in(here, quiet_trial.owner_email, quiet_trial.owner_password)
    expect(owner.page.get_by_role("heading", level=1)).to_be_visible()
    with identity_server() as provider:
        # By this name no browser of a test leaves for a stranger.
        provider.url = f"http://localhost:{urlsplit(provider.url).port}"
        provider.claims = {"sub": "42", "email": quiet_trial.owner_email, "email_verified": True, "name": "Olga"}
        owner.page.goto(f"{here}/factory")
        card = owner.page.locator("#identity")
        card.get_by_text("Set it up").click()
        for field, value in {
            "name": "Plant login",
            "server_url": provider.url,
            "client_id": provider.client_id,
            "secret": provider.secret,
        }.items():
            card.locator(f"[name={field}]").fill(value)
        owner.shoot("identity-set-up-1440")
        card.get_by_role("button", name="Save").click()
        expect(card.get_by_text("can also sign in by “Plant login”")).to_be_visible()

        person = new_person(width=390, height=844)
        person.page.goto(f"{here}/alerts")
        person.shoot("sign-in-provider-390", full_page=True)
        person.page.get_by_role("button", name="Sign in with Plant login").click()
        expect(person.page.locator("body[data-person-key]")).to_be_visible()
        person.shoot("signed-in-by-provider-390")

        provider.claims = {"sub": "43", "email": "stranger@elsewhere.example", "email_verified": True}
        stranger = new_person(width=390, height=844)
        stranger.page.goto(f"{here}/accounts/login/")
        stranger.page.get_by_role("button", name="Sign in with Plant login").click()
        expect(stranger.page.get_by_text("invitation").first).to_be_visible()
        stranger.shoot("provider-stranger-390", full_page=True)

        # Others of this trial sign in without it.
        card.get_by_text("Set it up").click()
        card.get_by_role("button", name="Remove it").click()
        expect(card.get_by_text("can also sign in")).to_have_count(0)
