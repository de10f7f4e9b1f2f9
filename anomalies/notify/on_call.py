"""Whose turn it is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """People (ids) who take turns of `turn_days`, handed over at `handover_at` by the plant's clock."""

    people: Sequence[int]
    starts_on: date
    handover_at: time
    turn_days: int
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class StandIn:
    """Somebody stands in from one instant until before another."""

    person: int
    starts_at: datetime
    ends_at: datetime


def on_call_at(rotation: Rotation, stand_ins: Sequence[StandIn], at: datetime) -> int | None:
    """The person on call at an instant; None before the first turn, or where nobody takes turns.

    stand_ins: in the order in which they were entered; the newest that covers the instant holds.

    >>> weekly = Rotation(people=[7, 8], starts_on=date(2026, 3, 23), handover_at=time(6), turn_days=7,
    ...                   zone=ZoneInfo("Europe/Warsaw"))
    >>> on_call_at(weekly, [], datetime(2026, 3, 30, 3, 59, tzinfo=UTC))  # the clocks went forward the day before
    7
    >>> on_call_at(weekly, [], datetime(2026, 3, 30, 4, 0, tzinfo=UTC))
    8
    """
    for stand_in in reversed(stand_ins):
        if stand_in.starts_at <= at < stand_in.ends_at:
            return stand_in.person
    turn = turn_number(rotation, at)
    if turn < 0 or not rotation.people:
        return None
    return rotation.people[turn % len(rotation.people)]


def turn_number(rotation: Rotation, at: datetime) -> int:
    """Which turn an instant falls into, from 0; negative before the first."""
    local = at.astimezone(rotation.zone)
    day = local.date() if local.time() >= rotation.handover_at else local.date() - timedelta(days=1)
    return (day - rotation.starts_on).days // max(1, rotation.turn_days)


def turn_begins(rotation: Rotation, number: int) -> datetime:
    """When a turn begins, as a UTC instant.

    >>> daily = Rotation(people=[7], starts_on=date(2026, 3, 28), handover_at=time(6), turn_days=1,
    ...                  zone=ZoneInfo("Europe/Warsaw"))
    >>> [turn_begins(daily, number).hour for number in (0, 1)]  # summer time begins between them
    [5, 4]
    """
    day = rotation.starts_on + timedelta(days=number * max(1, rotation.turn_days))
    return datetime.combine(day, rotation.handover_at, rotation.zone).astimezone(UTC)
