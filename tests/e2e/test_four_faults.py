"""Four things go wrong in a plant, each of another kind; each reaches the right person once, with its reason."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.anomalies.notify.smtp_process import SmtpServer, smtp_running
from tests.e2e.conftest import Person
from tests.e2e.plant_at_speed import MINUTE_MS, PlantAtSpeed, gateway_client
from tests.e2e.trial import Trial, running_trial

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(900)]

PUMP, PACKER, FILLER, OVEN = "M07-pump", "M08-packer", "M03-filler", "M02-oven"
# What an operator has to read: the heading, the sentence, and how long after its beginning the fault may be seen.
SAID = {
    PUMP: (
        "Vibration above normal",
        r"Vibration [4-9]\.\d\d mm/s, normal 1\.\d\d–2\.\d\d.*, since (\d+ \w+ )?\d\d:\d\d CES?T",
        100,
    ),
    PACKER: (
        "Air pressure does not move",
        r"Every reading is exactly 5\.\d\d bar, since .* the sensor may be stuck",
        5,
    ),
    FILLER: (
        "Product pressure above normal",
        r"Product pressure [34]\.\d\d bar, normal 2\.\d\d–[23]\.\d\d.*, since ",
        330,
    ),
    OVEN: ("Zone 2 temperature above normal", r"Zone 2 temperature 2\d\d °C, normal 20\d–20\d, since ", 1_800),
}
HISTORY_MS, REPLAY_MS, BEGINS_MS, STEP_MS = 180 * MINUTE_MS, 88 * MINUTE_MS, 5 * MINUTE_MS, 10_000


@pytest.fixture(autouse=True)
def _patient() -> Iterator[None]:
    """A fault of an hour is told within a minute or two; a busy machine takes its time about it."""
    expect.set_options(timeout=120_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpServer]:
    with smtp_running(tmp_path_factory.mktemp("smtp")) as server:
        yield server


@pytest.fixture(scope="module")
def mailing_trial(mail: SmtpServer) -> Iterator[Trial]:
    with running_trial(simulator=False, settings={"EMAIL_URL": f"smtp://127.0.0.1:{mail.port}"}) as running:
        yield running


class Shift:
    """The plant's time goes on as the test tells it to."""

    def __init__(self, trial: Trial) -> None:
        self.begin_ms = self.at_ms = int(time.time()) * 1000 - REPLAY_MS
        self.faults_ms = self.begin_ms + BEGINS_MS
        self.plant = PlantAtSpeed(trial, list(SAID), faults_from_ms=self.faults_ms)

    def teach(self) -> None:
        """Three quiet hours, and until every detector has learnt by most of them."""
        self.plant.send(self.begin_ms - HISTORY_MS, self.begin_ms)
        deadline = time.monotonic() + 180
        while not self.plant.learnt(self.begin_ms - HISTORY_MS // 3):
            assert time.monotonic() < deadline, "the detectors have not learnt"
            time.sleep(0.5)

    def goes_on(self, minutes: int) -> None:
        """Until so many minutes after the faults began."""
        while self.at_ms < self.faults_ms + minutes * MINUTE_MS:
            self.plant.send(self.at_ms, self.at_ms + STEP_MS)
            self.at_ms += STEP_MS


def row(page: Page, machine: str) -> Locator:
    return page.locator("#alert-list .alert", has_text=machine)


def read_and_acknowledge(person: Person, machine: str) -> None:
    """As an operator does: the row appears by itself, its page says what and since when, somebody takes it in hand."""
    page = person.page
    title, sentence, _late_s = SAID[machine]
    expect(row(page, machine)).to_contain_text(title)
    row(page, machine).get_by_role("link", name=re.compile(machine)).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator(".alert-head__summary")).to_have_text(re.compile(sentence))
    expect(page.locator("canvas").first).to_be_visible()
    person.shoot(f"fault-{machine}-1440", full_page=True, drawn_ms=1_500)
    page.locator("#acknowledge-comment").fill("I go and look")
    page.locator("form", has=page.locator("#acknowledge-comment")).get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".timeline")).to_contain_text("I go and look")
    page.get_by_role("link", name="Alerts").first.click()


def judge(person: Person, machine: str) -> None:
    """What has cleared is judged on the list of what has cleared."""
    page = person.page
    row(page, machine).get_by_role("button", name="Judge").click()
    page.locator("dialog[open]").get_by_role("radio", name="Real trouble").check()
    page.locator("dialog[open]").get_by_role("button", name="Close", exact=True).last.click()
    expect(row(page, machine)).to_contain_text("Real trouble")


def test_each_fault_is_found_explained_told_once_acknowledged_cleared_and_judged(
    mailing_trial: Trial, mail: SmtpServer, new_person: Callable[..., Person]
) -> None:
    shift = Shift(mailing_trial)
    shift.teach()
    owner = new_person()
    url = mailing_trial.factory_url()
    owner.sign_in(url, mailing_trial.owner_email, mailing_trial.owner_password)
    owner.page.wait_for_url(f"{url}/")
    owner.page.goto(f"{url}/alerts")
    expect(owner.page.get_by_text("Nothing is wrong")).to_be_visible()

    shift.goes_on(7)
    for machine in (PUMP, PACKER, FILLER):
        read_and_acknowledge(owner, machine)
    shift.goes_on(34)
    read_and_acknowledge(owner, OVEN)
    shift.goes_on(82)

    owner.page.get_by_role("link", name="Cleared").click()
    for machine in SAID:
        expect(row(owner.page, machine)).to_be_visible()
    owner.shoot("faults-cleared-1440", full_page=True)
    for machine in SAID:
        judge(owner, machine)
    owner.shoot("faults-judged-1440", full_page=True)
    owner.page.goto(f"{url}/alerts")
    expect(owner.page.get_by_text("Nothing is wrong")).to_be_visible()

    alerts = shift.plant.alerts()
    assert sorted(alert["machine"] for alert in alerts) == sorted(SAID), "one alert for each cause and no other"
    for alert in alerts:
        late_s = datetime.fromisoformat(alert["since_at"]).timestamp() - shift.faults_ms / 1000
        assert -3 <= late_s <= SAID[alert["machine"]][2], alert
        assert alert["verdict"] == "true"
        assert alert["occurrences"] == 1
    one_mail_each(mail, mailing_trial.owner_email)


def one_mail_each(mail: SmtpServer, address: str) -> None:
    """One that it began, one that it is over: for each cause, and nothing else."""
    expected = {f"{machine} – {title}" for machine, (title, _sentence, _late) in SAID.items()}
    messages = mail.wait_for(2 * len(expected))
    assert {str(message["To"]) for message in messages} == {address}
    subjects = [subject_of(message).partition(": ") for message in messages]
    assert Counter(what for _news, _colon, what in subjects) == dict.fromkeys(expected, 2)
    assert Counter(what for news, _colon, what in subjects if news == "Back to normal") == dict.fromkeys(expected, 1)
    for message in messages:
        assert "image/png" in {part.get_content_type() for part in message.walk()}, "the evidence stands in the mail"


def subject_of(message: EmailMessage) -> str:
    """A long one is folded, which leaves a space in front of it."""
    return str(message["Subject"]).strip()


def test_maintenance_mutes_a_machine_and_goes_on_recording(
    mailing_trial: Trial, mail: SmtpServer, new_person: Callable[..., Person]
) -> None:
    at = datetime.now(UTC)
    client = gateway_client(mailing_trial)
    for machine in ("MIX-1", "MIX-2"):
        assert client.post("/machines", json={"key": machine}).status_code == 201
    rule = {"name": "Mixer shakes", "machines": ["MIX-1", "MIX-2"], "severity": "high",
            "when": {"all": [{"metric": "vibration_mm_s", "op": "above", "value": 4.5}]}}  # fmt: skip
    assert client.post("/rules", json=rule).status_code == 201
    window = {"machine": "MIX-1", "ends_at": (at + timedelta(hours=1)).isoformat(), "reason": "Blades are changed"}
    assert client.post("/maintenance", json=window).status_code == 201

    for machine in ("MIX-1", "MIX-2"):
        reading = {"machine": machine, "metrics": {"vibration_mm_s": 9.2}}
        assert client.post("/telemetry/ingest", json=reading).status_code == 201

    owner = new_person(width=390, height=844)
    url = mailing_trial.factory_url()
    owner.sign_in(url, mailing_trial.owner_email, mailing_trial.owner_password)
    owner.page.wait_for_url(f"{url}/")
    owner.page.goto(f"{url}/alerts")
    expect(row(owner.page, "MIX-2")).to_contain_text("Mixer shakes")
    owner.page.get_by_role("link", name=re.compile("^Suppressed")).click()
    expect(row(owner.page, "MIX-1")).to_contain_text("Blades are changed")
    owner.shoot("maintenance-muted-390", full_page=True)

    # The other machine's mail, which was due no earlier, is the only one.
    before = sum("Mixer shakes" not in subject_of(each) for each in mail.messages())
    told = mail.wait_for(before + 1)[before:]
    assert [subject_of(each) for each in told] == ["High: MIX-2 – Mixer shakes"]
    recorded = client.get("/telemetry/MIX-1", params={"from": (at - timedelta(minutes=1)).isoformat(), "raw": "true"})
    assert "9.2" in recorded.text

    # What is still wrong when the work is done is told after all.
    number = next(each["id"] for each in client.get("/maintenance").json()["results"])
    assert client.delete(f"/maintenance/{number}").status_code == 204
    told = mail.wait_for(before + 2)[before:]
    assert [subject_of(each) for each in told] == ["High: MIX-2 – Mixer shakes", "High: MIX-1 – Mixer shakes"]
