"""A reader of other units reads a report in those: document, workbook and pictures, while what is filed stays."""

from copy import deepcopy
from io import BytesIO

import numpy as np
import pytest
from openpyxl import load_workbook

from accounts.jobs import JobState
from common import clock
from common.units import UnitSystem
from reports.charts import ChartMetric, MachineChart
from reports.making import report_make
from reports.models import Report
from reports.reader_units import chart_in, contents_in
from telemetry.viewing.preferences import units_choose
from tests.reports.conftest import NOW
from tests.reports.test_making import pages_of

CONTENTS = {
    "look_first": [{"reasons": [{"code": "alert_open", "title": "Above 40 °C", "summary": "Was 50.0 °C"}]}],
    "machines": [
        {
            "metrics": [
                {"unit": "°C", "minimum": 0.0, "mean": 10.0, "maximum": 100.0, "last": None},
                {"unit": "A", "minimum": 1.0, "mean": 1.0, "maximum": 1.0, "last": 1.0},
            ],
            "alerts": [{"title": "Above 40 °C", "summary": "Was 50.0 °C", "minutes": 3}],
        }
    ],
}


def test_figures_and_sentences_are_converted_and_the_filed_contents_are_not():
    filed = deepcopy(CONTENTS)
    read = contents_in(CONTENTS, UnitSystem.US)
    hot, current = read["machines"][0]["metrics"]
    assert hot == {"unit": "°F", "minimum": 32.0, "mean": 50.0, "maximum": 212.0, "last": None}
    assert current["unit"] == "A"
    assert read["machines"][0]["alerts"][0]["summary"] == "Was 122 °F"
    assert read["look_first"][0]["reasons"][0]["title"] == "Above 104 °F"
    assert filed == CONTENTS
    assert contents_in(CONTENTS, UnitSystem.STORED) is CONTENTS


def test_pictures_are_drawn_in_the_same_units():
    column = np.array([0.0, 100.0])
    panel = ChartMetric(
        label="Oil", unit="°C", t_ms=np.array([0, 1]), minimum=column, maximum=column, mean=column, normal=(10.0, 20.0)
    )
    (drawn,) = chart_in(MachineChart(from_ms=0, to_ms=1, time_zone="UTC", metrics=[panel]), UnitSystem.US).metrics
    assert (drawn.unit, drawn.mean.tolist(), drawn.normal) == ("°F", [32.0, 212.0], (50.0, 68.0))


def test_whoever_asks_gets_the_document_in_their_units_and_each_the_workbook_in_their_own(
    line, waiting, supervisor, viewer, client_for, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "now_ms", lambda: int(NOW.timestamp() * 1000))
    units_choose(user=supervisor, system=UnitSystem.US)
    Report.objects.update(requested_by=supervisor)
    assert report_make(factory=line, report_id=waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == JobState.READY
    whole = " ".join(pages_of(bytes(waiting.pdf)))
    assert "°F" in whole
    assert "in/s" in whole
    assert "mm/s" not in whole
    assert {metric["unit"] for machine in waiting.contents["machines"] for metric in machine["metrics"]} >= {"°C"}

    def units_in_the_workbook_of(person) -> set[str]:
        book = load_workbook(BytesIO(client_for(person).get(f"/reports/{waiting.pk}/xlsx").content))
        return {row[3].value for row in book["Metrics"].iter_rows(min_row=2)}

    assert "°F" in units_in_the_workbook_of(supervisor)
    assert "°C" in units_in_the_workbook_of(viewer)
