"""How smoothly eight charts of 100 Hz data move in real Chromium, and whether memory grows: `make bench NAME=frames`.

Frame time is the distance between two animation frames, at full speed and with the CPU slowed four times, as a phone's
is. Work is what one frame of ours takes of the main thread. Memory: an hour of the same data in the page's own time,
passed faster, heap after garbage collection. No GPU: canvases are drawn by the same two cores.
"""

import argparse
import json
import statistics
import sys
from typing import Any

from benchmarks._chart_page import chromium, serving, socket_script
from benchmarks.ingest import FOLDER

RESULT = FOLDER / "frames.json"
RATE_HZ = 100
_WARM_MS, _HOUR_S = 4_000, 3_600
_WATCH = """
() => {
  window.frames_ = []; window.tasks_ = [];
  let last = 0;
  const frame = (now) => {
    if (last) window.frames_.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const seen = (list) => list.getEntries().forEach((one) => window.tasks_.push(one.duration));
  new PerformanceObserver(seen).observe({ entryTypes: ["longtask"] });
}
"""
# Every callback of an animation frame is timed, the charts' own among them.
_TIMED = """
window.work_ = [];
const plain = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (run) => plain((now) => {
  const begun = performance.now();
  run(now);
  window.work_.push(performance.now() - begun);
});
"""


def main() -> int:
    """Measure, print, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frames", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each is watched")
    parser.add_argument("--speed", type=int, default=30, help="how much faster than life the hour passes")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with serving() as address, chromium() as browser:
        rows = [_smoothness(browser, address, slowed, asked.seconds) for slowed in (1, 4)]
        memory = _memory(browser, address, asked.speed)
    for row in rows:
        print(", ".join(f"{name}: {value}" for name, value in row.items()))
    print(", ".join(f"{name}: {value}" for name, value in memory.items()))
    RESULT.write_text(json.dumps({"frames": rows, "memory": memory}, indent=2), encoding="utf-8")
    return 0


def _page(browser: Any, address: str, *, speed: int = 1) -> Any:
    page = browser.new_page(viewport={"width": 1440, "height": 1800})
    page.on("pageerror", lambda error: print(f"page error: {error}", file=sys.stderr))
    page.add_init_script(socket_script(rate=RATE_HZ, speed=speed))
    return page


def _smoothness(browser: Any, address: str, slowed: int, seconds: float) -> dict[str, Any]:
    page = _page(browser, address)
    page.add_init_script(_TIMED)
    page.goto(address)
    page.locator("[data-chart] canvas").nth(7).wait_for()
    if slowed > 1:
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    page.wait_for_timeout(_WARM_MS)
    page.evaluate(_WATCH)
    page.evaluate("() => { window.work_.length = 0; window.heard = 0; }")
    page.wait_for_timeout(seconds * 1000)
    found = page.evaluate("() => ({ frames: frames_, work: work_, tasks: tasks_, heard })")
    page.close()
    busy = [work for work in found["work"] if work > 0.5]
    return {
        "cpu_slowed": slowed,
        "readings_per_s": round(found["heard"] / seconds),
        "frames_per_s": round(len(found["frames"]) / seconds, 1),
        **_spread("frame", found["frames"]),
        **_spread("work", busy or [0.0]),
        "tasks_over_50_ms": len(found["tasks"]),
        "longest_task_ms": round(max(found["tasks"], default=0.0)),
    }


def _spread(name: str, values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {f"{name}_p50_ms": round(statistics.median(ordered), 1), f"{name}_p95_ms": round(p95, 1)}


def _memory(browser: Any, address: str, speed: int) -> dict[str, Any]:
    """Heap in MiB after a quarter of the hour, when all buffers are full, and at its end."""
    page = _page(browser, address, speed=speed)
    page.goto(address)
    page.locator("[data-chart] canvas").nth(7).wait_for()
    session = page.context.new_cdp_session(page)

    def heap_mib() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1024**2

    quarter_ms = _HOUR_S / 4 / speed * 1000
    page.wait_for_timeout(quarter_ms)
    early = heap_mib()
    page.wait_for_timeout(3 * quarter_ms)
    late, heard = heap_mib(), page.evaluate("() => window.heard")
    page.close()
    return {
        "data_minutes": _HOUR_S // 60,
        "readings": heard,
        "heap_after_15_min_mib": round(early, 1),
        "heap_after_60_min_mib": round(late, 1),
    }


if __name__ == "__main__":
    sys.exit(main())
