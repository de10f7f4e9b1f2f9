"""Pictures of the running trial for docs/screenshots: `make screenshots` beside `make demo`.

Few and small: what a newcomer wants to see, in light and dark, on a desk, a wall and a phone; and, to look them over,
every page at four widths, small, many on a sheet. Colours are reduced to a palette, which these pages hardly show.
"""

import argparse
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import django
from django.conf import settings
from PIL import Image

from factorypulse.dev.review_sheets import sheets_make

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
_DRAWN_MS = 4_000
_COLOURS = 128


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: which page, how wide, and in which theme."""

    name: str
    path: str
    width: int
    height: int
    theme: Literal["light", "dark"]


SHOTS = (
    Shot("plant", "/", 1440, 900, "light"),
    Shot("plant-phone", "/", 390, 844, "dark"),
    Shot("plant-tablet", "/", 820, 1180, "light"),
    Shot("wall", "/wall", 2560, 1440, "dark"),
    Shot("machine", "/machines/M07-pump", 1440, 900, "light"),
    Shot("alerts", "/alerts?state=all", 1440, 900, "dark"),
    Shot("alerts-phone", "/alerts?state=all", 390, 844, "light"),
)


def main() -> int:
    """Take every picture."""
    parser = argparse.ArgumentParser(prog="python -m factorypulse.dev.screenshots", description=__doc__)
    parser.add_argument("--url", required=True, help="the factory's page, as `make demo` prints it")
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _chromium() as browser:
        state = _signed_in(browser, asked.url)
        for shot in SHOTS:
            path = FOLDER / f"{shot.name}.png"
            path.write_bytes(_small(_taken(browser, asked.url, state, shot)))
            print(f"{path}: {path.stat().st_size // 1000} kB")
        for path in sheets_make(browser, asked.url, state, FOLDER):
            print(f"{path}: {path.stat().st_size // 1000} kB")
    return 0


@contextmanager
def _chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        yield browser
        browser.close()


def _signed_in(browser: Any, url: str) -> Any:
    """The owner's cookies, by the password that the trial keeps beside its data."""
    owner = json.loads((Path(settings.STATE_DIR) / "owner.json").read_text(encoding="utf-8"))
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.locator("#id_login").fill(owner["email"])
    page.locator("#id_password").fill(owner["password"])
    page.locator("#id_password").press("Enter")
    page.locator("#content").wait_for()
    page.wait_for_url(f"{url.rstrip('/')}/")
    state = context.storage_state()
    context.close()
    return state


def _taken(browser: Any, url: str, state: Any, shot: Shot) -> bytes:
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(storage_state=state, viewport=size, color_scheme=shot.theme)
    page = context.new_page()
    page.goto(url.rstrip("/") + shot.path)
    page.wait_for_timeout(_DRAWN_MS)
    taken: bytes = page.screenshot(caret="initial")
    context.close()
    return taken


def _small(picture: bytes) -> bytes:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > 1600:
        image = image.resize((1600, round(image.height * 1600 / image.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.quantize(_COLOURS).save(out, format="PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")
    django.setup()
    sys.exit(main())
