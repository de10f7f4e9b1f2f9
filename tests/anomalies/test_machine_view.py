"""What charts of machines and alerts are told: marks of alerts and maintenance, figures in the reader's units."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import translation

from accounts.models import User
from anomalies.machine_view import evidence_parts, machine_view_config
from anomalies.models import Alert, MaintenanceWindow
from common import clock
from common.times import to_ms
from common.units import UnitSystem
from telemetry.models import Line, Machine, Metric, Site
from telemetry.viewing.sentences import sentence_in
from tenants.models import Factory
from tests.conftest import FactoryClient


@pytest.fixture
def pump(in_acme: Factory) -> Machine:
    line = Line.objects.create(site=Site.objects.create(name="Łódź"), name="Line 1")
    machine = Machine.objects.create(key="P1", line=line, last_seen_at=clock.now())
    Metric.objects.create(machine=machine, name="bearing", unit="°C", kind="temperature", last_value=60.0)
    return machine


@pytest.fixture
def alert(pump: Machine) -> Alert:
    level = {"metric": "bearing", "unit": "°C", "share": 0.9, "observed": 61.0, "expected": [40.0, 50.0]}
    movement = {**level, "aspect": "spread", "observed": 10.0, "expected": [0.0, 5.0], "share": 0.1}
    return Alert.objects.create(
        machine=pump,
        cause="detector",
        title="Bearing above normal",
        summary="Bearing 61.0 °C, normal 40.0–50.0, since 21 Nov 10:42 CET",
        evidence={"metrics": [level, movement]},
        since_at=clock.now(),
    )


def test_maintenance_of_a_machine_and_of_its_line_is_marked_and_that_of_others_is_not(pump: Machine) -> None:
    now = clock.now()
    other = Machine.objects.create(key="P2")
    for number, target in enumerate(({"machine": pump}, {"line": pump.line}, {"machine": other})):
        MaintenanceWindow.objects.create(
            **target,
            starts_at=now + timedelta(hours=number),
            ends_at=now + timedelta(hours=number + 1),
            reason="Grease",
        )
    marks = [mark for mark in machine_view_config(pump, [])["marks"] if mark["kind"] == "maintenance"]
    assert sorted(mark["from"] for mark in marks) == [to_ms(now), to_ms(now + timedelta(hours=1))]
    assert all(mark["to"] - mark["from"] == 3_600_000 and mark["metrics"] == [] for mark in marks)
    assert {mark["title"] for mark in marks} == {"Maintenance: Grease"}


def test_a_chart_s_mark_calls_its_alert_as_the_reader_s_language_does(pump: Machine, alert: Alert) -> None:
    alert.evidence["said"] = {"de": {"title": "Lager über normal", "summary": "…"}}
    alert.save()
    with translation.override("de"):
        [mark] = machine_view_config(pump, [])["marks"]
    assert mark["title"] == "Lager über normal"
    assert machine_view_config(pump, [])["marks"][0]["title"] == "Bearing above normal"


def test_evidence_is_told_in_the_reader_s_units_and_movement_without_a_zero(alert: Alert) -> None:
    level, movement = evidence_parts(alert, units=UnitSystem.US)
    assert (level["unit"], level["observed"], level["expected"]) == ("°F", pytest.approx(141.8), [104.0, 122.0])
    assert (movement["observed"], movement["expected"]) == (18.0, [0.0, 9.0])
    assert evidence_parts(alert)[0]["observed"] == 61.0


def test_the_newest_value_stands_beside_the_furthest_while_the_trouble_goes_on(alert: Alert) -> None:
    level, movement = evidence_parts(alert, units=UnitSystem.US)
    assert (level["current"], movement["current"]) == (pytest.approx(140.0), None)
    alert.returned_at = clock.now()
    assert evidence_parts(alert)[0]["current"] is None


def test_alert_s_sentence_is_read_in_the_reader_s_units_on_pages_and_kept_as_it_was(
    alert: Alert, viewer: User, operator: User, client_for: Callable[..., FactoryClient]
) -> None:
    client_for(viewer).post("/viewing/units", {"units": "us"})
    page = client_for(viewer).get(f"/alerts/{alert.pk}").content.decode()
    assert "Bearing 142 °F, normal 104–122, since 21 Nov 10:42 CET" in page
    assert "Bearing 61.0 °C" in client_for(operator).get(f"/alerts/{alert.pk}").content.decode()
    alert.refresh_from_db()
    assert "61.0 °C" in alert.summary


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Speed 1\u202f480 rpm, limit 1\u202f500 rpm, since 10:42 CET", None),
        ("Nothing has arrived for 3 min, since 10:42 CET", None),
        ("Flow 24,5 m³/h, limit 20,0 m³/h", "Flow 108 gal/min, limit 88.1 gal/min"),
        (
            "A 7.00 A, normal 1.00–2.00; B 25.4 mm/s, normal 0–12.7",
            "A 7.00 A, normal 1.00–2.00; B 1.00 in/s, normal 0–0.500",
        ),
        ("Position 5.00 m, normal 1.00–2.00, since 3 min", "Position 16.4 ft, normal 3.28–6.56, since 3 min"),
    ],
)
def test_only_figures_of_a_unit_are_converted(text: str, read: str | None) -> None:
    assert sentence_in(text, UnitSystem.US) == (read or text)
