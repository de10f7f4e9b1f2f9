"""When a rule may fire: days, hours, dates and holidays of the plant's calendar, as instants. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays
from holidays.utils import list_supported_countries

from anomalies.rules.conditions import DAYS, Active, Holidays
from common.times import to_ms

# A rule that is limited to dates may wait for more than a year; what lies further away is as good as never.
_LOOK_AHEAD_DAYS = 400


class Schedule:
    """A rule's active times in one zone. Nothing given: always open.

    >>> nights = Schedule(Active(days=["fri"], from_="22:00", to="06:00"), ZoneInfo("Europe/Warsaw"))
    >>> saturday = to_ms(datetime(2026, 11, 21, 4, 59, tzinfo=UTC))
    >>> nights.is_open(saturday), nights.is_open(saturday + 60_000)
    (True, False)
    """

    def __init__(self, active: Active, zone: ZoneInfo) -> None:
        self.always = active == Active()
        self._active, self._zone = active, zone
        self._known: dict[date, tuple[int, int] | None] = {}

    def is_open(self, t_ms: int) -> bool:
        """Whether the rule may fire at an instant."""
        if self.always:
            return True
        day = self._day(t_ms)
        return any(_within(self._window(each), t_ms) for each in (day, day - timedelta(days=1)))

    def opens_at(self, t_ms: int) -> int | None:
        """The first instant at or after `t_ms` at which it may fire; None when there is none in sight."""
        if self.is_open(t_ms):
            return t_ms
        for day in self._days_from(self._day(t_ms)):
            window = self._window(day)
            if window is not None and window[0] >= t_ms:
                return window[0]
        return None

    def _days_from(self, day: date) -> Iterator[date]:
        return (day + timedelta(days=ahead) for ahead in range(_LOOK_AHEAD_DAYS))

    def _day(self, t_ms: int) -> date:
        return datetime.fromtimestamp(t_ms / 1000, self._zone).date()

    def _window(self, day: date) -> tuple[int, int] | None:
        """[from, to) of the hours that begin on a day, in milliseconds; None on a day off."""
        if day not in self._known:
            self._known[day] = self._hours_of(day) if self._is_on(day) else None
        return self._known[day]

    def _is_on(self, day: date) -> bool:
        active = self._active
        if active.days and DAYS[day.weekday()] not in active.days:
            return False
        if active.dates and not _in_any(day, active.dates):
            return False
        if _in_any(day, active.except_dates):
            return False
        if active.holidays is not None:
            return (day in _calendar(active.holidays)) == (active.holidays.then == "only")
        return True

    def _hours_of(self, day: date) -> tuple[int, int]:
        begins, ends = _time(self._active.from_ or "00:00"), _time(self._active.to or "24:00")
        last = day if ends > begins else day + timedelta(days=1)
        return self._instant(day, begins), self._instant(last, ends)

    def _instant(self, day: date, minutes: int) -> int:
        # By the clock on the wall: 06:00 stays 06:00 on the days on which clocks are changed.
        day, minutes = (day + timedelta(days=1), 0) if minutes == 1440 else (day, minutes)
        local = datetime.combine(day, time(minutes // 60, minutes % 60), self._zone)
        return to_ms(local.astimezone(UTC))


def holidays_known(holidays: Holidays) -> bool:
    """Whether the calendar of a country, and its subdivision, exists.

    >>> holidays_known(Holidays("PL")), holidays_known(Holidays("DE", "BY")), holidays_known(Holidays("DE", "XX"))
    (True, True, False)
    """
    return holidays.country in _countries() and (
        holidays.subdivision is None or holidays.subdivision in _countries()[holidays.country]
    )


@lru_cache(maxsize=1)
def _countries() -> dict[str, list[str]]:
    return dict(list_supported_countries())


def countries() -> list[str]:
    """The codes (ISO 3166-1) of countries whose holidays are known, in order."""
    return sorted(_countries())


@lru_cache(maxsize=256)
def subdivisions(country: str) -> list[tuple[str, str]]:
    """Code and name of the parts of a country that have holidays of their own; none of one that is not known.

    >>> ("BY", "Bayern") in subdivisions("DE"), subdivisions("ZZ")
    (True, [])
    """
    if not _countries().get(country):
        return []
    names = country_holidays(country).get_subdivision_aliases()
    return [(code, next(iter(names.get(code, ())), code)) for code in _countries()[country]]


@lru_cache(maxsize=256)
def _calendar(holidays: Holidays) -> HolidayBase:
    return country_holidays(holidays.country, subdiv=holidays.subdivision)


def _in_any(day: date, listed: list[str]) -> bool:
    for text in listed:
        first, _slash, last = text.partition("/")
        if date.fromisoformat(first) <= day <= date.fromisoformat(last or first):
            return True
    return False


def _time(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _within(window: tuple[int, int] | None, t_ms: int) -> bool:
    return window is not None and window[0] <= t_ms < window[1]
