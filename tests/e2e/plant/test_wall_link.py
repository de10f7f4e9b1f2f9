"""A hall's screen by a link: nobody signs in, it gets over a cut network and a restart, and a revocation ends it."""

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Person
from tests.e2e.plant.cable import Cable
from tests.e2e.plant.test_operators_day import _CUT
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(600)]
NewPerson = Callable[..., Person]
# What Chromium writes of requests that came while the server was away, and of those that the link's end refuses.
_AWAY = re.compile(r"status of (401|410|502|503)|htmx:responseError|error occurred when fetching the script")


def test_a_screen_opened_by_a_link_needs_nobody_until_the_link_is_revoked(trial: Trial, new_person: NewPerson) -> None:
    admin, screen = new_person(), new_person(width=1920, height=1080)
    admin.sign_in(trial.factory_url(), trial.owner_email, trial.owner_password)
    admin.page.wait_for_url(re.compile(r"localhost:\d+/$"))
    admin.page.goto(f"{trial.factory_url()}/wall-links")
    admin.page.get_by_label("Where the screen hangs").fill("Hall 2")
    admin.page.get_by_role("button", name="Make the link").click()
    path = "/wall/" + admin.page.locator("#wall-address").inner_text().rpartition("/")[2]

    cable = Cable(trial.port)
    base = f"http://demo.localhost:{cable.port}"
    wall = screen.page
    wall.goto(base + path)
    expect(wall.locator("[data-machine]").first).to_be_visible(timeout=60_000)
    expect(wall.locator(".connection")).to_have_attribute("data-state", "live", timeout=30_000)
    assert wall.locator("a[href^='/machines']").count() == 0
    screen.shoot("wall-by-link-1920", drawn_ms=2_000)

    cable.cut()
    expect(wall.locator(".stale").first).to_contain_text("No connection", timeout=30_000)
    cable.mend()
    expect(wall.locator(".stale").first).to_be_hidden(timeout=60_000)

    os.kill(trial.pid_of("daphne"), signal.SIGKILL)
    expect(wall.locator(".connection")).not_to_have_attribute("data-state", "live", timeout=30_000)
    expect(wall.locator(".connection")).to_have_attribute("data-state", "live", timeout=120_000)
    # Even without its session it comes back by its own address: nobody is there who could sign in.
    wall.context.clear_cookies()
    expect(wall.locator(".connection")).to_have_attribute("data-state", "live", timeout=60_000)
    until_there = re.compile(re.escape(path) + "$")
    expect(wall).to_have_url(until_there, timeout=60_000)
    expect(wall.locator("[data-machine]").first).to_be_visible(timeout=60_000)

    admin.page.goto(f"{trial.factory_url()}/wall-links")
    admin.page.get_by_label("Revoke: Hall 2", exact=True).first.click()
    admin.page.get_by_role("button", name="Yes, revoke: Hall 2").first.click()
    expect(wall.get_by_text("This link has ended", exact=False)).to_be_visible(timeout=60_000)
    for person in (admin, screen):
        person.errors = [error for error in person.errors if not _CUT.search(error) and not _AWAY.search(error)]
