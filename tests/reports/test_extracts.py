"""Who sees a part of the plant gets a report's extract about it, in every format and by every way, and no word more."""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from urllib.parse import urlsplit

import pypdfium2
import pytest
from openpyxl import load_workbook

from accounts.jobs import JobState
from accounts.models import User
from reports.contents import AlertFacts, MachineFacts, MetricFacts, ReportFacts, build_contents, contents_hash
from reports.models import Report
from telemetry.models import Line, Machine, Site
from tenants.models import Factory
from tests.conftest import FactoryClient
from tests.reports.conftest import NOW, WEEK

FAR = "faraway"
ClientFor = Callable[..., FactoryClient]


def _machine(key: str, *, count: int) -> MachineFacts:
    metric = MetricFacts(
        name=f"flow-{key}", label="Flow", unit="l/min", kind="flow", count=count,
        minimum=1.0, maximum=3.0, mean=2.0, last=2.5, availability=1.0,
    )  # fmt: skip
    alert = AlertFacts(
        id=count, severity="high", state="active", title=f"Flow of {key} low", summary=f"Of {key}",
        since_at=NOW - timedelta(hours=1), ended_at=None, acknowledged_by="",
    )  # fmt: skip
    return MachineFacts(
        key=key, name=key.title(), machine_type="pump", line=f"Line of {key}", last_seen_at=NOW,
        health_status="normal", health_percent=90.0, metrics=[metric], alerts=[alert],
    )  # fmt: skip


@pytest.fixture
def report(in_acme: Factory) -> Report:
    """A finished report of a near machine and one far away, both of which stand in the plant."""
    site = Site.objects.create(name="Here")
    for key in ("near", FAR):
        Machine.objects.create(key=key, line=Line.objects.create(site=site, name=f"Line of {key}"))
    facts = ReportFacts(
        factory="acme", factory_name="Acme Foods", time_zone="Europe/Warsaw", from_at=WEEK.from_at, to_at=WEEK.to_at,
        machines=[_machine(FAR, count=900), _machine("near", count=7)],
    )  # fmt: skip
    contents = build_contents(facts)
    return Report.objects.create(
        period_from_at=WEEK.from_at, period_to_at=WEEK.to_at, time_zone="Europe/Warsaw", state=JobState.READY,
        finished_at=NOW, contents=contents, data_hash=contents_hash(contents), pdf=f"%PDF of {FAR}".encode(),
    )  # fmt: skip


@pytest.fixture
def restricted(report: Report, viewer: User) -> User:
    viewer.reach = {"sites": [], "lines": [Machine.objects.get(key="near").line_id]}
    viewer.save()
    return viewer


def _words(content: bytes, kind: str) -> str:
    if kind == "pdf":
        return " ".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(content))
    if kind == "xlsx":
        cells = (row for sheet in load_workbook(BytesIO(content)) for row in sheet.iter_rows(values_only=True))
        return " ".join(str(value) for row in cells for value in row)
    return content.decode()


def _only_near(content: bytes, kind: str) -> None:
    words = _words(content, kind).lower()
    assert "flow of near low" in words, kind
    assert FAR not in words, kind


def test_pages_and_links_give_the_extract_in_each_format(
    report: Report, restricted: User, client_for: ClientFor, api_client: ClientFor
) -> None:
    browser = client_for(restricted)
    assert f"/reports/{report.pk}/pdf" in browser.get("/reports").content.decode()
    for kind in ("pdf", "xlsx"):
        _only_near(browser.get(f"/reports/{report.pk}/{kind}").content, kind)
    # A link carries how far whoever had it sees: it opens without signing in, and also for somebody who sees all.
    links = browser.get(f"/api/v1/reports/{report.pk}").json()["downloads"]
    for kind in ("pdf", "xlsx", "json"):
        link = urlsplit(links[kind])
        _only_near(api_client().get(f"{link.path}?{link.query}").content, kind)


def test_its_sums_and_its_hash_are_its_own(report: Report, restricted: User, client_for: ClientFor) -> None:
    told = json.loads(client_for(restricted).get(f"/api/v1/reports/{report.pk}/download?format=json").content)
    totals, ranked = told["contents"]["totals"], told["contents"]["look_first"]
    assert (totals["machines"], totals["readings"], totals["alerts_open"]) == (1, 7, 1)
    assert [(entry["rank"], entry["machine"]) for entry in ranked] == [(1, "near")]
    canonical = json.dumps(told["contents"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert told["data_hash"] == f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    assert told["extract_of"] == f"sha256:{report.data_hash}"


def test_a_key_for_some_machines_gets_their_extract(
    report: Report, admin: User, client_for: ClientFor, api_client: ClientFor
) -> None:
    wanted = {"name": "Panel", "scopes": ["read"], "machines": ["near"]}
    panel = api_client(client_for(admin).post_json("/api/v1/api-keys", wanted).json()["key"])
    _only_near(panel.get(f"/api/v1/reports/{report.pk}/download?format=json").content, "json")
    link = urlsplit(panel.get(f"/api/v1/reports/{report.pk}").json()["downloads"]["json"])
    _only_near(api_client().get(f"{link.path}?{link.query}").content, "json")


def test_whoever_sees_the_whole_plant_gets_the_report_as_it_was_made(
    report: Report, operator: User, client_for: ClientFor
) -> None:
    browser = client_for(operator)
    assert browser.get(f"/reports/{report.pk}/pdf").content == bytes(report.pdf or b"")
    told = json.loads(browser.get(f"/api/v1/reports/{report.pk}/download?format=json").content)
    assert (told["contents"], "extract_of" in told) == (report.contents, False)


def test_why_a_report_failed_is_for_those_who_see_all_of_it(
    report: Report, restricted: User, operator: User, client_for: ClientFor
) -> None:
    Report.objects.update(state=JobState.FAILED, error=f"KeyError: {FAR}")
    assert FAR not in client_for(restricted).get("/reports").content.decode()
    assert client_for(restricted).get(f"/api/v1/reports/{report.pk}").json()["error"] == ""
    assert FAR in client_for(operator).get(f"/api/v1/reports/{report.pk}").json()["error"]
