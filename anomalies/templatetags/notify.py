"""What pages say of routes and schedules."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Role
from anomalies.models import ChannelName, Route, RouteStep, Severity
from anomalies.notify.audience import DEFAULT_CHANNELS

register = template.Library()
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@register.filter
def route_severities(route: Route) -> str:
    """Which severities take a route."""
    words = [str(Severity(value).label) for value in Severity.values if value in route.severities]
    return ", ".join(words) or _("of every severity")


@register.filter
def route_places(route: Route) -> str:
    """Which part of the plant takes a route; wants its places loaded."""
    places = [*route.sites.all(), *route.lines.all(), *route.machines.all()]
    return ", ".join(str(place) for place in places) or _("the whole plant")


@register.filter
def route_hours(route: Route) -> str:
    """At which hours of the plant's clock."""
    days = ", ".join(_(_DAYS[day]) for day in sorted(route.days)) if route.days else ""
    hours = f"{route.from_time:%H:%M}–{route.to_time:%H:%M}" if route.from_time and route.to_time else ""
    return " ".join(part for part in (days, hours) if part) or _("all hours")


@register.filter
def step_told(step: RouteStep) -> str:
    """Whom a step tells, and how; wants its people, schedules and targets loaded."""
    roles = [
        _("every %(role)s") % {"role": str(Role(role).label).lower()} for role in step.roles if role in Role.values
    ]
    people = [str(person) for person in step.people.all()]
    on_call = [_("on call: %(schedule)s") % {"schedule": schedule} for schedule in step.schedules.all()]
    told = ", ".join([*roles, *people, *on_call])
    ways = ", ".join(str(ChannelName(channel).label) for channel in step.channels or DEFAULT_CHANNELS)
    targets = ", ".join(str(target) for target in step.targets.all())
    return "; ".join(part for part in (f"{told} ({ways})" if told else "", targets) if part)


@register.filter
def in_zone(instant: datetime, zone: str) -> str:
    """An instant by the clock of a zone, with its weekday."""
    local = instant.astimezone(ZoneInfo(zone))
    return f"{date_format(local, 'D j M')}, {local:%H:%M}"


@register.filter
def place_of(places: Mapping[int, int], person: object) -> str:
    """A person's number in the order of turns; empty for somebody who takes none."""
    return str(places.get(int(str(person)), ""))
