"""The report as a workbook: what the other formats say, as numbers to calculate with, and nothing that runs."""

import zipfile
from datetime import datetime
from io import BytesIO

import pytest
from django.utils import translation
from openpyxl import load_workbook

from common import clock
from reports.downloads import report_file
from reports.extracts import edition_for_asker
from reports.making import report_make
from reports.models import Report
from reports.render.xlsx import render_xlsx
from telemetry.models import Machine, Metric
from tests.reports.conftest import NOW

HOSTILE = ['=HYPERLINK("http://evil.example","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", "\x07=1"]


@pytest.fixture
def made(line, waiting, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "now_ms", lambda: int(NOW.timestamp() * 1000))
    assert report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    return waiting


def sheets_of(content: bytes):
    book = load_workbook(BytesIO(content))
    return {sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book}


def test_a_workbook_has_overview_machines_alerts_and_metrics_with_units_and_plant_time(made):
    sheets = sheets_of(report_file(made, "xlsx"))
    contents = made.contents

    assert list(sheets) == ["Overview", "Machines", "Alerts", "Metrics"]
    overview = {row[0]: row[1] for row in sheets["Overview"] if row[0]}
    assert (overview["Plant time"], overview["Readings"]) == ("Europe/Warsaw", contents["totals"]["readings"])
    assert overview["Data hash (SHA-256)"] == made.data_hash

    names, *machines = sheets["Machines"]
    assert names[-1] == "Last seen (Europe/Warsaw)"
    assert [row[0] for row in machines] == [machine["key"] for machine in contents["machines"]]
    pump = next(row for row in machines if row[0] == "M07-pump")
    assert pump[1] == "Brine pump Łódź"

    _names, *alerts = sheets["Alerts"]
    began = next(row for row in alerts if row[3] == "Vibration left its normal band")
    assert began[5] == datetime(2026, 11, 21, 12, 36)  # noqa: DTZ001  # 11:36 UTC
    assert began[6] == "still open"

    _names, *metrics = sheets["Metrics"]
    expected = [(machine["key"], one) for machine in contents["machines"] for one in machine["metrics"]]
    assert [(row[0], row[2], row[3]) for row in metrics] == [(key, one["name"], one["unit"]) for key, one in expected]
    # The library writes 16 digits.
    assert [row[5] for row in metrics] == [pytest.approx(one["mean"], rel=1e-14) for _key, one in expected]


def test_no_text_becomes_a_formula(made):
    contents = made.contents
    contents["factory"]["name"] = HOSTILE[0]
    for place, machine in enumerate(contents["machines"]):
        machine["key"] = HOSTILE[place % len(HOSTILE)]
        machine["name"] = HOSTILE[(place + 1) % len(HOSTILE)]
        for alert in machine["alerts"]:
            alert["title"], alert["summary"], alert["acknowledged_by"] = HOSTILE[2], HOSTILE[3], HOSTILE[4]
        for at, metric in enumerate(machine["metrics"]):
            metric["label"] = metric["unit"] = HOSTILE[at % len(HOSTILE)]

    content = render_xlsx(edition_for_asker(made))

    book = load_workbook(BytesIO(content))
    hostile = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value in HOSTILE]
    assert len(hostile) > 10
    assert {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row} <= {
        "s",
        "inlineStr",
        "n",
        "d",
    }
    assert all(cell.quotePrefix for cell in hostile)
    with zipfile.ZipFile(BytesIO(content)) as parts:
        for name in parts.namelist():
            assert b"<f>" not in parts.read(name)
            assert b"<f " not in parts.read(name)


def test_the_heading_speaks_the_reader_s_language_and_nothing_recorded_is_an_empty_sheet(in_acme, waiting, monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    Machine.objects.all().delete()
    assert report_make(factory=in_acme, report_id=waiting.pk)
    waiting.refresh_from_db()

    with translation.override("en"):
        sheets = sheets_of(report_file(waiting, "xlsx"))

    assert len(sheets["Machines"]) == len(sheets["Alerts"]) == len(sheets["Metrics"]) == 1


def test_a_program_downloads_it_by_its_link_and_a_viewer_by_its_button(made, read_key, api_client, viewer, client_for):
    polled = api_client(read_key).get(f"/api/v1/reports/{made.pk}").json()
    link = polled["downloads"]["xlsx"].partition(":8000")[2]
    for answer in (api_client().get(link), client_for(viewer).get(f"/reports/{made.pk}/xlsx")):
        assert answer["Content-Type"] == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        assert answer["Content-Disposition"].endswith('.xlsx"')
        assert len(sheets_of(answer.content)) == 4
    assert f"/reports/{made.pk}/xlsx" in client_for(viewer).get("/reports").content.decode()
    # A link for one format opens no other.
    assert api_client().get(link.replace("format=xlsx", "format=pdf")).status_code == 403


def test_very_long_and_unprintable_texts_do_not_break_the_file(made):
    made.contents["machines"][0]["name"] = "x" * 40_000 + "\x00\x1b"
    found = sheets_of(render_xlsx(edition_for_asker(made)))
    assert len(found["Machines"][1][1]) == 32_767
    assert Report.objects.count() == 1
    assert Metric.objects.exists()
