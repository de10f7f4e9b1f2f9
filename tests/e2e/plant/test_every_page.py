"""Every page of a factory, as the URLconf and its links know them: with a screen reader, by keys, at any width."""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import get_resolver
from playwright.sync_api import Page, expect

from factorypulse.dev.every_page import is_page, pages_of, plain_routes
from tests.e2e.conftest import Person
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(900)]
_COLOURS_STAND = """async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    await frame();
    await frame();
    const fading = document.getAnimations().filter((each) => each instanceof CSSTransition);
    // What fades where nothing is drawn never finishes.
    const longest = new Promise((resolve) => setTimeout(resolve, 1_500));
    await Promise.race([Promise.allSettled(fading.map((each) => each.finished)), longest]);
}"""
NewPerson = Callable[..., Person]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# What a page is made of doesn't change with its theme; its colours do.
RULES_OF_THEME = {"light": RULES, "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}}}
WIDTHS = (390, 820, 1440, 2560)


def test_no_page_has_a_barrier_in_either_theme_and_none_is_wider_than_its_screen(
    trial: Trial, new_person: NewPerson
) -> None:
    owner = signed_in(trial, new_person)
    expect(owner.page.locator("[data-machine]").first).to_be_visible(timeout=60_000)
    addresses = pages_of(lambda path: asked_by(owner, trial.factory_url() + path))
    assert len(addresses) > 20, addresses
    troubles = [trouble for path in addresses for trouble in troubles_of(owner.page, trial.factory_url(), path)]
    assert troubles == []


def test_what_strangers_see_has_no_barrier_either(trial: Trial, new_person: NewPerson) -> None:
    """The public site and everything of a factory that opens to whoever has not signed in, as the URLconfs know it."""
    stranger = new_person()
    hosts = {trial.url: "factorypulse.urls_public", trial.factory_url(): "factorypulse.urls_factory"}
    addresses = [
        (base, path)
        for base, urlconf in hosts.items()
        for path in plain_routes(get_resolver(urlconf))
        if is_page(asked_by(stranger, base + path))
    ]
    addresses += [(trial.factory_url(), path) for path in ("/no-such-page", "/wall/gone", "/invitations/gone")]
    assert len(addresses) > 10, addresses
    troubles = [trouble for base, path in addresses for trouble in troubles_of(stranger.page, base, path)]
    assert troubles == []
    stranger.errors = [error for error in stranger.errors if "status of 404" not in error]


def asked_by(person: Person, url: str) -> tuple[int, str]:
    """Status and text of what an address answers this person."""
    answer = person.ask(url)
    return answer.status_code, answer.text


def test_a_person_changes_the_language_and_every_page_follows(trial: Trial, new_person: NewPerson) -> None:
    owner = signed_in(trial, new_person)
    page = owner.page
    for language, plant in (("de", "Werk"), ("", "Plant")):
        page.goto(f"{trial.factory_url()}/account")
        page.locator(f"button[name='language'][value='{language}']").click()
        expect(page.locator("html")).to_have_attribute("lang", language or "en")
        page.goto(trial.factory_url())
        expect(page.locator(".rail .nav__link").first).to_have_text(re.compile(plant))


def troubles_of(page: Page, base: str, path: str) -> list[str]:
    """What keeps somebody from using a page: violations that axe finds, and sideways scrolling."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(base + path)
    said = []
    for theme, rules in RULES_OF_THEME.items():
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of its words
        # The colours of what fades in or out are judged once they stand.
        page.evaluate(_COLOURS_STAND)
        found = Axe().run(page, options=rules).response["violations"]
        said += [f"{path} {theme} {one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"][:3]]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if beyond > 0:
            said.append(f"{path}: {beyond} px wider than {width}")
    return said


def test_a_person_with_a_keyboard_alone_finds_a_machine_and_its_last_week(trial: Trial, new_person: NewPerson) -> None:
    owner = signed_in(trial, new_person)
    page = owner.page
    expect(page.locator("[data-machine^='M0']")).to_have_count(8, timeout=60_000)
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()

    tab_to(page, "#fleet-search")
    page.keyboard.type("glycol")
    expect(page.locator("[data-machine]")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=glycol$"))
    expect(page.locator("#fleet-search")).to_be_focused()
    tab_to(page, ".tile__name a")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/machines/M07"))
    # A button of a chart that does not stand yet answers nothing.
    expect(page.locator("canvas").first).to_be_visible(timeout=20_000)
    tab_to(page, "[data-range='7d']")
    page.keyboard.press("Enter")
    expect(page.locator("[data-range='7d']")).to_have_attribute("aria-pressed", "true")


def test_components_answer_to_keys(trial: Trial, new_person: NewPerson) -> None:
    owner = signed_in(trial, new_person)
    page = owner.page
    page.goto(f"{trial.factory_url()}/styleguide")
    tab_to(page, "[data-opens='#sample-drawer']")
    page.keyboard.press("Enter")
    expect(page.locator("#sample-drawer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#sample-drawer")).to_be_hidden()
    expect(page.locator("[data-opens='#sample-drawer']")).to_be_focused()

    page.locator("#sg-tab-notes").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#sg-documents")).to_be_visible()
    expect(page.locator("#sg-notes")).to_be_hidden()
    expect(page).to_have_url(re.compile("#sg-documents$"))


def signed_in(trial: Trial, new_person: NewPerson, **size: int) -> Person:
    """The owner, on the plant's page."""
    owner = new_person(**size)
    owner.sign_in(trial.factory_url(), trial.owner_email, trial.owner_password)
    owner.page.wait_for_url(re.compile(r"localhost:\d+/$"))
    return owner


def tab_to(page: Page, selector: str, *, most: int = 80) -> None:
    """Press Tab until an element has the focus, as a person would."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by the Tab key")
