"""The plant's calendar as instants: where its hours, days and weeks begin."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from common.errors import InvalidInputError
from common.times import plant_day
from telemetry.models import Machine
from tenants.context import factory_current

MAX_SPANS = 1_000


class Every(StrEnum):
    """How long a span of the plant's calendar is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


def span_edges(every: Every, start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """UTC instants at which spans begin, from the one that holds `start` to the first at or after `end`."""
    edges = _hours(start, end, zone) if every is Every.HOUR else _days(every, start, end, zone)
    if len(edges) > MAX_SPANS + 1:
        raise InvalidInputError(f"The window holds more than {MAX_SPANS} spans; shorten it or choose longer ones.")
    return edges


def _hours(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    # An hour begins where the plant's clock shows :00, which in zones of half hours is not where UTC's does.
    local = start.astimezone(zone)
    edge = (start - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)).astimezone(
        UTC
    )
    edges = [edge]
    while edges[-1] < end and len(edges) <= MAX_SPANS + 1:
        edges.append(edges[-1] + timedelta(hours=1))
    return edges


def _days(every: Every, start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    day = start.astimezone(zone).date()
    step = 1
    if every is Every.WEEK:
        day, step = _monday(day), 7
    edges = [plant_day(day, zone)[0]]
    while edges[-1] < end and len(edges) <= MAX_SPANS + 1:
        day += timedelta(days=step)
        edges.append(plant_day(day, zone)[0])
    return edges


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def machine_zone(machine: Machine) -> ZoneInfo:
    """The zone the machine's days follow: its site's, or the factory's where it stands in no line."""
    if machine.line is not None:
        return machine.line.site.zone
    factory = factory_current()
    return factory.zone if factory else ZoneInfo("UTC")
