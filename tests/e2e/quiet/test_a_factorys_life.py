"""A second person signs up and invites others, each role tries every door, and the factory moves house."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from accounts.actions import FACTORY
from accounts.models import Role
from accounts.permission_table import ADMIN, ANYBODY, SIGN_IN, Door, doors, roles_for
from tests.e2e.conftest import Person
from tests.e2e.plant.test_first_day import PASSWORD, follow_link_in_mail, open_latest_mail_to
from tests.e2e.trial import Trial, running_trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(900)]
NewPerson = Callable[..., Person]
SLUG = "south-mill"
INVITED = (Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN)
MANUAL = b"%PDF-1.7 how to grease it"
# What a door is filled with: ids that are nobody's, so that what opens finds nothing and changes nothing.
_SAMPLES = {"int": "999999", "str": "nothing", "slug": "nothing"}
# They prove by their link or body, whoever asks.
_OWN_PROOF = {"api_report_download"}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Trial]:
    """Another installation, which has never heard of the factory."""
    with running_trial(simulator=False) as running:
        yield running


def _signed_up(trial: Trial, person: Person) -> str:
    """Returns the key that the page of the first day shows for a device."""
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
    shown = re.search(r"fp_[\w-]+", page.locator("#command-curl").inner_text())
    assert shown is not None
    # The page follows the first reading away, which may come while something else is done here.
    page.goto("about:blank")
    return shown[0]


def _sent(trial: Trial, key: str, *, readings: int = 1) -> httpx.Response:
    """What a device sends, a second apart until now."""
    end_ms = int(time.time() * 1000)
    times = [end_ms - 1000 * number for number in reversed(range(readings))]
    body = {"machine": "M01", "timestamps": times, "metrics": {"vibration": [number / 8 for number in range(readings)]}}
    url = f"http://127.0.0.1:{trial.port}/api/v1/telemetry/ingest"
    return httpx.post(url, json=body, headers={"Authorization": f"Api-Key {key}"}, timeout=60)


def _readings(trial: Trial, person: Person) -> list[float]:
    """Every reading that history has of the machine in the last hour."""
    since_ms = int(time.time() * 1000) - 3_600_000
    answer = person.ask(f"{trial.factory_url(SLUG)}/api/v1/telemetry/M01?raw=true&limit=500&from={since_ms}")
    return [value for part in answer.json().get("metrics", []) for value in part["value"]]


def _equipped(trial: Trial, owner: Person, key: str, manual: Path) -> list[float]:
    """A machine with readings in history and a document; returns the readings."""
    assert _sent(trial, key, readings=100).status_code == 201
    deadline = time.monotonic() + 60
    while len(found := _readings(trial, owner)) < 100 and time.monotonic() < deadline:
        owner.page.wait_for_timeout(200)
    manual.write_bytes(MANUAL)
    owner.page.goto(f"{trial.factory_url(SLUG)}/machines/M01")
    owner.page.locator("#document-file").set_input_files(manual)
    owner.page.get_by_role("button", name="Add document").click()
    expect(owner.page.get_by_role("link", name=manual.name)).to_be_visible()
    owner.page.goto("about:blank")
    assert found == [number / 8 for number in range(100)]
    return found


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


@contextmanager
def _asking(trial: Trial, person: Person) -> Iterator[httpx.Client]:
    """Whatever this browser could send, by its cookies and its CSRF token, on one connection."""
    origin = httpx.URL(trial.factory_url(SLUG))
    cookies = {cookie["name"]: cookie["value"] for cookie in person.context.cookies(str(origin))}
    token = next((value for name, value in cookies.items() if "csrf" in name), "")
    # As a header: cookies of the host by its name are none of the address that is asked.
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"Host": origin.netloc.decode(), "Cookie": cookie, "X-CSRFToken": token}
    headers |= {"Origin": str(origin), "Referer": f"{origin}/"}
    with httpx.Client(base_url=origin.copy_with(host="127.0.0.1"), headers=headers, timeout=60) as client:
        yield client


def _tried(client: httpx.Client, door: Door, method: str) -> httpx.Response:
    """One door by one method."""
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda found: _SAMPLES.get(found[1] or "str", "1"), door.path.replace("…", ""))
    if method == "GET":
        answer = client.get(path)
    else:
        answer = client.request(method, path, content=b"{}", headers={"Content-Type": "application/json"})
    # What a door sets is the browser's affair; each is asked with what the person came with.
    client.cookies.clear()
    return answer


def _wrong_answers(trial: Trial, person: Person, role: str) -> list[str]:
    """Every door of the permission table that opened to somebody it is shut to, or the other way round."""
    wrong = []
    with _asking(trial, person) as client:
        for door in doors():
            for method in ("GET", "POST", "PATCH", "DELETE") if door.path.startswith("/api/") else ("GET", "POST"):
                asked = door.asks_for(method.lower())
                if _is_asked(door, method, asked, role):
                    answer = _tried(client, door, method)
                    if not _is_right(answer, may=role in roles_for(asked)):
                        wrong.append(f"{method} {door.path} as {role}: {answer.status_code}, asks for {asked}")
    return wrong


def _is_asked(door: Door, method: str, asked: str, role: str) -> bool:
    if asked in {ANYBODY, SIGN_IN} or door.name in _OWN_PROOF or "(" in door.path:
        return False
    if method == "GET":
        return True
    # The admin's own forms come by its pages; what an owner does to the factory comes below, by the buttons.
    return asked != ADMIN and not (asked == FACTORY and role == Role.OWNER)


def _is_right(answer: httpx.Response, *, may: bool) -> bool:
    sent_away = answer.headers.get("Location", "").startswith(("/accounts/login/", "/admin/login/"))
    refused = answer.status_code in {401, 403} or sent_away
    return answer.status_code < 500 and (answer.status_code == 405 or refused != may)


def test_a_factory_is_signed_up_peopled_tried_exported_deleted_and_restored_elsewhere(
    quiet_trial: Trial, elsewhere: Trial, new_person: NewPerson, tmp_path: Path
) -> None:
    here = quiet_trial
    owner = new_person()
    key = _signed_up(here, owner)
    wrong: list[str] = []
    for role in INVITED:
        person = new_person()
        _joined(here, owner, person, role)
        wrong += _wrong_answers(here, person, role)
    wrong += _wrong_answers(here, owner, Role.OWNER)
    assert wrong == []
    readings = _equipped(here, owner, key, tmp_path / "manual.pdf")
    archive = _exported(here, owner, tmp_path)
    _deleted(here, owner)
    assert _sent(here, key).status_code in {401, 403}
    here.manage("delete_factory", SLUG, "--confirm", SLUG)
    assert owner.ask(f"{here.factory_url(SLUG)}/").status_code == 404
    assert _sent(here, key).status_code == 401

    assert _sent(elsewhere, key).status_code == 401
    elsewhere.manage("restore", str(archive))
    _moved_in(elsewhere, new_person(), readings)
    assert _sent(elsewhere, key).status_code == 201
    viewer = new_person()
    viewer.sign_in(elsewhere.factory_url(SLUG), f"{Role.VIEWER}@south-mill.example", PASSWORD)
    expect(viewer.page.get_by_role("heading", level=1)).to_be_visible()
    assert viewer.ask(f"{elsewhere.factory_url(SLUG)}/machines/M01").status_code == 200
    assert viewer.ask(f"{elsewhere.factory_url(SLUG)}/people").status_code == 403


def _moved_in(trial: Trial, owner: Person, readings: list[float]) -> None:
    """Everything that was there is there again: people, what they did, readings and files."""
    owner.sign_in(trial.factory_url(SLUG), "bea@south-mill.example", PASSWORD)
    expect(owner.page.get_by_role("heading", level=1)).to_be_visible()
    assert _readings(trial, owner) == readings
    owner.page.goto(f"{trial.factory_url(SLUG)}/machines/M01")
    with owner.page.expect_download() as download:
        owner.page.get_by_role("link", name="manual.pdf").click()
    assert Path(download.value.path()).read_bytes() == MANUAL
    owner.page.goto(f"{trial.factory_url(SLUG)}/people")
    for role in INVITED:
        expect(owner.page.get_by_text(f"{role}@south-mill.example").first).to_be_visible()
    owner.page.goto(f"{trial.factory_url(SLUG)}/audit")
    expect(owner.page.locator("code", has_text="factory.export_requested").first).to_be_visible()


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
