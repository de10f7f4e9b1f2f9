"""A person with a browser: Debian's Chromium, driven by Playwright.

All of these tests are one group, so that at most one trial and one browser run at a time beside the rest of the suite.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

SCREENSHOTS = os.environ.get("SCREENSHOTS_DIR")
# What Chromium and HTMX write for what is no fault: a form that comes back with its errors is answered 422; a request
# that a newer one, or the next page, takes the place of is aborted, and HTMX tells of both as of errors.
_NO_FAULT = re.compile(r"status of 422|htmx:sendAbort|: htmx:afterRequest, ")
_PATIENCE_MS = 30_000


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """A page takes as long as a machine needs that runs the whole suite beside it; nothing here is about speed."""
    expect.set_options(timeout=_PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")  # not longer: Playwright keeps an event loop running in this thread, as other tests do
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        )
        yield launched
        launched.close()


class Person:
    """One browser of one person; fails the test when a page logs an error or asks another host for something."""

    def __init__(self, browser: Browser, *, width: int = 1440, height: int = 900) -> None:
        self.context: BrowserContext = browser.new_context(viewport={"width": width, "height": height})
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.strangers: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self._note(line.text) if line.type == "error" else None)
        self.page.on("request", lambda request: self._watch(request.url))

    def _note(self, text: str) -> None:
        if not _NO_FAULT.search(text):
            self.errors.append(f"{self.page.url}: {text}")

    def ask(self, url: str) -> httpx.Response:
        """Get an address with this person's cookies, without the page noticing."""
        parts = httpx.URL(url)
        cookies = {cookie["name"]: cookie["value"] for cookie in self.context.cookies(url)}
        # Not every resolver knows *.localhost, as browsers do; the server listens on the loopback address.
        return httpx.get(
            parts.copy_with(host="127.0.0.1"), headers={"Host": parts.netloc.decode()}, cookies=cookies, timeout=60
        )

    def _watch(self, url: str) -> None:
        host = url.split("/")[2].partition(":")[0] if "://" in url else "localhost"
        if url.startswith(("http", "ws")) and not (host == "localhost" or host.endswith(".localhost")):
            self.strangers.append(url)

    def sign_in(self, factory_url: str, email: str, password: str) -> None:
        self.page.goto(factory_url)
        self.page.locator("#id_login").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def shoot(self, name: str, *, full_page: bool = False, drawn_ms: int = 0) -> None:
        """Keep a picture for looking at, when SCREENSHOTS_DIR says where; charts are given a while to draw."""
        if SCREENSHOTS:
            self.page.wait_for_timeout(drawn_ms)
            # Hiding the caret would write a style into the page, which our policy forbids and the page's log tells.
            self.page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"), full_page=full_page, caret="initial")

    def close(self) -> None:
        self.context.close()
        assert self.errors == []
        assert self.strangers == []


@pytest.fixture
def new_person(browser: Browser) -> Iterator[type[Person] | object]:
    people: list[Person] = []

    def make(*, width: int = 1440, height: int = 900) -> Person:
        people.append(Person(browser, width=width, height=height))
        return people[-1]

    yield make
    for person in people:
        person.close()
