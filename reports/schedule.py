"""When a report is due and which days it covers, in plant time. Pure: instants in, instants out."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from common.times import plant_day

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Period:
    """What a report covers: [from_at, to_at), aware UTC datetimes."""

    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class WeeklyTime:
    """A weekday (0 Monday) and an hour of the plant's clock."""

    weekday: int
    hour: int

    def _due_on(self, day: date, zone: ZoneInfo) -> datetime:
        # An hour that the clock skips in spring names the instant just after; one it shows twice in autumn, the first.
        return datetime.combine(day, time(self.hour), zone).astimezone(UTC)

    def last_due(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The latest due instant that is not after `now`.

        >>> WeeklyTime(0, 6).last_due(datetime(2026, 11, 21, 12, tzinfo=UTC), ZoneInfo("Europe/Warsaw")).isoformat()
        '2026-11-16T05:00:00+00:00'
        """
        today = now.astimezone(zone).date()
        day = today - timedelta(days=(today.weekday() - self.weekday) % 7)
        due = self._due_on(day, zone)
        return due if due <= now else self._due_on(day - WEEK, zone)

    def next_due(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The first due instant after `now`."""
        last_on = self.last_due(now, zone).astimezone(zone).date()
        return self._due_on(last_on + WEEK, zone)


def week_before(due_at: datetime, zone: ZoneInfo) -> Period:
    """The seven whole plant days before the day of `due_at`: 167 to 169 hours.

    >>> period = week_before(datetime(2026, 10, 26, 5, tzinfo=UTC), ZoneInfo("Europe/Warsaw"))
    >>> (period.to_at - period.from_at).total_seconds() / 3600
    169.0
    """
    day = due_at.astimezone(zone).date()
    return Period(plant_day(day - WEEK, zone)[0], plant_day(day, zone)[0])


def week_until(now: datetime) -> Period:
    """The seven days up to this minute, for a report made on the button."""
    to_at = now.astimezone(UTC).replace(second=0, microsecond=0)
    return Period(to_at - WEEK, to_at)
