"""A second person signs up and invites others, each role tries every door, and the factory moves house."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from accounts.models import Role
from accounts.permission_table import ADMIN, ANYBODY, SIGN_IN, Door, doors, roles_for
from tests.e2e.conftest import Person
from tests.e2e.plant.test_first_day import PASSWORD, follow_link_in_mail, open_latest_mail_to
from tests.e2e.trial import Trial, running_trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(900)]
NewPerson = Callable[..., Person]
SLUG = "south-mill"
INVITED = (Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN)
# What a door is filled with: ids that are nobody's, so that what opens finds nothing and changes nothing.
_SAMPLES = {"int": "999999", "str": "nothing", "slug": "nothing"}
# They prove by their link or body, whoever asks.
_OWN_PROOF = {"api_report_download"}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Trial]:
    """Another installation, which has never heard of the factory."""
    with running_trial(simulator=False) as running:
        yield running


def _signed_up(trial: Trial, person: Person) -> None:
    page = person.page
    page.goto(f"{trial.url}/signup")
    page.get_by_label("Factory name").fill("South Mill")
    page.get_by_label(re.compile("^Address")).fill(SLUG)
    page.get_by_label(re.compile("e-mail", re.IGNORECASE)).fill("bea@south-mill.example")
    page.get_by_label(re.compile("^Password")).fill(PASSWORD)
    page.get_by_role("button", name="Create the factory").click()
    page.wait_for_url(re.compile(r"south-mill\.localhost"))
    open_latest_mail_to(person, trial, "bea@south-mill.example", "")
    follow_link_in_mail(person, "confirm-email")
    page.get_by_role("button", name=re.compile("Confirm")).click()
    page.wait_for_url(re.compile("first-run"))


def _joined(trial: Trial, owner: Person, person: Person, role: str) -> None:
    address = f"{role}@south-mill.example"
    owner.page.goto(f"{trial.factory_url(SLUG)}/people")
    form = owner.page.locator("form", has=owner.page.get_by_role("button", name="Send the invitation"))
    form.locator("[name=email]").fill(address)
    form.locator("[name=role]").select_option(role)
    form.get_by_role("button", name="Send the invitation").click()
    open_latest_mail_to(person, trial, address, "")
    follow_link_in_mail(person, "/invitations/")
    person.page.get_by_label("Your name").fill(role.title())
    person.page.get_by_label(re.compile("^Password")).fill(PASSWORD)
    person.page.locator("main button[type=submit], form button[type=submit]").last.click()
    expect(person.page.locator("h1").first).to_be_visible()
    assert person.ask(f"{trial.factory_url(SLUG)}/account").status_code == 200
    # What is tried next changes what this person may; an open page would say so.
    person.page.goto("about:blank")


def _tried(trial: Trial, person: Person, door: Door, method: str) -> httpx.Response:
    """One door by one method, with this browser's cookies and its CSRF token."""
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda found: _SAMPLES.get(found[1] or "str", "1"), door.path.replace("…", ""))
    url = f"{trial.factory_url(SLUG)}{path}"
    parts = httpx.URL(url)
    cookies = {cookie["name"]: cookie["value"] for cookie in person.context.cookies(url)}
    token = next((value for name, value in cookies.items() if "csrf" in name), "")
    origin = trial.factory_url(SLUG)
    headers = {"Host": parts.netloc.decode(), "X-CSRFToken": token, "Origin": origin, "Referer": f"{origin}/"}
    content = None if method == "GET" else b"{}"
    headers |= {} if method == "GET" else {"Content-Type": "application/json"}
    return httpx.request(
        method, parts.copy_with(host="127.0.0.1"), headers=headers, cookies=cookies, timeout=60, content=content
    )


def _wrong_answers(trial: Trial, person: Person, role: str) -> list[str]:
    """Every door of the permission table that opened to somebody it is shut to, or the other way round."""
    wrong = []
    for door in doors():
        methods = ("GET", "POST", "PATCH", "DELETE") if door.path.startswith("/api/") else ("GET", "POST")
        for method in methods:
            asked = door.asks_for(method.lower())
            if asked in {ANYBODY, SIGN_IN} or door.name in _OWN_PROOF or "(" in door.path:
                continue
            if asked == ADMIN and method != "GET":
                continue  # the admin's own forms; its pages are asked
            answer = _tried(trial, person, door, method)
            sent_away = answer.headers.get("Location", "").startswith(("/accounts/login/", "/admin/login/"))
            refused = answer.status_code in {401, 403} or sent_away
            if answer.status_code != 405 and refused == (role in roles_for(asked)):
                wrong.append(f"{method} {door.path} as {role}: {answer.status_code}, asks for {asked}")
            if answer.status_code >= 500:
                wrong.append(f"{method} {door.path} as {role}: {answer.status_code}")
    return wrong


def test_a_factory_is_signed_up_peopled_tried_exported_deleted_and_restored_elsewhere(
    quiet_trial: Trial, elsewhere: Trial, new_person: NewPerson, tmp_path: Path
) -> None:
    here = quiet_trial
    owner = new_person()
    _signed_up(here, owner)
    wrong: list[str] = []
    for role in INVITED:
        person = new_person()
        _joined(here, owner, person, role)
        wrong += _wrong_answers(here, person, role)
    assert wrong == []
    archive = _exported(here, owner, tmp_path)
    _deleted(here, owner)
    here.manage("delete_factory", SLUG, "--confirm", SLUG)
    assert owner.ask(f"{here.factory_url(SLUG)}/").status_code == 404

    elsewhere.manage("restore", str(archive))
    moved = new_person()
    moved.sign_in(elsewhere.factory_url(SLUG), "bea@south-mill.example", PASSWORD)
    moved.page.goto(f"{elsewhere.factory_url(SLUG)}/people")
    for role in INVITED:
        expect(moved.page.get_by_text(f"{role}@south-mill.example").first).to_be_visible()
    moved.page.goto(f"{elsewhere.factory_url(SLUG)}/audit")
    expect(moved.page.locator("code", has_text="factory.export_requested").first).to_be_visible()


def _exported(trial: Trial, owner: Person, folder: Path) -> Path:
    page = owner.page
    page.goto(f"{trial.factory_url(SLUG)}/factory")
    page.get_by_role("button", name="Export the factory").click()
    link = page.get_by_role("link", name=re.compile("Download"))
    expect(link).to_be_visible(timeout=60_000)
    owner.shoot("factory-export-1440", full_page=True)
    with page.expect_download() as download:
        link.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    assert path.name.startswith(f"{SLUG}-")
    return path


def _deleted(trial: Trial, owner: Person) -> None:
    page = owner.page
    page.get_by_text("Delete it", exact=True).click()
    form = page.locator("form[action='/factory/delete']")
    form.locator("[name=confirm]").fill(SLUG)
    form.locator("[name=password]").fill(PASSWORD)
    form.get_by_role("button", name="Delete the factory").click()
    expect(page.get_by_text("This factory is about to be deleted").first).to_be_visible()
    assert owner.ask(f"{trial.factory_url(SLUG)}/").status_code == 403
    # The page's own parts and its socket are refused from now on, as they should be, and the browser logs that.
    page.goto("about:blank")
    owner.errors.clear()
