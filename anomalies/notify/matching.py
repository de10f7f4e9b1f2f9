"""Which routes an alert takes. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a route asks for; what is empty matches everything. Ids of sites, lines and machines; Monday is day 0.

    Of places, one that fits is enough: a route for line 3 and for the compressor in the yard takes both.
    """

    severities: Collection[str] = ()
    sites: Collection[int] = ()
    lines: Collection[int] = ()
    machines: Collection[int] = ()
    days: Collection[int] = ()
    from_time: time | None = None
    to_time: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An alert as routes see it. at: when it was raised; zone: of its plant."""

    severity: str
    machine: int
    line: int | None
    site: int | None
    at: datetime
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))


def matches(condition: Condition, subject: Subject) -> bool:
    """Whether the alert takes the route.

    >>> night = Condition(severities=["critical"], from_time=time(22), to_time=time(6), days=[4])
    >>> warsaw = ZoneInfo("Europe/Warsaw")
    >>> at = datetime(2026, 11, 21, 2, 30, tzinfo=warsaw)  # Saturday, in the night that began on Friday
    >>> matches(night, Subject(severity="critical", machine=1, line=None, site=None, at=at, zone=warsaw))
    True
    """
    if condition.severities and subject.severity not in condition.severities:
        return False
    return _place_fits(condition, subject) and _time_fits(condition, subject.at.astimezone(subject.zone))


def _place_fits(condition: Condition, subject: Subject) -> bool:
    if not (condition.sites or condition.lines or condition.machines):
        return True
    return subject.machine in condition.machines or subject.line in condition.lines or subject.site in condition.sites


def _time_fits(condition: Condition, local: datetime) -> bool:
    begin, end = condition.from_time or time.min, condition.to_time or time.max
    day, clock = local.weekday(), local.time()
    if begin <= end:
        within = begin <= clock < end or (condition.to_time is None and clock >= begin)
    else:
        # Over midnight: the small hours belong to the day on which the night began.
        within = clock >= begin or clock < end
        if clock < end:
            day = (day - 1) % 7
    return within and (not condition.days or day in condition.days)


def in_hours(begin: time | None, end: time | None, local: datetime) -> bool:
    """Whether a local time lies between two times of day, over midnight where the second is the earlier.

    >>> in_hours(time(22), time(6), datetime(2026, 11, 21, 23, 0)), in_hours(None, None, datetime(2026, 11, 21, 23, 0))
    (True, False)
    """
    if begin is None or end is None or begin == end:
        return False
    return _time_fits(Condition(from_time=begin, to_time=end), local)
