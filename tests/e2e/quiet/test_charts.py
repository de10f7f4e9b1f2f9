"""Looking at machines as people do it: live, back in time, a link to a colleague, two machines side by side."""

import csv
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Person
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(600)]
NewPerson = Callable[..., Person]
HOUR_MS = 3_600_000
MACHINES = ("P1", "P2")


class Plant:
    """Two machines with two hours of history that go on to report once a second."""

    def __init__(self, trial: Trial) -> None:
        key = trial.manage("create_api_key", "demo", "--name", "plant").strip().splitlines()[-1]
        headers = {"Host": f"demo.localhost:{trial.port}", "X-API-Key": key}
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{trial.port}", headers=headers, timeout=30)
        self.begun_ms = int(time.time() * 1000)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        for machine in MACHINES:
            self._post(machine, list(range(self.begun_ms - 2 * HOUR_MS, self.begun_ms, 5_000)))

    def __enter__(self) -> "Plant":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()

    def value(self, machine: str, t_ms: int) -> float:
        """What it says at an instant."""
        return 20.0 + 10.0 * MACHINES.index(machine) + (t_ms - self.begun_ms) % 600_000 / 100_000

    def _post(self, machine: str, times: list[int]) -> None:
        metrics = {
            "temperature_c": [self.value(machine, t) for t in times],
            "pressure_bar": [t % 7 / 10 + 4 for t in times],
            "state": [float(t // 60_000 % 3) for t in times],
        }
        body = {"machine": machine, "timestamps": times, "metrics": metrics}
        answer = self._client.post("/api/v1/telemetry/ingest", json=body)
        assert answer.status_code == 201, answer.text

    def _go_on(self) -> None:
        while not self._ended.wait(1.0):
            for machine in MACHINES:
                self._post(machine, [int(time.time() * 1000)])


@pytest.fixture(scope="module")
def plant(quiet_trial: Trial) -> Iterator[Plant]:
    with Plant(quiet_trial) as running:
        yield running


def owner_at(trial: Trial, new_person: NewPerson, path: str, **size: int) -> Person:
    person = new_person(**size)
    person.sign_in(trial.factory_url(), trial.owner_email, trial.owner_password)
    expect(person.page.locator("[data-machine]").first).to_be_visible()
    person.page.goto(f"{trial.factory_url()}{path}")
    return person


def shown(page: Page) -> list[str]:
    return [str(chart.get_attribute("data-chart")) for chart in page.locator("[data-chart]").all()]


def figures(page: Page, metric: str) -> list[str]:
    chart = page.locator(f'[data-chart="{metric}"]')
    return [chart.locator(f"[data-{name}]").inner_text() for name in ("min", "mean", "max")]


def pick(page: Page, *metrics: str) -> None:
    page.locator(".picker summary", has_text="metrics").click()
    for box in page.locator('.picker input[name="metrics"]').all():
        box.set_checked(box.get_attribute("value") in metrics)
    with page.expect_navigation():
        page.get_by_role("button", name="Show these").click()
    expect(page.locator("[data-chart]")).to_have_count(len(metrics))


def test_what_somebody_looks_at_is_theirs_moves_with_them_and_goes_along_in_a_link(
    quiet_trial: Trial, plant: Plant, new_person: NewPerson
) -> None:
    anna = owner_at(quiet_trial, new_person, "/machines/P1")
    page = anna.page
    temperature = page.locator('[data-chart="temperature_c"]')
    value = temperature.locator("[data-value]")
    before = value.inner_text()
    expect(value).not_to_have_text(before, timeout=30_000)
    anna.shoot("charts-live-1440", full_page=True, drawn_ms=500)

    # From live into the past by keys, and back; what is shown there is what is stored.
    plot = temperature.locator("[data-plot]")
    plot.focus()
    for _press in range(30):
        page.keyboard.press("ArrowLeft")
    root = page.locator("#machine")
    expect(root).to_have_attribute("data-view", "window")
    expect(root).to_have_attribute("aria-busy", "false")
    expect(temperature.locator("[data-min]")).not_to_have_text("–")
    low, _mean, high = (float(text) for text in figures(page, "temperature_c"))
    assert 19.9 <= low < high <= 26.1
    page.keyboard.press("End")
    expect(root).to_have_attribute("data-view", "live")

    # Only what Anna wants to see, also after she signs in anew.
    pick(page, "temperature_c", "state")
    again = owner_at(quiet_trial, new_person, "/machines/P1", width=390, height=844)
    assert shown(again.page) == ["temperature_c", "state"]
    again.shoot("charts-live-390", full_page=True, drawn_ms=500)

    # Closer by dragging; the address is the view.
    page.locator('[data-range="1h"]').click()
    expect(root).to_have_attribute("data-view", "last")
    box = page.locator('[data-chart="temperature_c"] .u-over').bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 42, steps=6)
    page.mouse.up()
    expect(root).to_have_attribute("data-view", "window")
    expect(root).to_have_attribute("aria-busy", "false")
    window = page.locator("[data-window]").inner_text()
    page.locator("[data-copy-link]").click()
    expect(page).to_have_url(re.compile("from="))
    link = page.url
    asked = parse_qs(urlsplit(link).query)
    assert abs(int(asked["to"][0]) - int(asked["from"][0]) - HOUR_MS / 4) < HOUR_MS / 40
    anna.shoot("charts-window-1440", drawn_ms=500)

    # A colleague with another choice sees the very same.
    otto = owner_at(quiet_trial, new_person, "/machines/P1")
    pick(otto.page, "pressure_bar")
    otto.page.goto(link)
    assert shown(otto.page) == ["temperature_c", "state"]
    expect(otto.page.locator("[data-window]")).to_have_text(window)
    # Figures come tile by tile: what is there first is not all.
    for name, figure in zip(("min", "mean", "max"), figures(page, "temperature_c"), strict=True):
        expect(otto.page.locator(f'[data-chart="temperature_c"] [data-{name}]')).to_have_text(figure)

    # A year away and back by the same control.
    page.locator('[data-range="1y"]').click()
    expect(page.locator('[data-range="1y"]')).to_have_attribute("aria-pressed", "true")
    page.go_back()
    expect(page.locator("[data-window]")).to_have_text(window)


def test_note_and_document_are_there_for_the_next_shift(
    quiet_trial: Trial, plant: Plant, new_person: NewPerson, tmp_path: Path
) -> None:
    anna = owner_at(quiet_trial, new_person, "/machines/P2")
    page = anna.page
    page.locator("#note-text").fill("Coupling replaced, listen to it")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#notebook")).to_contain_text("Coupling replaced")
    manual = tmp_path / "manual.pdf"
    manual.write_bytes(b"%PDF-1.7 how to grease it")
    page.locator("#document-file").set_input_files(manual)
    page.get_by_role("button", name="Add document").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="manual.pdf").click()
    assert Path(download.value.path()).read_bytes() == manual.read_bytes()


def test_two_machines_are_compared_and_taken_along(
    quiet_trial: Trial, plant: Plant, new_person: NewPerson, tmp_path: Path
) -> None:
    anna = owner_at(quiet_trial, new_person, "/explore")
    page = anna.page
    for machine in MACHINES:
        with page.expect_response(re.compile("explore-choices")):
            page.locator("#explore-machine").select_option(machine)
        expect(page.locator("#explore-metric")).not_to_have_class(re.compile("htmx"))
        page.locator("#explore-metric").select_option(f"{machine}/temperature_c")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(f'[data-row="{machine}/temperature_c"]')).to_be_visible()
    page.locator('[data-range="1h"]').click()
    page.locator('[data-step="earlier"]').click()
    for machine in MACHINES:
        expect(page.locator(f'[data-row="{machine}/temperature_c"] [data-min]')).not_to_have_text("–")
    page.locator("[data-plot]").hover()
    expect(page.locator("[data-cursor-time]")).not_to_have_text("Now")
    anna.shoot("explore-1440", full_page=True, drawn_ms=500)

    page.locator(".picker summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV as drawn").click()
    exported = tmp_path / "as-drawn.csv"
    download.value.save_as(exported)
    assert_equals_what_is_stored(exported, anna, quiet_trial)
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Picture")).click()
    picture = tmp_path / "comparison.png"
    download.value.save_as(picture)
    assert_shows_lines(picture)

    # Kept under a name, stacked, last week laid over; found again.
    for choice in ("Stacked", "Last week"):
        with page.expect_navigation():
            page.get_by_role("link", name=choice).click()
    expect(page.locator("[data-plot]")).to_have_count(2)
    expect(page.locator('[data-row="P1/temperature_c earlier"]')).to_be_visible()
    page.locator(".picker summary", has_text="Kept views").click()
    page.get_by_label("Keep what is shown as").fill("Both pumps")
    with page.expect_navigation():
        page.get_by_role("button", name="Keep", exact=True).click()
    kept = page.url
    page.goto(f"{quiet_trial.factory_url()}/explore")
    page.locator(".picker summary", has_text="Kept views").click()
    page.get_by_role("link", name="Both pumps").click()
    expect(page).to_have_url(kept)
    assert "shift=7" in kept
    assert "from=" in kept


def assert_equals_what_is_stored(exported: Path, person: Person, trial: Trial) -> None:
    """Each row of the export against the API's answer for the same buckets."""
    with exported.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for machine in MACHINES:
        mine = [row for row in rows if row["machine"] == machine]
        assert len(mine) > 100
        assert {row["unit"] for row in mine} == {"°C"}
        first, second = (np.datetime64(row["time"].rstrip("Z")).astype(np.int64) for row in mine[:2])
        last = np.datetime64(mine[-1]["time"].rstrip("Z")).astype(np.int64)
        width = int(second - first)
        points = int(last + width - first) // width
        query = f"from={first}&to={last + width}&points={points}&metrics=temperature_c"
        (stored,) = person.ask(f"{trial.factory_url()}/api/v1/telemetry/{machine}?{query}").json()["metrics"]
        assert [float(row["mean"]) for row in mine] == stored["mean"]
        assert [int(row["readings"]) for row in mine] == stored["count"]


def assert_shows_lines(picture: Path) -> None:
    """The picture is of some size, and has lines of two colours that stand on its ground."""
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 600
    ground = pixels[2, 2]
    coloured = np.ptp(pixels, axis=2) > 60
    away = np.abs(pixels - ground).sum(axis=2) > 120
    assert (away & coloured).mean() > 0.001
    strong = pixels[away & coloured]
    bluish, reddish = (strong[:, 2] > strong[:, 0]).sum(), (strong[:, 0] > strong[:, 2]).sum()
    assert min(bluish, reddish) > 100, "two lines, two colours"
