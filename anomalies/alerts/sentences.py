"""What is wrong, in the reader's words: “Vibration 7.90 mm/s, normal 1.80–3.10, since 10:42 CET”."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from anomalies.detection.explain import Carrier
from anomalies.detection.features import Aspect
from common import clock
from telemetry.figures import age, figure
from telemetry.metric_titles import stem_of, title_of
from telemetry.models import Metric

_MOST_NAMED = 2


def metric_title(metric: Metric) -> str:
    """A metric's name for a sentence: its label, or its key without the unit.

    >>> metric_title(Metric(name="bearing_temperature_c", unit="°C"))
    'Bearing temperature'
    >>> metric_title(Metric(name="flow_m3_h", unit="m³/h"))
    'Flow'
    """
    return metric.label or title_of(stem_of(metric.name, metric.unit))


def since_text(since_at: datetime, zone: ZoneInfo) -> str:
    """The plant's clock with its zone named; with the day unless it is today."""
    local, today = since_at.astimezone(zone), clock.now().astimezone(zone).date()
    text = f"{local:%H:%M %Z}"
    # Translators: day and month, in Django's date format.
    form = _("j M")
    return text if local.date() == today else f"{date_format(local, form)} {text}"


def part_title(part: Mapping[str, Any], metric: Metric) -> str:
    """How a table of evidence names a metric; figures of its movement are not those of its level, and say so."""
    title = metric_title(metric)
    moves = part.get("aspect") in {Aspect.SPREAD.value, Aspect.RIPPLE.value}
    return _("%(metric)s, movement") % {"metric": title} if moves else title


def carrier_text(carrier: Carrier, metric: Metric) -> str:
    """One metric's part: observed, in its unit, against its band."""
    values = {
        "metric": metric_title(metric),
        "observed": figure(carrier.observed),
        "unit": f" {metric.unit}" if metric.unit else "",
        "low": figure(carrier.low),
        "high": figure(carrier.high),
    }
    if carrier.aspect is Aspect.LEVEL:
        return _("%(metric)s %(observed)s%(unit)s, normal %(low)s–%(high)s") % values
    return _("%(metric)s moves by %(observed)s%(unit)s, normally %(low)s–%(high)s") % values


def detector_summary(parts: Sequence[tuple[Carrier, Metric]], *, since_at: datetime, zone: ZoneInfo) -> str:
    """What carries an anomaly, the heaviest metric first, and since when."""
    told = "; ".join(carrier_text(carrier, metric) for carrier, metric in parts[:_MOST_NAMED])
    return _("%(what)s, since %(since)s") % {"what": told, "since": since_text(since_at, zone)}


def detector_title(parts: Sequence[tuple[Carrier, Metric]]) -> str:
    """The heading of a detector's alert."""
    carrier, metric = parts[0]
    if carrier.aspect is not Aspect.LEVEL:
        return _("%(metric)s is restless") % {"metric": metric_title(metric)}
    side = _("%(metric)s above normal") if carrier.observed > carrier.high else _("%(metric)s below normal")
    return side % {"metric": metric_title(metric)}


def silence_title() -> str:
    """The heading of a silent machine's alert."""
    return _("No readings")


def silence_summary(*, silent_s: float, since_at: datetime, zone: ZoneInfo) -> str:
    """For how long nothing came."""
    return _("Nothing has arrived for %(age)s, since %(since)s") % {
        "age": age(silent_s),
        "since": since_text(since_at, zone),
    }


def stuck_title(metric: Metric) -> str:
    """The heading of a stuck sensor's alert."""
    return _("%(metric)s does not move") % {"metric": metric_title(metric)}


def stuck_summary(metric: Metric, *, value: float, since_at: datetime, zone: ZoneInfo) -> str:
    """The one value a sensor keeps telling."""
    unit = f" {metric.unit}" if metric.unit else ""
    return _("Every reading is exactly %(value)s%(unit)s, since %(since)s; the sensor may be stuck") % {
        "value": figure(value),
        "unit": unit,
        "since": since_text(since_at, zone),
    }


def missing_title(metric: Metric) -> str:
    """The heading of a missing metric's alert."""
    return _("%(metric)s is missing") % {"metric": metric_title(metric)}


def missing_summary(*, since_at: datetime, zone: ZoneInfo) -> str:
    """That the machine reports and this metric does not."""
    return _("The machine reports, but not this metric, since %(since)s") % {"since": since_text(since_at, zone)}
