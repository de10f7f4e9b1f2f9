"""An alert's whole life as an operator sees it: it arrives, is taken in hand, put aside, comes back and is judged."""

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Person
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(600)]
RULE = {
    "name": "Pump vibrates",
    "machines": ["P-07"],
    "when": {"all": [{"metric": "vibration_mm_s", "op": "above", "value": 4.5, "clear": 4.0}]},
    "severity": "critical",
}


class Pump:
    """A machine's gateway and an integration, on the trial's own doors."""

    def __init__(self, trial: Trial) -> None:
        words = ("create_api_key", "demo", "--name", "gateway", "--scope", "ingest,read,write")
        key = trial.manage(*words).strip().splitlines()[-1]
        self.client = httpx.Client(base_url=trial.url, headers={"X-API-Key": key}, timeout=30)
        self.newest_ms = round(time.time() * 1000) - 60_000

    def post(self, path: str, body: Any) -> httpx.Response:
        answer = self.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer

    def sends(self, vibration: float) -> None:
        """Five readings of the same value, each newer than everything before."""
        times = [self.newest_ms + 1000 * step for step in range(1, 6)]
        self.newest_ms = times[-1]
        metrics = {"vibration_mm_s": [vibration] * 5}
        self.post("/telemetry/ingest", {"machine": "P-07", "timestamps": times, "metrics": metrics})


def row(page: Page) -> Any:
    return page.locator("#alert-list .alert", has_text="Pump vibrates")


def test_an_alert_arrives_is_handled_returns_and_is_judged(
    quiet_trial: Trial, new_person: Callable[..., Person]
) -> None:
    pump = Pump(quiet_trial)
    pump.post("/machines", {"key": "P-07", "name": "Pump 7", "machine_type": "pump"})
    pump.post("/rules", RULE)
    pump.sends(2.1)
    owner = new_person()
    page, url = owner.page, quiet_trial.factory_url()
    owner.sign_in(url, quiet_trial.owner_email, quiet_trial.owner_password)
    page.wait_for_url(f"{url}/")
    page.goto(f"{url}/alerts")
    expect(page.get_by_text("Nothing is wrong")).to_be_visible()

    # It arrives by itself, says what is wrong, and sounds for who asked for it.
    page.get_by_role("button", name="Sound").click()
    pump.sends(7.9)
    expect(row(page)).to_be_visible()
    expect(row(page)).to_contain_text("7.90 mm/s")
    expect(page.locator("#alert-banner")).to_contain_text("Pump vibrates")
    expect(page.locator("[data-sound]")).to_have_attribute("data-sounded", "critical")

    # It stands behind the bell, as new until it was read.
    bell = page.get_by_role("link", name=re.compile("^My notifications, unread"))
    unread = int(bell.locator("[data-inbox-count]").inner_text())
    bell.click()
    told = page.locator("#inbox .inbox__entry", has_text="Pump vibrates").first
    expect(told).to_contain_text("New")
    owner.shoot("bell-1440")
    told.get_by_role("button", name=re.compile("^Mark as read")).click()
    expect(told.get_by_role("button", name=re.compile("^Mark as new"))).to_be_visible()
    left = page.locator("[data-inbox-count]").first
    expect(left).to_have_text(str(unread - 1))
    page.keyboard.press("Escape")
    expect(page.locator("#inbox")).to_be_hidden()

    # Acknowledged in place, with a comment; nothing is taken from under the fingers meanwhile.
    row(page).locator("summary").click()
    row(page).locator("textarea").fill("On my way with the spectrum analyser")
    row(page).get_by_role("button", name="Acknowledge").click()
    expect(row(page)).to_contain_text("Owner")
    expect(row(page).get_by_role("button", name="Acknowledge")).to_have_count(0)
    owner.shoot("console-in-hand-1440")

    # Put aside by keys alone, with a reason.
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-bulk]")).to_contain_text("1 chosen")
    page.keyboard.press("s")
    page.get_by_label("Why").fill("Fitter comes at noon")
    owner.shoot("console-shelving-1440")
    page.locator("dialog[open]").get_by_role("button", name="Shelve").click()
    expect(page.get_by_text("1 alert shelved.")).to_be_visible()
    expect(row(page)).to_have_count(0)
    page.get_by_role("link", name=re.compile("^Shelved")).click()
    expect(row(page)).to_contain_text("Fitter comes at noon")
    row(page).get_by_role("button", name="Take back").click()
    expect(row(page)).to_have_count(0)
    page.get_by_role("link", name=re.compile("^Open")).click()
    expect(row(page).get_by_role("button", name="Acknowledge")).to_be_visible()

    # It is over while it is chosen, and stays chosen.
    row(page).get_by_role("checkbox").check()
    pump.sends(2.2)
    expect(row(page)).to_contain_text("Back to normal")
    expect(row(page).get_by_role("checkbox")).to_be_checked()

    # Closed with a verdict, which stands in its history.
    page.keyboard.press("e")
    page.get_by_role("radio", name="Real trouble").check()
    page.locator("dialog[open]").get_by_label(re.compile("^Comment")).fill("Bearing replaced")
    page.locator("dialog[open]").get_by_role("button", name="Close", exact=True).last.click()
    expect(page.get_by_text("Nothing is wrong")).to_be_visible()
    page.get_by_role("link", name="Cleared").click()
    expect(row(page)).to_contain_text("Real trouble")
    row(page).get_by_role("link", name=re.compile("Pump vibrates")).click()
    for words in ("Raised", "On my way with the spectrum analyser", "Fitter comes at noon", "Back from the shelf",
                  "Back to normal", "Closed", "Bearing replaced"):  # fmt: skip
        expect(page.locator(".timeline")).to_contain_text(words)
    owner.shoot("alert-judged-1440", full_page=True)

    # The same on a phone: it comes again, and this time it was expected.
    phone = new_person(width=390, height=844)
    phone.sign_in(url, quiet_trial.owner_email, quiet_trial.owner_password)
    phone.page.wait_for_url(f"{url}/")
    phone.page.goto(f"{url}/alerts")
    pump.newest_ms = round(time.time() * 1000) - 10_000
    pump.sends(8.4)
    expect(row(phone.page)).to_be_visible()
    phone.shoot("console-390")
    row(phone.page).get_by_role("link", name=re.compile("Pump vibrates")).click()
    expect(phone.page.locator("#similar")).to_contain_text("Real trouble")
    phone.page.get_by_text("Close with a verdict").click()
    phone.page.get_by_role("radio", name="Real, but expected").check()
    phone.page.locator("form", has_text="What was it?").get_by_role("button", name="Close").click()
    expect(phone.page.locator(".timeline")).to_contain_text("Real, but expected")
    phone.shoot("alert-390", full_page=True)
