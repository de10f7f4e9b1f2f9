"""What a report says: which machine comes first, and why."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from reports.contents import AlertFacts, MachineFacts, MetricFacts, ReportFacts, build_contents, contents_hash
from reports.wording import document_view, number_text, period_text, reason_text, share_text

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def metric(availability: float = 1.0, count: int = 100) -> MetricFacts:
    return MetricFacts(
        name="power_kw",
        label="Power",
        unit="kW",
        kind="power",
        count=count,
        minimum=1.0,
        maximum=3.0,
        mean=2.0,
        last=2.5,
        availability=availability,
    )


def alert(severity: str = "high", *, ended: bool = False, minutes: int = 30) -> AlertFacts:
    since = NOW - timedelta(hours=3)
    return AlertFacts(
        id=1,
        severity=severity,
        state="active_unacknowledged",
        title="Power left its band",
        summary="Power 9 kW",
        since_at=since,
        ended_at=since + timedelta(minutes=minutes) if ended else None,
        acknowledged_by="",
    )


def machine(key: str, **changes) -> MachineFacts:
    facts = {
        "name": key,
        "machine_type": "",
        "line": "",
        "last_seen_at": NOW,
        "health_status": "normal",
        "health_percent": 98.0,
        "metrics": [metric()],
        "alerts": [],
    }
    return MachineFacts(key=key, **{**facts, **changes})


def contents_of(*machines: MachineFacts) -> dict:
    return build_contents(
        ReportFacts(
            factory="acme",
            factory_name="Acme Foods",
            time_zone="Europe/Warsaw",
            from_at=NOW - timedelta(days=7),
            to_at=NOW,
            machines=machines,
        )
    )


def places(contents: dict) -> list[tuple[str, str]]:
    return [(entry["machine"], entry["urgency"]) for entry in contents["look_first"]]


def test_a_machine_in_order_is_not_on_the_list():
    assert contents_of(machine("M01"))["look_first"] == []


def test_the_worst_comes_first_whatever_the_order_of_machines():
    machines = [
        machine("M01", metrics=[metric(0.9)]),
        machine("M02", alerts=[alert("medium", ended=True)]),
        machine("M03", alerts=[alert("critical")]),
        machine("M04", metrics=[], last_seen_at=None),
        machine("M05", alerts=[alert("high")]),
    ]
    expected = [("M03", "now"), ("M05", "now"), ("M04", "soon"), ("M02", "watch"), ("M01", "watch")]
    assert places(contents_of(*machines)) == expected
    assert places(contents_of(*reversed(machines))) == expected


def test_many_cleared_alerts_never_outweigh_one_that_stands():
    noisy = machine("M01", alerts=[alert("high", ended=True)] * 500)
    assert places(contents_of(noisy, machine("M02", alerts=[alert("high")])))[0][0] == "M02"


def test_an_anomaly_is_not_counted_beside_its_own_alert():
    reasons = contents_of(machine("M01", health_status="anomalous", alerts=[alert()]))["look_first"][0]["reasons"]
    assert [reason["code"] for reason in reasons] == ["alert_open"]


def test_every_reason_becomes_a_sentence_with_its_figures():
    contents = contents_of(
        machine("M01", alerts=[alert(), alert("low", ended=True, minutes=125)]),
        machine("M02", health_status="anomalous", metrics=[metric(0.5)]),
        machine("M03", metrics=[metric(0.0, count=0)], last_seen_at=NOW - timedelta(days=9)),
    )
    told = [reason_text(reason) for entry in contents["look_first"] for reason in entry["reasons"]]
    assert told[0] == "High alert since Sat 21 Nov 2026, 10:00: Power left its band. Power 9 kW."
    assert told[1] == "1 alert came and went, at worst low, 2 h 5 min in all."
    assert any("50.0 %" in sentence for sentence in told)
    assert any("last seen Thu 12 Nov 2026, 13:00" in sentence for sentence in told)
    assert all(sentence.endswith(".") for sentence in told)


def test_an_alert_counts_only_the_minutes_within_the_period():
    long_ago = AlertFacts(
        id=1,
        severity="low",
        state="normal",
        title="t",
        summary="s",
        since_at=NOW - timedelta(days=30),
        ended_at=NOW - timedelta(days=7) + timedelta(minutes=5),
        acknowledged_by="",
    )
    assert contents_of(machine("M01", alerts=[long_ago]))["machines"][0]["alerts"][0]["minutes"] == 5


def test_equal_facts_have_equal_hashes_and_any_change_another():
    first = contents_hash(contents_of(machine("M01")))
    assert first == contents_hash(contents_of(machine("M01")))
    assert first != contents_hash(contents_of(machine("M01", metrics=[metric(count=101)])))


def test_times_are_told_in_plant_time():
    contents = contents_of(machine("M01"))
    assert contents["period"]["to"] == "2026-11-21T13:00:00+01:00"
    assert document_view(contents)["period"] == "Sat 14 Nov 2026, 13:00 – Sat 21 Nov 2026, 13:00"


def test_a_period_of_whole_days_names_its_last_day():
    period = {"from": "2026-10-19T00:00:00+02:00", "to": "2026-10-26T00:00:00+01:00"}
    assert period_text(period) == "Mon 19 Oct 2026 – Sun 25 Oct 2026"


@pytest.mark.parametrize(
    ("value", "told"), [(None, "–"), (0.0, "0"), (-3.14159, "-3.142"), (1234567.8, "1,234,568"), (0.00012, "0.00012")]
)
def test_numbers_are_told_with_as_many_digits_as_a_person_reads(value, told):
    assert number_text(value) == told


def test_numbers_carry_the_marks_of_the_readers_language() -> None:
    with translation.override("de"):
        assert [number_text(value) for value in (71.3, 0.0123456, 12345.678)] == ["71,30", "0,0123", "12.346"]
        assert share_text(0.5) == "50,0 %"
