from datetime import UTC, datetime, timedelta

import pytest

from anomalies.alerts.figures import Lived, Raised, figures_of

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def raised(minutes: float, actor: str = "Vibration above normal", machine: str = "M01") -> Raised:
    return Raised(alert=1, actor=actor, machine=machine, severity="low", at=NOON + timedelta(minutes=minutes))


def figures(found: list[Raised], lived: list[Lived] = (), *, hours: float = 24, operators: int = 1):
    return figures_of(found, lived, from_at=NOON, to_at=NOON + timedelta(hours=hours), operators=operators)


def test_rates_are_for_each_operator():
    found = figures([raised(minute) for minute in range(0, 1440, 10)], operators=2)
    assert (found.alerts, found.per_operator_hour, found.per_operator_10_min) == (144, 3.0, 0.5)
    assert (found.peak_10_min, found.flood_share, found.floods) == (1, 0.0, [])


def test_more_than_ten_in_ten_minutes_is_a_flood_until_few_come():
    found = figures(
        [raised(60.5)] * 10 + [raised(80.5)] * 11 + [raised(90.5)] * 6 + [raised(100.5)] * 4 + [raised(200)] * 30
    )
    assert [(flood.from_at - NOON, flood.to_at - NOON, flood.alerts, flood.peak) for flood in found.floods] == [
        (timedelta(minutes=80), timedelta(minutes=100), 17, 11),
        (timedelta(minutes=200), timedelta(minutes=210), 30, 30),
    ]
    assert found.flood_share == pytest.approx(2 / 144)


def test_a_quiet_stretch_ends_a_flood():
    found = figures([raised(0)] * 11 + [raised(30)] * 11)
    assert len(found.floods) == 2


def test_worst_actors_are_a_cause_on_a_machine():
    found = figures([raised(1)] * 3 + [raised(2, machine="M02")] * 5 + [raised(3, actor="No readings")] * 2)
    assert [(actor.machine, actor.actor, actor.count) for actor in found.worst] == [
        ("M02", "Vibration above normal", 5), ("M01", "Vibration above normal", 3), ("M01", "No readings", 2),
    ]  # fmt: skip
    assert found.worst_share == pytest.approx(1.0)


def test_three_within_a_minute_chatter_and_three_within_two_do_not():
    assert [actor.count for actor in figures([raised(m) for m in (0, 0.4, 0.9)]).chattering] == [3]
    assert figures([raised(m) for m in (0, 0.9, 2)]).chattering == []


def test_answers_are_measured_and_what_stood_for_a_day_is_stale():
    lived = [
        Lived(alert=n, severity="low", raised_at=NOON, ended_at=NOON + timedelta(hours=h), acknowledged_at=at)
        for n, (h, at) in enumerate([(1, NOON + timedelta(minutes=2)), (30, NOON + timedelta(minutes=8)), (1, None)])
    ]
    lived.append(Lived(alert=9, severity="low", raised_at=NOON, ended_at=None, acknowledged_at=None))
    found = figures([raised(0)], lived, hours=48)
    assert (found.stale, found.acknowledge_median_s, found.acknowledge_p90_s) == (2, 300.0, 480.0)
    assert found.acknowledged_share == 0.5


def test_a_quiet_period_has_figures_and_no_answers():
    found = figures([])
    assert (found.alerts, found.peak_10_min, found.acknowledge_median_s, found.worst) == (0, 0, None, [])


def test_a_period_without_length_or_operators_is_an_error():
    with pytest.raises(ValueError, match="period"):
        figures([], hours=0)
    with pytest.raises(ValueError, match="operator"):
        figures([], operators=0)
