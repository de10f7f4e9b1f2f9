"""A tab that nobody sees costs nothing: no readings, no frames, no requests; shown again, its charts have no gap."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, WebSocket, expect

from tests.e2e.conftest import Person
from tests.e2e.quiet.test_charts import MACHINES, Plant
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(600)]
NewPerson = Callable[..., Person]
MACHINE = MACHINES[0]
# Chromium without a window never hides a tab, so the page is told so, and told again. Frames are counted where they are
# asked for: a browser would hold them back in a hidden tab, so what asks for none here asks for none there.
_HIDEABLE = """
window.framesAsked = 0;
const plain = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (run) => { window.framesAsked += 1; return plain(run); };
let hidden = false;
Object.defineProperty(document, "hidden", { get: () => hidden });
Object.defineProperty(document, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });
window.hide = (so) => { hidden = so; document.dispatchEvent(new Event("visibilitychange")); };
"""


class Line:
    """What goes over a page's wires."""

    def __init__(self, page: Page) -> None:
        self.heard: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.asked: list[str] = []
        page.on("websocket", self._listen)
        page.on("request", self._ask)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.heard.append(json.loads(frame)))
        socket.on("framesent", lambda frame: self.sent.append(json.loads(frame)))

    def _ask(self, request: Request) -> None:
        if not request.url.startswith("data:"):
            self.asked.append(request.url)

    def readings(self) -> int:
        """How many messages with readings came."""
        return sum(message["type"] in {"readings", "snapshot"} for message in self.heard)

    def snapshot_of(self, machine: str) -> dict[str, Any] | None:
        """The first that came of a machine."""
        found = (each for each in self.heard if each["type"] == "snapshot" and each["machine"] == machine)
        return next(found, None)

    def forget(self) -> None:
        """Begin to count anew."""
        self.heard.clear()
        self.sent.clear()
        self.asked.clear()


@pytest.mark.parametrize("path", [f"/machines/{MACHINE}?range=5m", "/", "/alerts", "/wall"])
def test_hidden_tab_is_sent_nothing_draws_nothing_and_asks_nothing(
    quiet_trial: Trial, new_person: NewPerson, path: str
) -> None:
    with Plant(quiet_trial):
        viewer = new_person()
        viewer.context.add_init_script(_HIDEABLE)
        viewer.sign_in(quiet_trial.factory_url(), quiet_trial.owner_email, quiet_trial.owner_password)
        viewer.page.wait_for_url(re.compile(r"localhost:\d+/$"))
        line = Line(viewer.page)
        viewer.page.goto(quiet_trial.factory_url() + path)
        expect(viewer.page.locator(".connection").first).to_have_attribute("data-state", "live", timeout=30_000)
        shows_readings = path != "/alerts"
        if shows_readings:
            until(viewer.page, lambda: line.readings() > 2)
        line.forget()
        viewer.page.evaluate("() => window.hide(true)")
        if shows_readings:
            until(viewer.page, lambda: any(not message["watch"]["machines"] for message in line.sent))
        # What was under way when the tab was hidden may still come.
        until_quiet(viewer.page, line)
        viewer.page.evaluate("() => { window.framesAsked = 0; }")
        viewer.page.wait_for_timeout(8_000)
        assert line.readings() == 0
        assert line.asked == []
        assert viewer.page.evaluate("() => window.framesAsked") == 0

        viewer.page.evaluate("() => window.hide(false)")
        if shows_readings:
            # The plant has machines of other tests, too, which have long been silent.
            until(viewer.page, lambda: line.snapshot_of(MACHINE) is not None)
            snapshot = line.snapshot_of(MACHINE)
            assert snapshot is not None
            # The plant went on once a second; what was missed comes as one piece, from the store.
            gaps = [later - earlier for earlier, later in zip(snapshot["t"], snapshot["t"][1:], strict=False)]
            assert snapshot["t"][-1] > time.time() * 1000 - 15_000
            assert max(gaps[-8:]) < 5_500


def until_quiet(page: Page, line: Line) -> None:
    """Let the page go on until nothing has come or gone for three seconds, and begin to count."""
    for _look in range(20):
        line.forget()
        page.wait_for_timeout(3_000)
        if line.readings() == 0 and line.asked == []:
            return
    raise AssertionError(f"it never became quiet: {line.readings()} messages with readings, {line.asked}")


def until(page: Page, holds: Callable[[], bool], *, within_ms: int = 40_000) -> None:
    """Let the page go on until it holds."""
    for _look in range(within_ms // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it never came to that")
