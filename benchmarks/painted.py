"""From a device's publish to the pixel on an operator's chart, in real Chromium: `make bench NAME=painted`.

A whole trial runs. A device publishes a staircase by MQTT (QoS 1, durable before PUBACK), and the machine's page is
read pixel by pixel at every animation frame: a step is painted when the line at the right edge stands at its height.
So ingest, live frames, the socket, buckets and drawing are all in it. Browser, device and servers share the machine.

A chart takes its range from what lies in its window, so each stair begins with a spike to both ends of the scale, which
outlasts the stair: the steps lie well inside an axis that stands still, and a stair whose axis moved is not believed.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._chart_page import chromium
from benchmarks.ingest import FOLDER
from benchmarks.journey.messages import varint_encode
from benchmarks.journey.mqtt_link import LinkError, link_open
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.trial import running

RESULT = FOLDER / "painted.json"
MACHINE, METRIC = "M01", "level"
_WINDOW = "30s"
_BOTTOM, _TOP = 0.0, 100.0
_LOW, _HIGH = 10.0, 90.0
_STEPS = np.arange(15.0, _HIGH, 5.0)
_STEP_S = 0.25
# A step that is not painted by then counts as lost.
_WITHIN_MS = 5_000
# Half a step: the line is nearer to this step than to the one before.
_NEAR = 2.5
_STILL_MS, _STILL_PX, _STILL_WITHIN_S = 400, 1, 20.0
# The topmost pixel of the line's colour near the right edge of the plot, at every frame. The strip holds nearly two
# seconds, so that a step is found however late it is; on a rising stair the newest is the topmost.
_PROBE = """
(metric) => {
  const chart = document.querySelector(`[data-chart="${metric}"]`);
  const canvas = chart.querySelector("canvas"), over = chart.querySelector(".u-over");
  const probe = document.createElement("span");
  chart.append(probe);
  probe.className = "probe";
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(".probe { color: var(--series) }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
  const box = canvas.getBoundingClientRect(), plot = over.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  const [x, y] = [Math.round((plot.right - box.left - 61) * ratio), Math.round((plot.top - box.top) * ratio)];
  const [width, height] = [Math.round(60 * ratio), Math.round(plot.height * ratio)];
  const context = canvas.getContext("2d");
  window.tops = [];
  const look = () => {
    const { data } = context.getImageData(x, y, width, height);
    let top = null;
    for (let at = 0; at < data.length; at += 4) {
      if (Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b) > 90) continue;
      top = Math.floor(at / 4 / width);
      break;
    }
    window.tops.push([Date.now(), top]);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
"""


class _Device:
    """One connection that publishes readings and waits for each acknowledgement."""

    def __init__(self, contender: FactoryPulse) -> None:
        self._link = link_open(contender.mqtt, "bench-device")
        word = f"factories/{contender.mqtt.factory}/devices/{MACHINE}/telemetry".encode()
        self._topic = len(word).to_bytes(2) + word

    def say(self, value: float) -> float:
        """Publish a value now; when that was, epoch milliseconds. Raises LinkError."""
        now_ms = time.time() * 1000
        payload = json.dumps({"timestamp": int(now_ms), "metrics": {METRIC: value}}).encode()
        body = self._topic + b"\x00\x01" + payload
        self._link.sendall(b"\x32" + varint_encode(len(body)) + body)
        if len(self._link.recv(4)) < 4:
            raise LinkError("no acknowledgement")
        return now_ms

    def hold(self, value: float, seconds: float) -> None:
        """Say the same for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.say(value)
            time.sleep(0.1)


def main() -> int:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.painted", description=__doc__)
    parser.add_argument("--stairs", type=int, default=14, help=f"of {len(_STEPS)} steps each")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="painted-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        contender = FactoryPulse(folder, store="postgres")
        with running(contender), chromium() as browser:
            found = _measure(contender, browser, asked.stairs)
    print(", ".join(f"{word}: {value}" for word, value in found.items()))
    RESULT.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return 0


def _measure(contender: FactoryPulse, browser: Any, stairs: int) -> dict[str, Any]:
    device = _Device(contender)
    device.hold(_LOW, 5.0)
    page = _open(contender, browser)
    page.evaluate(_PROBE, METRIC)
    delays: list[float] = []
    lost = moved = 0
    for _stair in range(stairs):
        found = _stair_of(page, device)
        if found is None:
            moved += 1
            continue
        delays += [delay for delay in found if delay is not None]
        lost += sum(delay is None for delay in found)
    page.close()
    if not delays:
        raise SystemExit("the chart shows nothing of what is published")
    return {
        "steps": len(delays),
        "not_painted_within_5_s": lost,
        "stairs_not_believed": moved,
        "p50_ms": round(float(np.percentile(delays, 50))),
        "p95_ms": round(float(np.percentile(delays, 95))),
        "p99_ms": round(float(np.percentile(delays, 99))),
        "longest_ms": round(max(delays)),
    }


def _stair_of(page: Any, device: _Device) -> list[float | None] | None:
    """How long each step of a stair took to be painted; None for the whole when the axis moved meanwhile."""
    device.hold(_TOP, 0.3)
    device.hold(_BOTTOM, 0.3)
    low = _row_at_rest(page, device, _LOW)
    page.evaluate("() => { tops.length = 0; }")
    said = _climb(device)
    high = _row_at_rest(page, device, _HIGH)
    seen = page.evaluate("() => tops")
    if abs(_row_at_rest(page, device, _LOW) - low) > _STILL_PX or high >= low:
        return None
    per_row = (_HIGH - _LOW) / (low - high)
    painted = [(at, _LOW + (low - top) * per_row) for at, top in seen if top is not None]
    return [_painted_after(painted, at, value) for at, value in said]


def _open(contender: FactoryPulse, browser: Any) -> Any:
    """The owner on the machine's page, looking at the last half minute."""
    (viewer, *_others) = contender.viewers([MACHINE])
    name, _, value = viewer.cookie.partition("=")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    url = f"http://{viewer.host}"
    context.add_cookies([{"name": name, "value": value, "url": url}])
    page = context.new_page()
    page.goto(f"{url}/machines/{MACHINE}?range={_WINDOW}")
    page.locator(f'[data-chart="{METRIC}"] canvas').wait_for()
    page.wait_for_timeout(2_000)
    return page


def _climb(device: _Device) -> list[tuple[float, float]]:
    """A stair, step by step: when each was published, and its height."""
    said = []
    for value in _STEPS.tolist():
        begun = time.monotonic()
        said.append((device.say(value), value))
        time.sleep(max(0.0, _STEP_S - (time.monotonic() - begun)))
    return said


def _row_at_rest(page: Any, device: _Device, value: float) -> int:
    """The row of pixels where the line stands once this value alone is seen near the edge.

    Raises SystemExit when it never comes to rest.
    """
    until = time.monotonic() + _STILL_WITHIN_S
    # However late the page is: it says what it heard last, and what came before has to leave the strip.
    while float(page.locator(f'[data-chart="{METRIC}"] [data-value]').inner_text()) != value:
        device.hold(value, 0.3)
        if time.monotonic() > until:
            raise SystemExit(f"the page does not say {value}, which is published")
    device.hold(value, 2.5)
    while time.monotonic() < until:
        rows = [top for _at, top in page.evaluate("ms => tops.filter(([at]) => at > Date.now() - ms)", _STILL_MS)]
        if rows and None not in rows and max(rows) - min(rows) <= _STILL_PX:
            return int(np.median(rows))
        device.hold(value, 0.5)
    raise SystemExit(f"the chart does not come to rest at {value}, which is published")


def _painted_after(painted: list[tuple[float, float]], said_ms: float, value: float) -> float | None:
    """How long after it was said the line stood at that height; None if it never did in time."""
    for at, height in painted:
        if at >= said_ms and height >= value - _NEAR:
            delay = at - said_ms
            return delay if delay <= _WITHIN_MS else None
    return None


if __name__ == "__main__":
    sys.exit(main())
