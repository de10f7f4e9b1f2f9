"""Every page of the trial's factory at four widths, many small pictures on a sheet: to look them over at once."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from factorypulse.dev.every_page import pages_of

# Widths and heights in px, as the trial's browser test has the widths.
SIZES = ((390, 844), (820, 1180), (1440, 900), (2560, 1440))
_HEIGHT, _GAP, _WORDS, _ROWS, _COLOURS = 300, 8, 18, 8, 64
_DRAWN_MS, _FITTED_MS = 1_500, 600
_THEMES = ("light", "dark")
# By the browser, because not every resolver knows *.localhost.
_ASKED = """async (path) => {
    const answer = await fetch(path, { redirect: "manual" });
    return [answer.status, await answer.text()];
}"""


def sheets_make(browser: Any, url: str, state: Any, folder: Path) -> Iterator[Path]:
    """Write pages-1.png and so on; light and dark take turns, page by page."""
    base = url.rstrip("/")
    context = browser.new_context(storage_state=state)
    front = context.new_page()
    front.goto(url)
    addresses = pages_of(lambda path: tuple(front.evaluate(_ASKED, path)))
    front.close()
    rows = []
    for number, path in enumerate(addresses):
        theme = _THEMES[number % len(_THEMES)]
        rows.append(_row(f"{path}  ({theme})", _pictures(context, base + path, theme)))
    context.close()
    for number, first in enumerate(range(0, len(rows), _ROWS), start=1):
        target = folder / f"pages-{number}.png"
        _below_each_other(rows[first : first + _ROWS]).quantize(_COLOURS).save(target, optimize=True)
        yield target


def _pictures(context: Any, url: str, theme: str) -> list[Image.Image]:
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    page.goto(url)
    page.wait_for_timeout(_DRAWN_MS)
    taken = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(_FITTED_MS)
        taken.append(_shrunk(page.screenshot()))
    page.close()
    return taken


def _shrunk(picture: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return image.resize((round(image.width * _HEIGHT / image.height), _HEIGHT), Image.Resampling.LANCZOS)


def _row(words: str, pictures: list[Image.Image]) -> Image.Image:
    width = sum(each.width + _GAP for each in pictures)
    row = Image.new("RGB", (width, _HEIGHT + _WORDS + _GAP), "white")
    ImageDraw.Draw(row).text((2, 2), words, fill="black")
    left = 0
    for each in pictures:
        row.paste(each, (left, _WORDS))
        left += each.width + _GAP
    return row


def _below_each_other(rows: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet
