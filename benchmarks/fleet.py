"""A plant of 200 machines on one page in real Chromium, at full speed and as a phone: `make bench NAME=fleet`.

A whole trial runs; every machine reports once a second by MQTT. Frame time is the distance between two animation
frames while the page is scrolled from end to end; memory is the heap after garbage collection, before and after. First
page: when tiles can be read and used, and what its scripts weigh, packed as production sends them (gzip). Browser,
machines and servers share two cores, and there is no GPU.
"""

import argparse
import gzip
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks._chart_page import chromium
from benchmarks.frames import _WATCH, _spread
from benchmarks.ingest import FOLDER
from benchmarks.journey.messages import varint_encode
from benchmarks.journey.mqtt_link import link_open
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.trial import running

RESULT = FOLDER / "fleet.json"
METRIC = "vibration"
_SCROLL = """
async (seconds) => {
  const until = performance.now() + seconds * 1000;
  let step = 40;
  while (performance.now() < until) {
    const edge = document.documentElement.scrollHeight - innerHeight;
    if (scrollY + step > edge || scrollY + step < 0) step = -step;
    scrollBy(0, step);
    await new Promise((done) => setTimeout(done, 50));
  }
}
"""


class Plant:
    """Machines that report once a second, until told to stop."""

    def __init__(self, contender: FactoryPulse, machines: list[str]) -> None:
        self._link = link_open(contender.mqtt, "bench-plant")
        self._topics = [f"factories/{contender.mqtt.factory}/devices/{key}/telemetry".encode() for key in machines]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more readings."""
        self._stopping.set()
        self._thread.join()

    def _report(self) -> None:
        second = 0
        while not self._stopping.is_set():
            begun = time.monotonic()
            for number, topic in enumerate(self._topics):
                payload = json.dumps({"metrics": {METRIC: 2 + (second * 7 + number * 13) % 50 / 50}}).encode()
                body = len(topic).to_bytes(2) + topic + b"\x00\x01" + payload
                self._link.sendall(b"\x32" + varint_encode(len(body)) + body)
                self._link.recv(4)
            second += 1
            self._stopping.wait(max(0.0, 1.0 - (time.monotonic() - begun)))


def main() -> int:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is scrolled")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    machines = [f"M{number:03d}" for number in range(asked.machines)]
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="fleet-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        contender = FactoryPulse(folder, store="postgres")
        with running(contender), chromium() as browser:
            plant = Plant(contender, machines)
            try:
                found = [_measure(contender, browser, asked, slowed) for slowed in (1, 4)]
            finally:
                plant.stop()
    for row in found:
        print(", ".join(f"{word}: {value}" for word, value in row.items()))
    RESULT.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return 0


def _measure(contender: FactoryPulse, browser: Any, asked: argparse.Namespace, slowed: int) -> dict[str, Any]:
    viewer = contender.viewers(["M000"])[0]
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    name, _, value = viewer.cookie.partition("=")
    page.context.add_cookies([{"name": name, "value": value, "url": f"http://{viewer.host}"}])
    scripts: dict[str, int] = {}
    session = page.context.new_cdp_session(page)
    if slowed > 1:
        session.send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    _wait_for_plant(page, viewer.host, asked.machines)
    page.on("response", lambda answer: _weigh(answer, scripts))
    begun = time.monotonic()
    page.goto(f"http://{viewer.host}/", wait_until="commit")
    page.locator("[data-machine]").nth(asked.machines - 1).wait_for(state="attached")
    page.wait_for_function("document.querySelector('.connection').dataset.state === 'live'")
    usable_s = time.monotonic() - begun
    page.wait_for_timeout(3_000)
    before = _heap_mib(session)
    page.evaluate(_WATCH)
    page.evaluate(_SCROLL, asked.seconds)
    seen = page.evaluate("() => ({ frames: frames_, tasks: tasks_ })")
    row = {
        "cpu_slowed": slowed,
        "machines": asked.machines,
        "live_after_s": round(usable_s, 2),
        "scripts_kb_gzip": round(sum(scripts.values()) / 1000, 1),
        "frames_per_s": round(len(seen["frames"]) / asked.seconds, 1),
        **_spread("frame", seen["frames"]),
        "tasks_over_50_ms": len(seen["tasks"]),
        "heap_mib_before": round(before, 1),
        "heap_mib_after": round(_heap_mib(session), 1),
    }
    page.context.close()
    return row


def _wait_for_plant(page: Any, host: str, machines: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        page.goto(f"http://{host}/")
        if page.locator("[data-machine]").count() >= machines:
            return
        page.wait_for_timeout(1_000)
    raise SystemExit("the machines did not register")


def _weigh(answer: Any, scripts: dict[str, int]) -> None:
    if answer.url.endswith(".js") and answer.ok:
        scripts[answer.url] = len(gzip.compress(answer.body()))


def _heap_mib(session: Any) -> float:
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1024**2


if __name__ == "__main__":
    sys.exit(main())
