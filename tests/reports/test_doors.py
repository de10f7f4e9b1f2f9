"""Reports at the product's doors: who may see, ask and download, and what a program gets."""

import json
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import signing

from accounts.jobs import JobState
from accounts.models import ApiKey, AuditEntry
from common import clock
from reports import tasks
from reports.models import Report
from tests.reports.conftest import NOW, WEEK


@pytest.fixture(autouse=True)
def enqueued(monkeypatch):
    found = []
    monkeypatch.setattr(tasks.make_report, "for_factory", lambda slug, report_id: found.append((slug, report_id)))
    return found


@pytest.fixture
def ready(in_acme):
    return Report.objects.create(
        period_from_at=WEEK.from_at,
        period_to_at=WEEK.to_at,
        time_zone="Europe/Warsaw",
        state=JobState.READY,
        finished_at=NOW,
        contents={"schema": "equipment-health/1"},
        data_hash="ab" * 32,
        pdf=b"%PDF-1.4 acme",
    )


def test_a_viewer_sees_and_opens_reports_and_no_button(ready, viewer, client_for):
    browser = client_for(viewer)
    Report.objects.update(created_at=NOW)
    page = browser.get("/reports").content.decode()
    assert "Sat 21 Nov 2026, 13:00</time>" in page
    assert "Sat 14 Nov 2026, 13:00 – Sat 21 Nov 2026, 13:00" in page
    assert "Make one now" not in page
    answer = browser.get(f"/reports/{ready.pk}/pdf")
    assert (answer.content, answer["Content-Type"]) == (b"%PDF-1.4 acme", "application/pdf")
    assert browser.post("/reports/make").status_code == 403


def test_a_supervisor_asks_for_one_and_the_list_polls_until_it_is_there(
    in_acme, supervisor, client_for, enqueued, django_capture_on_commit_callbacks
):
    browser = client_for(supervisor)
    assert "Make one now" in browser.get("/reports").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        part = browser.post("/reports/make", HTTP_HX_REQUEST="true").content.decode()
    report = Report.objects.get()
    assert enqueued == [("acme", report.pk)]
    assert report.requested_by == supervisor
    assert 'hx-trigger="poll"' in part
    Report.objects.update(state=JobState.READY)
    assert "hx-trigger" not in browser.get("/reports/list").content.decode()


def test_without_htmx_the_button_leads_back_to_the_list(in_acme, supervisor, client_for):
    answer = client_for(supervisor).post("/reports/make")
    assert (answer.status_code, answer["Location"]) == (302, "/reports")


def test_the_list_keeps_its_query_budget(ready, supervisor, client_for, django_assert_max_num_queries):
    browser = client_for(supervisor)
    browser.get("/reports")
    for day in range(1, 30):
        Report.objects.create(
            period_from_at=WEEK.from_at - timedelta(days=day),
            period_to_at=WEEK.to_at,
            time_zone="UTC",
            requested_by=supervisor,
        )
    with django_assert_max_num_queries(16):
        assert browser.get("/reports").status_code == 200


@pytest.mark.parametrize("path", ["/reports", "/reports/list", "/reports/{id}/pdf", "/reports/{id}/xlsx"])
def test_pages_refuse_a_stranger_and_an_outsider(ready, anonymous, outsider, client_for, path):
    path = path.format(id=ready.pk)
    for browser in (anonymous, client_for(outsider, at="acme")):
        answer = browser.get(path)
        assert answer.status_code in {302, 403}
        assert b"acme" not in answer.content


def test_the_same_number_is_nothing_in_another_factory(ready, outsider, client_for):
    assert client_for(outsider).get(f"/reports/{ready.pk}/pdf").status_code == 404
    assert client_for(outsider).get(f"/api/v1/reports/{ready.pk}").status_code == 404


def test_a_program_asks_polls_and_downloads_by_an_expiring_link(
    in_acme, write_key, read_key, api_client, enqueued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        asked = api_client(write_key).post_json("/api/v1/reports", {})
    assert asked.status_code == 202
    report = Report.objects.get()
    assert enqueued == [("acme", report.pk)]
    assert asked["Location"] == f"/api/v1/reports/{report.pk}"
    reader = api_client(read_key)
    polled = reader.get(asked["Location"]).json()
    assert (polled["state"], polled["downloads"]) == ("queued", None)
    assert reader.get(f"/api/v1/reports/{report.pk}/download").status_code == 409
    Report.objects.update(state=JobState.READY, pdf=b"%PDF-1.4 x", finished_at=NOW, contents={"a": "Łódź"})
    downloads = reader.get(asked["Location"]).json()["downloads"]
    link = urlsplit(downloads["json"])
    assert link.netloc == "acme.localhost:8000"
    stranger = api_client()
    assert json.loads(stranger.get(f"{link.path}?{link.query}").content)["contents"] == {"a": "Łódź"}


def test_a_period_of_ones_own_is_taken_and_half_of_one_refused(in_acme, write_key, api_client):
    program = api_client(write_key)
    taken = program.post_json(
        "/api/v1/reports", {"from": "2026-10-01T00:00:00+02:00", "to": "2026-10-08T00:00:00+02:00"}
    )
    assert taken.status_code == 202
    assert taken.json()["period_from_at"].startswith("2026-09-30T22:00:00")
    assert program.post_json("/api/v1/reports", {"from": "2026-10-01T00:00:00Z"}).status_code == 400


def test_a_link_opens_its_own_report_and_format_alone_and_not_for_long(ready, read_key, api_client, monkeypatch):
    links = api_client(read_key).get(f"/api/v1/reports/{ready.pk}").json()["downloads"]
    pdf = urlsplit(links["pdf"])
    stranger = api_client()
    other = Report.objects.create(
        period_from_at=WEEK.from_at,
        period_to_at=WEEK.to_at,
        time_zone="UTC",
        revision=2,
        state=JobState.READY,
        pdf=b"other",
    )
    assert stranger.get(f"{pdf.path}?{pdf.query}").content == b"%PDF-1.4 acme"
    for wrong in (
        f"/api/v1/reports/{other.pk}/download?{pdf.query}",
        f"{pdf.path}?{pdf.query.replace('format=pdf', 'format=json')}",
        f"{pdf.path}?{pdf.query}x",
    ):
        refused = stranger.get(wrong)
        assert (refused.status_code, refused.json()["code"]) == (403, "link_invalid"), wrong
    later = signing.time.time() + 16 * 60
    monkeypatch.setattr(signing.time, "time", lambda: later)
    expired = stranger.get(f"{pdf.path}?{pdf.query}")
    assert (expired.status_code, expired.json()["code"]) == (403, "link_expired")


def test_a_link_of_one_factory_opens_nothing_in_another(ready, read_key, api_client):
    pdf = urlsplit(api_client(read_key).get(f"/api/v1/reports/{ready.pk}").json()["downloads"]["pdf"])
    assert api_client(at="borg").get(f"{pdf.path}?{pdf.query}").json()["code"] == "link_invalid"


@pytest.mark.parametrize("path", ["reports", "reports/{id}", "reports/{id}/download", "report-schedules"])
def test_the_api_refuses_strangers_foreign_keys_and_device_keys(ready, foreign_key, ingest_key, api_client, path):
    path = f"/api/v1/{path.format(id=ready.pk)}"
    assert api_client().get(path).status_code == 401
    assert api_client(foreign_key).get(path).status_code in {401, 403}
    assert api_client(ingest_key).get(path).status_code == 403


def test_a_reader_may_not_ask_for_reports_or_change_schedules(in_acme, read_key, viewer, api_client, client_for):
    for path in ("/api/v1/reports", "/api/v1/report-schedules"):
        assert api_client(read_key).post_json(path, {}).status_code == 403
        assert client_for(viewer).post_json(path, {}).status_code == 403


def test_a_format_that_is_not_offered_is_a_coded_refusal(ready, read_key, api_client):
    refused = api_client(read_key).get(f"/api/v1/reports/{ready.pk}/download?format=docx")
    assert (refused.status_code, refused.json()["code"]) == (400, "format_not_offered")


def test_schedules_are_listed_and_added_within_the_clock(in_acme, read_key, write_key, api_client):
    (usual,) = api_client(read_key).get("/api/v1/report-schedules").json()["results"]
    assert (usual["weekday"], usual["hour"], usual["recipients"]) == (0, 6, [])
    program = api_client(write_key)
    added = program.post_json("/api/v1/report-schedules", {"weekday": 4, "hour": 15, "recipients": ["a@acme.example"]})
    assert added.status_code == 201
    for wrong in ({"weekday": 7}, {"weekday": 1, "hour": 24}, {"weekday": 1, "recipients": ["nobody"]}):
        assert program.post_json("/api/v1/report-schedules", wrong).status_code == 400


def test_the_page_says_when_the_next_one_comes_in_plant_time(in_acme, viewer, client_for, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    assert "Monday 23 November, 06:00 (Europe/Warsaw)" in client_for(viewer).get("/reports").content.decode()


def test_who_took_a_report_along_is_written_down(ready, viewer, read_key, client_for, api_client):
    client_for(viewer).get(f"/reports/{ready.pk}/pdf")
    program = api_client(read_key)
    program.get(f"/api/v1/reports/{ready.pk}/download", {"format": "json"})
    link = program.get(f"/api/v1/reports/{ready.pk}").json()["downloads"]["pdf"]
    assert api_client("").get(urlsplit(link).path + "?" + urlsplit(link).query).status_code == 200
    entries = AuditEntry.objects.filter(action="report.downloaded").order_by("id")
    key = ApiKey.objects.get()
    said = [(entry.actor, entry.details["format"]) for entry in entries]
    assert said == [(viewer.email, "pdf"), (f"key {key.prefix} ({key.name})", "json"), ("a download link", "pdf")]


def test_a_report_that_is_not_ready_leaves_no_trace(ready, viewer, client_for):
    Report.objects.update(state=JobState.FAILED)
    client_for(viewer).get(f"/reports/{ready.pk}/xlsx")
    assert not AuditEntry.objects.filter(action="report.downloaded").exists()
