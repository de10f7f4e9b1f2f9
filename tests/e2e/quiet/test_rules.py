"""A rule of two conditions, built, tried on the past and saved by keyboard and mouse; then readings make it fire."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Person
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(600)]
NewPerson = Callable[..., Person]
HOUR_S = 3_600


@pytest.fixture(scope="module")
def send(quiet_trial: Trial) -> Iterator[Callable[..., None]]:
    """Post one block of readings of the machine MX1."""
    key = quiet_trial.manage("create_api_key", "demo", "--name", "plant").strip().splitlines()[-1]
    headers = {"Host": f"demo.localhost:{quiet_trial.port}", "X-API-Key": key}
    with httpx.Client(base_url=f"http://127.0.0.1:{quiet_trial.port}", headers=headers, timeout=30) as client:

        def post(times: list[int], **metrics: list[float]) -> None:
            body = {"machine": "MX1", "timestamps": times, "metrics": metrics}
            answer = client.post("/api/v1/telemetry/ingest", json=body)
            assert answer.status_code == 201, answer.text

        yield post


@pytest.fixture
def owner(quiet_trial: Trial, new_person: NewPerson) -> Person:
    person = new_person()
    person.sign_in(quiet_trial.factory_url(), quiet_trial.owner_email, quiet_trial.owner_password)
    expect(person.page.get_by_role("heading", level=1)).to_be_visible()
    return person


def fill(page: Page, number: int, *, metric: str, limit: str, seconds: str) -> None:
    """One condition; each choice brings new fields from the server, each typed value a new sentence."""
    page.locator(f"#metric-{number}").select_option(metric)
    expect(page.locator(f"#metric-{number}")).to_have_value(metric)
    page.locator(f"#value-{number}").fill(limit)
    page.locator(f"#for-{number}").fill(seconds)
    page.locator(f"#for-{number}").blur()


def test_a_rule_is_built_tried_saved_and_fires(quiet_trial: Trial, owner: Person, send: Callable[..., None]) -> None:
    now_s = int(time.time())
    history = range(now_s - 2 * HOUR_S, now_s - 60, 2)
    times = [second * 1000 for second in history]
    # Both were too high once, an hour ago, for two minutes; the vibration alone another time.
    bad = range(now_s - HOUR_S, now_s - HOUR_S + 120)
    alone = range(now_s - HOUR_S // 2, now_s - HOUR_S // 2 + 120)
    send(
        times,
        vibration_mm_s=[8.5 if second in bad or second in alone else 2.0 for second in history],
        temperature_c=[85.0 if second in bad else 60.0 for second in history],
    )
    page = owner.page
    page.goto(f"{quiet_trial.factory_url()}/rules")
    page.get_by_role("link", name="New rule").click()
    for _attempt in range(100):
        # The readings are on disk; the drain registers the machine a moment later.
        if page.get_by_role("checkbox", name="MX1").count():
            break
        page.reload()
    page.get_by_label("Name", exact=True).fill("Mixer shakes and heats")
    page.get_by_role("checkbox", name="MX1").check()
    expect(page.locator("#metric-1").get_by_role("option", name="Vibration (mm/s)")).to_be_attached()
    fill(page, 1, metric="vibration_mm_s", limit="7.1", seconds="10")
    page.locator("#add-0").click()
    expect(page.locator("#metric-2")).to_be_visible()
    fill(page, 2, metric="temperature_c", limit="80", seconds="5")
    said = page.locator("#rule-said")
    expect(said).to_contain_text(
        "When Vibration of MX1 is above 7.10 mm/s for 10 s and Temperature of MX1 is above 80.0 °C for 5 s, raise High."
    )
    page.locator("#rule-try").click()
    past = page.locator("#rule-past-found")
    expect(past).to_contain_text("It would have fired once.", timeout=60_000)
    expect(past.locator("canvas").first).to_be_visible()
    owner.shoot("rule-builder", full_page=True, drawn_ms=1500)
    page.locator("#join-0").select_option("any")
    expect(said).to_contain_text("or Temperature of MX1")
    page.locator("#rule-try").click()
    expect(past).to_contain_text("It would have fired 2 times.", timeout=60_000)
    page.locator("#join-0").select_option("all")
    expect(said).to_contain_text("and Temperature of MX1")
    page.get_by_label("Severity").select_option("critical")
    page.get_by_role("button", name="Save", exact=True).last.click()
    expect(page.get_by_role("heading", name="Mixer shakes and heats")).to_be_visible()
    owner.shoot("rules", full_page=True)

    deadline = time.monotonic() + 90
    alert = page.get_by_role("link", name="Mixer shakes and heats")
    while time.monotonic() < deadline:
        now_ms = int(time.time() * 1000)
        block = [now_ms - 1000, now_ms]
        send(block, vibration_mm_s=[9.1, 9.2], temperature_c=[88.0, 89.0])
        page.goto(f"{quiet_trial.factory_url()}/alerts")
        if alert.count():
            break
    expect(alert.first).to_be_visible()
    alert.first.click()
    expect(page.locator("#content")).to_contain_text("limit 7.10 mm/s")
    expect(page.locator("#content")).to_contain_text("limit 80.0 °C")
    assert owner.errors == []
    assert owner.strangers == []


def test_the_builder_fits_a_phone_and_works_by_keyboard(
    quiet_trial: Trial, new_person: NewPerson, send: Callable[..., None]
) -> None:
    send([int(time.time() * 1000)], vibration_mm_s=[2.0], temperature_c=[60.0])
    person = new_person(width=390, height=844)
    person.sign_in(quiet_trial.factory_url(), quiet_trial.owner_email, quiet_trial.owner_password)
    page = person.page
    page.emulate_media(color_scheme="dark")
    page.goto(f"{quiet_trial.factory_url()}/rules/new?template=bearing_temperature&machine=MX1")
    page.locator("#value-1").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("82")
    page.keyboard.press("Tab")
    expect(page.locator("#rule-said")).to_contain_text("is above 82.0 °C for 1 min (until 75.0 °C), raise High.")
    page.locator("#group-0").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#metric-2")).to_be_visible()
    person.shoot("rule-builder-phone", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    page.goto(f"{quiet_trial.factory_url()}/rules/templates")
    person.shoot("rule-templates-phone", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert person.errors == []
