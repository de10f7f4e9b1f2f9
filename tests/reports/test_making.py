"""The report as made from readings in the store: a document one could hand to a customer."""

import json
from datetime import timedelta
from io import BytesIO
from itertools import count

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from accounts.jobs import JobState, jobs_stuck
from anomalies.models import Notification
from common import clock
from reports import making
from reports.charts import ChartMetric, MachineChart, draw_machine, draw_pictures, with_gaps
from reports.downloads import report_file
from reports.gather import gather_close_up, gather_trends
from reports.making import report_make
from reports.models import Report, Schedule
from telemetry.models import Machine
from telemetry.store import reading_store
from telemetry.store.base import StoreUnavailableError
from tests.reports.conftest import NOW, SHOWN, WEEK


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "now_ms", lambda: int(NOW.timestamp() * 1000))


def pages_of(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_range() for page in document]
    document.close()
    return texts


def test_the_pdf_has_cover_ranking_every_machine_and_page_numbers(line, waiting):
    assert report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == JobState.READY
    pages = pages_of(bytes(waiting.pdf))
    assert "Acme Foods" in pages[0]
    assert "Sat 14 Nov 2026, 13:00 – Sat 21 Nov 2026, 13:00" in pages[0]
    assert "Europe/Warsaw" in pages[0]
    assert waiting.data_hash in pages[0]
    assert pages[1].index("Brine pump Łódź") < pages[1].index("M01-mixer")
    for number, text in enumerate(pages[1:], start=2):
        assert f"{number} / {len(pages)}" in text.replace("\xa0", " ")
    whole = " ".join(pages)
    for title in ("Vibration", "Motor current", "Bearing temperature", "Discharge pressure", "Flow"):
        assert title in whole
    assert "Vibration left its normal band" in whole


def test_signs_of_every_kind_print_as_themselves_and_markup_stays_text(line, waiting):
    report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    whole = " ".join(" ".join(pages_of(bytes(waiting.pdf))).split())
    for text in ("Łódź", "CO₂", "°C", "± 0.4", "<b>& $x$</b>"):
        assert text in whole


def test_every_machine_with_readings_has_a_chart_with_ink_in_every_panel(line):
    for key in SHOWN:
        machine = Machine.objects.get(key=key)
        chart = gather_trends(machine, period=WEEK, time_zone="Europe/Warsaw")
        pictures = draw_machine(chart)
        assert pictures
        image = np.asarray(Image.open(BytesIO(pictures[0])).convert("RGB")).astype(int)
        # The line's own colour, in as many bands of the picture as there are metrics.
        ink = np.abs(image - np.array([0x0A, 0x60, 0x70])).sum(axis=2) < 60
        bands = np.array_split(ink, len(chart.metrics))
        assert all(band.sum() > 20 for band in bands), key


def test_a_close_up_shows_the_hour_before_the_worst_alert_in_the_metrics_that_carried_it(line):
    pump = Machine.objects.get(key="M07-pump")
    pump.alerts.update(evidence={"metrics": [{"metric": "vibration_mm_s"}, {"metric": "motor_current_a"}]})
    chart = gather_close_up(pump, period=WEEK, time_zone="Europe/Warsaw")
    assert (chart.title, [metric.label for metric in chart.metrics]) == (
        "Vibration left its normal band",
        ["Vibration", "Motor current"],
    )
    assert chart.to_ms - chart.from_ms == (60 + 24) * 60_000
    assert len(chart.metrics[0].t_ms) > 100


def test_the_charts_stand_in_the_document(line, waiting):
    report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    document = pypdfium2.PdfDocument(bytes(waiting.pdf))
    images = [sum(item.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE for item in page.get_objects()) for page in document]
    document.close()
    # Trends of both, and a close-up of each one's worst alert.
    assert sum(images) == 2 * len(SHOWN)


def test_a_factory_without_machines_still_gets_a_document(in_acme):
    report = Report.objects.create(period_from_at=WEEK.from_at, period_to_at=WEEK.to_at, time_zone="UTC")
    assert report_make(factory=in_acme, report_id=report.pk)
    report.refresh_from_db()
    assert "No machine has reported yet." in " ".join(pages_of(bytes(report.pdf)))


def test_a_machine_without_a_reading_in_the_period_says_so(line, waiting):
    Machine.objects.create(key="M99-scale")
    report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    assert "Nothing was recorded in the period." in pages_of(bytes(waiting.pdf))[-1]


def test_the_json_says_the_same_as_was_hashed(line, waiting):
    report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    document = json.loads(report_file(waiting, "json"))
    assert document["data_hash"] == f"sha256:{waiting.data_hash}"
    assert document["contents"]["look_first"][0]["machine"] == "M07-pump"
    vibration = next(m for m in document["contents"]["machines"][1]["metrics"] if m["name"] == "vibration_mm_s")
    assert vibration["maximum"] > 5 > vibration["minimum"]
    assert 0.9 < vibration["availability"] <= 1.0


def test_two_workers_make_a_report_once(line, waiting):
    assert report_make(factory=line, report_id=waiting.pk)
    assert not report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    assert waiting.attempts == 1


def test_a_report_in_the_making_says_how_far_it_is_for_a_page_that_is_loaded_then(
    line, waiting, supervisor, client_for, monkeypatch
):
    seconds = count()
    monkeypatch.setattr(clock, "monotonic_s", lambda: float(next(seconds)))
    pages = []

    def look(*_args):
        pages.append(client_for(supervisor).get("/reports").content.decode())
        return draw_pictures(*_args)

    monkeypatch.setattr(making, "draw_pictures", look)
    assert report_make(factory=line, report_id=waiting.pk)
    assert ['value="0.0"' in pages[0], 'value="0.5"' in pages[1]] == [True, True]
    assert "<progress" not in client_for(supervisor).get("/reports").content.decode()


def test_a_store_that_is_away_costs_attempts_and_ends_in_failed(line, waiting, monkeypatch):
    def away(*_args, **_kwargs):
        raise StoreUnavailableError("connection refused")

    monkeypatch.setattr(type(reading_store()), "buckets", away)
    for attempt, state in [(1, JobState.QUEUED), (2, JobState.QUEUED), (3, JobState.FAILED)]:
        assert not report_make(factory=line, report_id=waiting.pk)
        waiting.refresh_from_db()
        assert (waiting.attempts, waiting.state) == (attempt, state)
    assert "connection refused" in waiting.error


def test_a_report_whose_worker_was_killed_is_found_and_made_again(line, waiting):
    Report.objects.filter(pk=waiting.pk).update(state=JobState.RUNNING, started_at=NOW - timedelta(minutes=20))
    assert jobs_stuck(Report, NOW) == [waiting.pk]
    assert report_make(factory=line, report_id=waiting.pk)
    assert jobs_stuck(Report, NOW) == []


def test_a_running_report_is_left_alone(line, waiting):
    Report.objects.filter(pk=waiting.pk).update(state=JobState.RUNNING, started_at=NOW - timedelta(minutes=2))
    assert jobs_stuck(Report, NOW) == []
    assert not report_make(factory=line, report_id=waiting.pk)


def test_a_scheduled_report_tells_its_recipients_once_each_with_a_link(line, waiting):
    Schedule.objects.create(recipients=["boss@acme.example", "plant@acme.example"])
    Schedule.objects.create(weekday=2, recipients=["boss@acme.example"])
    Report.objects.filter(pk=waiting.pk).update(scheduled=True)
    report_make(factory=line, report_id=waiting.pk)
    mails = Notification.objects.filter(alert=None)
    assert sorted(mails.values_list("recipient", flat=True)) == ["boss@acme.example", "plant@acme.example"]
    assert set(mails.values_list("occasion", flat=True)) == {"report"}
    mail = mails.first()
    assert f"http://acme.localhost:8000/reports/{waiting.pk}/pdf" in mail.body_text
    assert "Brine pump Łódź" in mail.body_text
    assert "&lt;" not in mail.body_text
    assert "Brine pump Łódź" in mail.body_html


def test_a_report_on_the_button_mails_nobody(line, waiting):
    Schedule.objects.create(recipients=["boss@acme.example"])
    report_make(factory=line, report_id=waiting.pk)
    assert not Notification.objects.exists()


def metric_at(t_ms: list[int], name: str = "x") -> ChartMetric:
    values = np.arange(len(t_ms), dtype=float)
    return ChartMetric(label=name, unit="", t_ms=np.array(t_ms), minimum=values, maximum=values, mean=values)


def test_a_line_is_not_drawn_across_a_gap():
    _at, _low, _high, mean = with_gaps(metric_at([0, 10, 20, 80, 90]))
    assert np.isnan(mean).tolist() == [False, False, False, True, False, False]


def test_many_metrics_become_several_pictures_that_fit_a_page():
    metrics = [metric_at([0, 1000, 2000], f"m{n}") for n in range(16)]
    pictures = draw_machine(MachineChart(from_ms=0, to_ms=3000, time_zone="UTC", metrics=metrics))
    assert len(pictures) == 3
    assert all(Image.open(BytesIO(picture)).height <= 200 * 9 for picture in pictures)
