"""What a first visit costs, page by page, in real Chromium against the production server: `make bench NAME=pages`.

Transfer: bytes on the wire of everything a page fetches with an empty cache, as the server sends it; scripts: the part
of it that is JavaScript, compressed. Painted: largest contentful paint. Usable: when that is done, the last script has
come, and no task longer than 50 ms follows. Browser and server share the machine; there is no socket here, because
granian's WSGI door has none.
"""

import argparse
import json
import statistics
import sys
from typing import Any

from benchmarks._chart_page import chromium
from benchmarks._web_plant import Plant, furnish, services, web
from benchmarks.ingest import FOLDER

RESULT = FOLDER / "pages.json"
PAGES = ("/", "/machines/M00", "/alerts", "/wall", "/explore", "/reports", "/rules", "/people", "/accounts/login/")
SCRIPTS_KB, USABLE_S = 150, 1.0
_SEEN = """
window.paint_ = 0; window.busyUntil_ = 0;
new PerformanceObserver((list) => { paint_ = list.getEntries().at(-1).startTime; })
  .observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((one) => { busyUntil_ = one.startTime + one.duration; }))
  .observe({ type: "longtask", buffered: true });
"""
# When the last script that the page needed to work had come.
_FOUND = """
() => {
  const scripts = performance.getEntriesByType("resource").filter((one) => one.name.includes(".js"));
  const last = Math.max(0, ...scripts.map((one) => one.responseEnd));
  const [navigation] = performance.getEntriesByType("navigation");
  return { paint: paint_, usable: Math.max(paint_, busyUntil_, last, navigation.domInteractive) };
}
"""


def main() -> int:
    """Measure, print, write the figures; fails when a page is over its budget."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--visits", type=int, default=5, help="of each page; the median counts")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with services(FOLDER) as environment:
        shown = furnish(environment)
        with web(environment, shown, threads=4, log=FOLDER / "pages.log") as plant, chromium() as browser:
            rows = [_measure(browser, plant, path, asked.visits) for path in PAGES]
    for row in rows:
        print(", ".join(f"{name}: {value}" for name, value in row.items()))
    RESULT.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    over = [row["page"] for row in rows if row["scripts_kb"] > SCRIPTS_KB or row["usable_s"] > USABLE_S]
    print(f"over {SCRIPTS_KB} KB of scripts or {USABLE_S} s: {', '.join(over) or 'none'}")
    return 1 if over else 0


def _measure(browser: Any, plant: Plant, path: str, visits: int) -> dict[str, Any]:
    # The first visit warms the server, as somebody before this person did.
    found = [_visit(browser, plant, path) for _visit_number in range(visits + 1)][1:]
    return {
        "page": path,
        "requests": found[0]["requests"],
        "transfer_kb": round(statistics.median(one["bytes"] for one in found) / 1000, 1),
        "scripts_kb": round(statistics.median(one["scripts"] for one in found) / 1000, 1),
        "painted_s": round(statistics.median(one["paint"] for one in found) / 1000, 2),
        "usable_s": round(statistics.median(one["usable"] for one in found) / 1000, 2),
    }


def _visit(browser: Any, plant: Plant, path: str) -> dict[str, float]:
    """One visit by somebody who has never been here."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900},
        service_workers="block",
        extra_http_headers={"X-Forwarded-Proto": "https"},
    )
    url = f"http://{plant.host}:{plant.port}"
    if path != "/accounts/login/":
        name, _, value = plant.cookie.partition("=")
        # A name that begins with __Host- is for https alone, and so sent to localhost, which browsers trust as much.
        context.add_cookies([{"name": name, "value": value, "url": f"https://{plant.host}", "secure": True}])
    page = context.new_page()
    page.add_init_script(_SEEN)
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    scripts: set[str] = set()
    weights: dict[str, float] = {}
    session.on(
        "Network.responseReceived", lambda event: scripts.update([event["requestId"]] * (event["type"] == "Script"))
    )
    session.on(
        "Network.loadingFinished", lambda event: weights.update({event["requestId"]: event["encodedDataLength"]})
    )
    answer = page.goto(url + path, wait_until="load")
    if answer is None or answer.status != 200 or page.url != url + path:
        raise SystemExit(f"{path} answered {answer.status if answer else 'nothing'} at {page.url}")
    page.wait_for_timeout(1_500)
    seen = page.evaluate(_FOUND)
    context.close()
    return {
        **seen,
        "requests": len(weights),
        "bytes": sum(weights.values()),
        "scripts": sum(weights[request] for request in scripts if request in weights),
    }


if __name__ == "__main__":
    sys.exit(main())
