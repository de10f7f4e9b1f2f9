"""Whether a page that is looked at for an hour grows: `make bench NAME=hour`, `--minutes 10` for less.

A whole trial with the simulated plant; the plant's page, a machine's and the wall stand open in real Chromium, at the
speed of life. Each minute garbage is collected by the browser's own debugging door, and the heap, the nodes and the
listeners are counted. Growth is told from the first fifth, when buffers fill, to the end; a straight line through the
rest says how much it would be in a day.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._chart_page import chromium
from benchmarks.ingest import FOLDER

RESULT = FOLDER / "hour.json"
_PAGES = ("/", "/machines/M07-pump?range=5m", "/wall")
_FIRST = 0.2


def main() -> int:
    """Watch, print, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hour", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    asked = parser.parse_args()
    if asked.minutes < 5:
        parser.error("at least 5 minutes: buffers fill for the first of them")
    FOLDER.mkdir(parents=True, exist_ok=True)
    from tests.e2e.trial import running_trial

    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="hour-") as name:
        Path(name).chmod(0o711)
        with running_trial(simulator=True) as trial, chromium() as browser:
            rows = _watch(browser, trial, asked.minutes)
    for row in rows:
        print(", ".join(f"{word}: {value}" for word, value in row.items()))
    RESULT.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0


def _watch(browser: Any, trial: Any, minutes: int) -> list[dict[str, Any]]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    _sign_in(context, trial)
    watched = []
    for path in _PAGES:
        page = context.new_page()
        page.goto(trial.factory_url() + path)
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        watched.append((path, page, session))
    counts: dict[str, list[tuple[float, int, int]]] = {path: [] for path in _PAGES}
    for _minute in range(minutes + 1):
        for path, page, session in watched:
            # A tab behind another is hidden in a browser with a window; here each goes on.
            counts[path].append(_counted(session))
            if path == _PAGES[-1]:
                page.wait_for_timeout(60_000)
    context.close()
    return [_row(path, np.array(counts[path], np.float64)) for path in _PAGES]


def _sign_in(context: Any, trial: Any) -> None:
    page = context.new_page()
    page.goto(trial.factory_url())
    page.locator("#id_login").fill(trial.owner_email)
    page.locator("#id_password").fill(trial.owner_password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator("[data-machine]").first.wait_for(timeout=120_000)
    page.close()


def _counted(session: Any) -> tuple[float, int, int]:
    """Heap in MiB, nodes and listeners after garbage collection."""
    for _twice in range(2):
        session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"] / 1024**2
    counters = session.send("Memory.getDOMCounters")
    return heap, counters["nodes"], counters["jsEventListeners"]


def _row(path: str, counts: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, Any]:
    """counts: shape (n_minutes, 3): heap MiB, nodes, listeners."""
    settled = counts[max(1, round(len(counts) * _FIRST)) :]
    minutes = np.arange(len(settled))
    slopes = np.polyfit(minutes, settled, 1)[0]
    return {
        "page": path,
        "minutes": len(counts) - 1,
        "heap_mib_settled": round(float(settled[0, 0]), 2),
        "heap_mib_at_the_end": round(float(settled[-1, 0]), 2),
        "heap_mib_an_hour": round(float(slopes[0]) * 60, 2),
        "nodes_settled": int(settled[0, 1]),
        "nodes_at_the_end": int(settled[-1, 1]),
        "nodes_an_hour": round(float(slopes[1]) * 60, 1),
        "listeners_settled": int(settled[0, 2]),
        "listeners_at_the_end": int(settled[-1, 2]),
    }


if __name__ == "__main__":
    sys.exit(main())
