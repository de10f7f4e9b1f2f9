"""Figures, ages and instants as pages show them: with units, in the plant's zone."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.utils.dateformat import format as date_text
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from common import clock
from common.times import plant_day, rfc3339, to_ms
from common.units import Conversion
from telemetry import figures
from telemetry.refused import refused_since
from telemetry.viewing.preferences import unit_conversion, units_of
from telemetry.viewing.sentences import sentence_in
from tenants.context import factory_current

register = template.Library()


@register.filter
def figure(value: float | str | None) -> str:
    """`{{ metric.last_value|figure }}`: three significant digits; a dash where a template finds nothing."""
    return figures.figure(value if isinstance(value, int | float) else None)


@register.filter
def percent(share: float | None) -> str:
    """`{{ 0.623|percent }}`: a share as whole percent."""
    return "–" if share is None else f"{share * 100:.0f} %"


@register.simple_tag
def refused_today() -> int:
    """`{% refused_today as refused %}`: how much was refused since the plant's midnight."""
    start, _end = plant_day(clock.now().astimezone(plant_zone()).date(), plant_zone())
    return refused_since(start)


@register.simple_tag
def certainty(confidence: float) -> str:
    """`{% certainty metric.confidence %}`: how sure an inference is, in a word and a figure."""
    if confidence <= 0:
        return gettext("unknown")
    word = gettext("sure") if confidence >= 0.9 else gettext("likely") if confidence >= 0.6 else gettext("a guess")
    return f"{word}, {percent(confidence)}"


@register.filter
def epoch_ms(instant: datetime | None) -> str:
    """An instant for scripts: epoch milliseconds, empty for none."""
    return "" if instant is None else str(to_ms(instant))


@register.filter
def age(instant: datetime | None) -> str:
    """How long ago an instant was."""
    return "–" if instant is None else figures.age((clock.now() - instant).total_seconds())


@register.simple_tag
def now_ms() -> int:
    """The server's clock when the page was made, so that scripts show ages right on a device whose clock is wrong."""
    return clock.now_ms()


def plant_zone() -> ZoneInfo:
    """The zone that times on this factory's pages are in."""
    factory = factory_current()
    return factory.zone if factory else ZoneInfo("UTC")


@register.filter(name="rfc3339")
def rfc3339_text(instant: datetime) -> str:
    """An instant for a `datetime` attribute."""
    return rfc3339(instant)


def _day(local: datetime) -> str:
    """Day and month as the reader's language writes them."""
    day = f"{local.day}." if (get_language() or "").startswith("de") else str(local.day)
    return f"{day} {date_text(local, 'M')}"


@register.simple_tag
def plant_time(instant: datetime | None, *, zone: ZoneInfo | None = None, seconds: bool = True) -> SafeString:
    """`{% plant_time alert.since_at %}`: the plant's clock, with the day unless it is today; the title has the zone."""
    if instant is None:
        return format_html("{}", "–")
    there = zone or plant_zone()
    local, today = instant.astimezone(there), clock.now().astimezone(there).date()
    if local.date() == today:
        text = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    elif local.year == today.year:
        text = f"{_day(local)} {local:%H:%M}"
    else:
        text = f"{_day(local)} {local:%Y %H:%M}"
    title = f"{local:%Y-%m-%d %H:%M:%S} {there.key}"
    return format_html('<time datetime="{}" title="{}">{}</time>', rfc3339(instant), title, text)


@register.simple_tag(takes_context=True)
def in_units(context: Any, text: str) -> str:
    """`{% in_units alert.summary %}`: a sentence with its figures in the units that the reader chose."""
    request = context.get("request")
    return sentence_in(text, units_of(request.user)) if request is not None else text


@register.simple_tag(takes_context=True)
def reader_unit(context: Any, unit: str | None) -> Conversion:
    """`{% reader_unit metric.unit as into %}`: how figures of a stored unit become those of the reader's."""
    request = context.get("request")
    return Conversion(unit or "") if request is None else unit_conversion(unit or "", request.user)


@register.filter(name="in_unit")
def figure_in_unit(stored: float | str | None, into: Conversion) -> str:
    """`{{ metric.last_value|in_unit:into }}`: a stored figure in the reader's unit."""
    return figure(into.value(stored) if isinstance(stored, int | float) else None)


@register.filter(name="distance_in_unit")
def distance_in_unit(stored: float | str | None, into: Conversion) -> str:
    """`{{ part.observed|distance_in_unit:into }}`: by how much something moves, which has no zero of its own."""
    return figure(into.difference(stored) if isinstance(stored, int | float) else None)


@register.simple_tag(takes_context=True)
def units_read(context: Any) -> str:
    """`{% units_read as units %}`: which units the reader chose: stored, metric or us."""
    return units_of(context["request"].user).value
