"""A rule's active times in the plant's calendar."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from anomalies.rules.conditions import Active, Holidays
from anomalies.rules.schedule import Schedule
from common.times import to_ms

WARSAW = ZoneInfo("Europe/Warsaw")


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=WARSAW))


@pytest.mark.parametrize(
    ("active", "text", "is_open"),
    [
        (Active(), "2026-11-21T03:00", True),
        (Active(days=["sat"]), "2026-11-21T00:00", True),
        (Active(days=["sat"]), "2026-11-20T23:59", False),
        (Active(from_="06:00", to="22:00"), "2026-11-21T06:00", True),
        (Active(from_="06:00", to="22:00"), "2026-11-21T22:00", False),
        (Active(days=["fri"], from_="22:00", to="06:00"), "2026-11-21T05:59", True),
        (Active(days=["fri"], from_="22:00", to="06:00"), "2026-11-20T05:59", False),
        (Active(dates=["2026-11-20/2026-11-21"]), "2026-11-21T23:59", True),
        (Active(dates=["2026-11-20"]), "2026-11-21T00:00", False),
        (Active(except_dates=["2026-11-21"]), "2026-11-21T12:00", False),
        (Active(holidays=Holidays("PL")), "2026-11-11T12:00", False),
        (Active(holidays=Holidays("PL")), "2026-11-12T12:00", True),
        (Active(holidays=Holidays("PL", then="only")), "2026-11-11T12:00", True),
        # Two o'clock comes twice on this day: the hours end by the clock on the wall.
        (Active(from_="00:00", to="04:00"), "2026-10-25T03:59", True),
        (Active(from_="00:00", to="04:00"), "2026-10-25T04:00", False),
    ],
)
def test_when_it_is_open(active, text, is_open):
    assert Schedule(active, WARSAW).is_open(at(text)) is is_open


@pytest.mark.parametrize(
    ("active", "text", "opens"),
    [
        (Active(), "2026-11-21T03:00", "2026-11-21T03:00"),
        (Active(from_="06:00", to="22:00"), "2026-11-21T03:00", "2026-11-21T06:00"),
        (Active(from_="06:00", to="22:00"), "2026-11-21T23:00", "2026-11-22T06:00"),
        (Active(days=["mon"], from_="06:00", to="22:00"), "2026-11-21T12:00", "2026-11-23T06:00"),
        (Active(holidays=Holidays("PL", then="only")), "2026-11-21T12:00", "2026-12-24T00:00"),
    ],
)
def test_when_it_opens_next(active, text, opens):
    assert Schedule(active, WARSAW).opens_at(at(text)) == at(opens)


def test_dates_that_are_over_never_open_again():
    assert Schedule(Active(dates=["2026-01-01"]), WARSAW).opens_at(at("2026-11-21T12:00")) is None
