"""An operator's day: a wall, a machine that goes bad, why and since when, last week, an export, a phone, no network."""

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.conftest import Person
from tests.e2e.plant.cable import Cable
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(600)]
NewPerson = Callable[..., Person]
MACHINE, LIMIT, BAD = "P-99", 80.0, 95.4
# What Chromium writes for each request that a cut line refuses.
_CUT = re.compile(
    r"net::ERR_|htmx:afterRequest|WebSocket connection to|htmx:sendError|Response Status Error|Failed to fetch"
    r"|/service-worker.js"
)


def test_an_operators_day(trial: Trial, new_person: NewPerson) -> None:
    plant = Plant(trial)
    plant.send(61.0)
    plant.rule()
    cable = Cable(trial.port)
    hall, phone = new_person(width=1920, height=1080), new_person(width=390, height=844)
    base = f"http://demo.localhost:{cable.port}"
    for person in (hall, phone):
        person.sign_in(base, trial.owner_email, trial.owner_password)
        expect(person.page.locator(f"[data-machine='{MACHINE}']")).to_have_count(1)

    # The wall shows it by itself when the machine goes bad.
    wall = hall.page
    wall.goto(f"{base}/wall")
    plant.send(BAD)
    alert = wall.locator("#wall-alerts")
    expect(alert).to_contain_text(MACHINE)
    hall.shoot("wall-1920", drawn_ms=2_000)

    # What is it, and since when?
    desk = hall.context.new_page()
    desk.goto(f"{base}/alerts")
    desk.get_by_role("link", name=re.compile(MACHINE)).first.click()
    expect(desk.locator("h1")).to_contain_text(re.compile("hot", re.IGNORECASE))
    expect(desk.locator("main")).to_contain_text("95.4")
    expect(desk.get_by_text("Since", exact=True).first).to_be_visible()

    last_week_and_export(hall, desk, base)
    the_network_is_cut(hall, wall, phone, cable, base)
    for person in (hall, phone):
        person.errors = [error for error in person.errors if not _CUT.search(error)]


def last_week_and_export(hall: Person, desk: Page, base: str) -> None:
    """A machine's last week is one key away, and what is seen leaves as a file."""
    desk.goto(f"{base}/machines/{MACHINE}")
    expect(desk.locator("canvas").first).to_be_visible()
    desk.locator("[data-range='7d']").click()
    expect(desk.locator("[data-range='7d']")).to_have_attribute("aria-pressed", "true")
    expect(desk).to_have_url(re.compile(r"7d"))
    link = desk.get_by_role("link", name="CSV").get_attribute("href")
    exported = hall.ask(urljoin(base, link))
    assert exported.headers["content-type"].startswith("text/csv")
    assert "95.4" in exported.text
    desk.close()


def the_network_is_cut(hall: Person, wall: Page, phone: Person, cable: Cable, base: str) -> None:
    """The wall keeps its picture and says how old it is; the phone keeps an acknowledgement until it can be sent."""
    page = phone.page
    page.goto(f"{base}/alerts")
    controlled_by_worker(page)
    for path in ("/", "/alerts"):
        page.goto(f"{base}{path}")
        kept_of(phone.context, page, path)
    shown = wall.locator("[data-machine]").count()
    cable.cut()

    expect(wall.locator(".stale").first).to_contain_text("No connection")
    assert wall.locator("[data-machine]").count() == shown
    hall.shoot("wall-cut-1920")

    page.goto(f"{base}/")
    expect(page.locator("body[data-kept]")).to_have_count(1)
    expect(page.locator(f"[data-machine='{MACHINE}']")).to_have_count(1)
    expect(page.locator(".stale").first).to_contain_text("No connection")
    phone.shoot("plant-offline-390")
    page.goto(f"{base}/alerts")
    row = page.locator('li[id^="alert-"]', has_text=f"{MACHINE}: Too hot")
    row.get_by_role("button", name="Acknowledge", exact=True).click()
    expect(page.locator(".toasts")).to_contain_text("kept")
    expect(page.locator("[data-module='outbox']")).to_contain_text("1 acknowledgement")
    phone.shoot("acknowledged-offline-390")

    cable.mend()
    expect(wall.locator(".stale").first).to_be_hidden(timeout=40_000)
    expect(wall.locator(".connection")).to_contain_text("Live")
    expect(page.locator("body:not([data-kept])")).to_have_count(1, timeout=40_000)
    expect(page.locator("[data-module='outbox']")).to_be_hidden(timeout=40_000)
    page.goto(f"{base}/alerts?state=acknowledged")
    expect(page.locator('li[id^="alert-"]', has_text=f"{MACHINE}: Too hot")).to_have_count(1)

    # Nothing stays behind on the phone once somebody has signed out.
    page.goto(f"{base}/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("login"))
    assert until(lambda: kept_pages(page) == [])


class Plant:
    """A machine of our own, and a rule about it, through the public API."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._key = trial.manage("create_api_key", "demo", "--name", "Press").splitlines()[-1]

    def send(self, value: float) -> None:
        """One reading now."""
        body = {"machine": MACHINE, "metrics": {"temperature": value}}
        self._post("telemetry/ingest", body, {"X-API-Key": self._key})

    def rule(self) -> None:
        """Too hot above the limit."""
        person = {"email": self._trial.owner_email, "password": self._trial.owner_password}
        access = self._post("auth/login", person, {})["access"]
        condition = {"metric": "temperature", "op": ">", "value": LIMIT}
        body = {"name": "Too hot", "machines": [MACHINE], "when": {"all": [condition]}, "severity": "critical"}
        self._post("rules", body, {"Authorization": f"Bearer {access}"})

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        host = {"Host": f"demo.localhost:{self._trial.port}"}
        address = f"http://127.0.0.1:{self._trial.port}/api/v1/{path}"
        answer = httpx.post(address, json=body, headers={**host, **headers}, timeout=30)
        assert answer.status_code < 300, answer.text
        return dict(answer.json())


def controlled_by_worker(page: Page) -> None:
    """Wait until the service worker has taken the page over."""
    page.wait_for_function("navigator.serviceWorker.controller !== null")


def kept_of(context: BrowserContext, page: Page, path: str) -> None:
    """Wait until the worker has kept a page."""
    assert until(lambda: path in kept_pages(page)), (path, kept_pages(page))


def kept_pages(page: Page) -> list[str]:
    """What the worker keeps of a person, as paths."""
    script = """async () => (await caches.has("pages"))
        ? (await (await caches.open("pages")).keys()).map((entry) => new URL(entry.url).pathname) : []"""
    return list(page.evaluate(script))


def until(holds: Callable[[], bool], *, within_s: float = 30.0) -> bool:
    """Ask again until it holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
