"""Instants in the three forms the product speaks: aware datetimes, epoch milliseconds, RFC 3339 text."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds of an aware datetime.

    Raises ValueError for a naive datetime: guessing its zone would move readings by hours.

    >>> to_ms(datetime(2026, 11, 21, 10, 0, tzinfo=UTC))
    1795255200000
    """
    if instant.tzinfo is None:
        raise ValueError("a naive datetime names no instant")
    return round(instant.timestamp() * 1000)


def from_ms(milliseconds: int) -> datetime:
    """Aware UTC datetime of epoch milliseconds.

    >>> from_ms(1795255200000).isoformat()
    '2026-11-21T10:00:00+00:00'
    """
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def rfc3339(instant: datetime) -> str:
    """RFC 3339 text with milliseconds, in UTC.

    >>> rfc3339(from_ms(1795255200123))
    '2026-11-21T10:00:00.123Z'
    """
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plant_day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start and end (UTC) of a calendar day in the plant's zone: 23, 24 or 25 hours long.

    >>> start, end = plant_day(date(2026, 10, 25), ZoneInfo("Europe/Warsaw"))
    >>> (end - start).total_seconds() / 3600
    25.0
    """
    start = datetime.combine(day, time.min, zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time.min, zone).astimezone(UTC)
    return start, end


@cache
def zone_names() -> frozenset[str]:
    """The names of every time zone this installation knows; found once, because it walks a directory tree.

    >>> "Europe/Warsaw" in zone_names(), "Mars/Olympus" in zone_names()
    (True, False)
    """
    return frozenset(available_timezones())
