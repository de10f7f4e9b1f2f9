"""When the weekly report is due: by the plant's clock, also in the weeks in which that clock jumps."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from reports.schedule import WeeklyTime, week_before, week_until

WARSAW = ZoneInfo("Europe/Warsaw")
MONDAY_SIX = WeeklyTime(0, 6)


def plant(text: str, zone: ZoneInfo = WARSAW) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def test_it_is_due_at_six_by_the_plants_clock_in_summer_and_in_winter():
    assert MONDAY_SIX.last_due(plant("2026-07-08T12:00"), WARSAW).isoformat() == "2026-07-06T04:00:00+00:00"
    assert MONDAY_SIX.last_due(plant("2026-12-09T12:00"), WARSAW).isoformat() == "2026-12-07T05:00:00+00:00"


def test_before_six_the_week_before_counts():
    assert MONDAY_SIX.last_due(plant("2026-11-23T05:59"), WARSAW) == plant("2026-11-16T06:00")
    assert MONDAY_SIX.last_due(plant("2026-11-23T06:00"), WARSAW) == plant("2026-11-23T06:00")


def test_sunday_in_utc_may_be_monday_in_the_plant():
    auckland = ZoneInfo("Pacific/Auckland")
    sunday_evening_utc = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
    assert MONDAY_SIX.last_due(sunday_evening_utc, auckland) == plant("2026-11-23T06:00", auckland)


@pytest.mark.parametrize(
    ("monday", "hours"), [("2026-03-30T06:00", 167), ("2026-10-26T06:00", 169), ("2026-11-23T06:00", 168)]
)
def test_the_week_covers_whole_plant_days_when_the_clock_jumps(monday, hours):
    period = week_before(plant(monday), WARSAW)
    assert (period.to_at - period.from_at) / timedelta(hours=1) == hours
    assert [side.astimezone(WARSAW).time().isoformat() for side in (period.from_at, period.to_at)] == ["00:00:00"] * 2


def test_an_hour_that_spring_skips_is_due_once_and_right_after():
    sunday_two = WeeklyTime(6, 2)
    due = sunday_two.last_due(plant("2026-03-29T12:00"), WARSAW)
    assert due.astimezone(WARSAW).isoformat() == "2026-03-29T03:00:00+02:00"


def test_an_hour_that_autumn_shows_twice_is_due_once():
    sunday_two = WeeklyTime(6, 2)
    minutes = [plant("2026-10-25T00:00") + timedelta(minutes=m) for m in range(0, 36 * 60, 7)]
    assert len({sunday_two.last_due(minute, WARSAW) for minute in minutes}) == 2
    assert sunday_two.last_due(minutes[-1], WARSAW).isoformat() == "2026-10-25T00:00:00+00:00"


def test_every_minute_of_a_year_lies_between_the_last_due_time_and_the_next():
    minute = plant("2026-01-01T00:00").astimezone(UTC)
    for _step in range(1500):
        last, after = MONDAY_SIX.last_due(minute, WARSAW), MONDAY_SIX.next_due(minute, WARSAW)
        assert last <= minute < after
        assert after.astimezone(WARSAW).hour == 6
        assert timedelta(days=6, hours=23) <= after - last <= timedelta(days=7, hours=1)
        minute += timedelta(minutes=347)


def test_a_report_on_the_button_covers_seven_days_to_the_minute():
    period = week_until(datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC))
    assert period.to_at == datetime(2026, 11, 21, 12, 34, tzinfo=UTC)
    assert period.to_at - period.from_at == timedelta(days=7)
