"""The machine page's own charts without its server: real markup, real modules, and a socket made in the page.

So a frame's time is the browser's alone, and hours of live data can pass in minutes.
"""

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parents[1]
METRICS = [f"metric{number}" for number in range(8)]
# What the page's socket sends: `rate` readings a second of each metric in ten messages, and first a snapshot. With
# `speed` above 1 the page's clock runs that much faster, and so do the readings.
SOCKET = """
(() => {
  const { rate, speed, metrics } = %s;
  const begun = performance.now(), epoch = Date.now();
  if (speed > 1) Date.now = () => Math.round(epoch + (performance.now() - begun) * speed);
  const value = (number, t) =>
    50 + 20 * Math.sin(t / (900 + 211 * number)) + 8 * Math.sin(t / 37) + 4 * Math.random();
  class Socket {
    constructor() {
      this.readyState = 0;
      setTimeout(() => {
        this.readyState = 1;
        this.onopen?.({});
      }, 5);
    }
    send(text) { if (JSON.parse(text).watch?.machines.length) this.begin(); }
    close() { clearInterval(this.timer); this.readyState = 3; }
    say(type, from, to) {
      const t = [];
      const step = 1000 / rate;
      for (let at = Math.ceil(from / step); at * step < to; at += 1) t.push(Math.round(at * step));
      if (!t.length && type === "readings") return;
      const columns = Object.fromEntries(metrics.map((name, number) => [name, t.map((time) => value(number, time))]));
      const data = JSON.stringify({ type, machine: "M01", t, metrics: columns });
      window.heard = (window.heard ?? 0) + t.length * metrics.length;
      this.onmessage?.({ data });
    }
    begin() {
      clearInterval(this.timer);
      const now = Date.now();
      this.say("snapshot", now - 300_000, now);
      this.sentTo = now;
      this.timer = setInterval(() => {
        const to = Date.now();
        this.say("readings", this.sentTo, to);
        this.sentTo = to;
      }, 100);
    }
  }
  window.WebSocket = Socket;
})();
"""


def page_text() -> str:
    """The page: what the server renders for eight metrics, on a bare frame."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.test")
    for name, value in (("DATABASE_URL", "postgresql://nobody@127.0.0.1/none"), ("REDIS_URL", "redis://127.0.0.1:1/0")):
        os.environ.setdefault(name, value)
    import django

    django.setup()
    from django.template.loader import render_to_string

    metrics = [
        {
            "name": n,
            "label": n,
            "unit": "mm/s",
            "kind": "vibration",
            "scale": 1,
            "offset": 0,
            "last": 1,
            "band": [30, 70],
        }
        for n in METRICS
    ]
    config = {
        "machine": "M01",
        "zone": "Europe/Warsaw",
        "units": "stored",
        "silentAfterS": 60,
        "lastSeenMs": None,
        "metrics": metrics,
        "known": METRICS,
        "marks": [],
        "historyUrl": "/history",
        "words": {},
        "window": None,
        "carried": {},
    }
    charts = render_to_string("anomalies/partials/_charts.html", {"config": config})
    bar = render_to_string("components/time_bar.html", {})
    styles = "".join(
        f'<link rel="stylesheet" href="/static/{name}">'
        for name in (
            "css/tokens.css",
            "css/base.css",
            "css/layout.css",
            "css/components/button.css",
            "css/components/card.css",
            "vendor/uplot/uPlot.min.css",
            "css/components/chart.css",
            "css/components/view.css",
        )
    )
    return (
        f'<!doctype html><html lang="en"><head><title>charts</title>{styles}</head><body><div class="page" id="machine"'
        f' data-module="machine-view" data-config="c">{bar}{charts}</div>'
        f'<script id="c" type="application/json">{json.dumps(config)}</script>'
        '<script type="module" src="/static/js/main.js"></script></body></html>'
    )


class _Handler(SimpleHTTPRequestHandler):
    page = b""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/":
            self._answer(self.page, "text/html; charset=utf-8")
        elif url.path == "/history":
            self._answer(_history(parse_qs(url.query)), "application/json")
        else:
            super().do_GET()

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's signature
        pass


def _history(query: dict[str, list[str]]) -> bytes:
    first, last, points = (int(query[name][0]) for name in ("from", "to", "points"))
    width = (last - first) // points
    t = list(range(first, last, width))
    columns = {"min": [40.0] * points, "max": [60.0] * points, "mean": [50.0] * points, "count": [10] * points}
    metrics = [{"metric": name, "unit": "mm/s", "t": t, **columns} for name in METRICS]
    return json.dumps({"bucket_ms": width, "metrics": metrics}).encode()


@contextmanager
def serving() -> Iterator[str]:
    """Its address while it is served."""
    _Handler.page = page_text().encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Handler(*args, directory=str(ROOT)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def chromium() -> Iterator[Any]:
    """A real browser, without a window. Raises SystemExit where there is none."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def socket_script(*, rate: int, speed: int = 1) -> str:
    """The script that stands in for the socket, to be added before the page's own."""
    return SOCKET % json.dumps({"rate": rate, "speed": speed, "metrics": METRICS})
