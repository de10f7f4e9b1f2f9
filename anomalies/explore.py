"""Which series a comparison shows: what its address says, resolved to machines and metrics of this factory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from anomalies.alerts.sentences import metric_title
from anomalies.machine_view import metric_config
from common.times import to_ms
from common.units import UnitSystem
from telemetry.history.spans import machine_zone
from telemetry.models import Machine, Metric

MOST_SERIES = 12
_COLOURS = 8
ALL_MACHINES = "*"
LAYOUTS = ("overlay", "stacked")
# How far back the other look lies, in plant days.
SHIFTS = (0, 1, 7, 28)

Layout = Literal["overlay", "stacked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared and how it is laid out. left_out: how many asked for were too many or are not there."""

    metrics: list[Metric] = field(default_factory=list)
    layout: Layout = "overlay"
    shift_days: int = 0
    left_out: int = 0

    @classmethod
    def of(cls, params: QueryDict, *, most: int = MOST_SERIES) -> "Comparison":
        """As an address says it: `s=<machine>/<metric>` as often as needed, `*` for every machine; else defaults."""
        asked = list(dict.fromkeys(text for text in params.getlist("s") if "/" in text))
        found = _found(asked)
        layout = params.get("layout", "")
        days = params.get("shift", "")
        return cls(
            metrics=found[:most],
            layout=cast("Layout", layout) if layout in LAYOUTS else "overlay",
            shift_days=int(days) if days.isdecimal() and len(days) < 4 and int(days) in SHIFTS else 0,
            left_out=max(0, len(found) - most) + _missing(asked, found),
        )

    @property
    def names(self) -> list[str]:
        """The series as addresses name them."""
        return [series_name(metric) for metric in self.metrics]

    def query(self, **changes: Any) -> str:
        """The address of this comparison, or of one that differs: names, layout, shift."""
        said = QueryDict(mutable=True)
        said.setlist("s", changes.get("names", self.names))
        said["layout"] = changes.get("layout", self.layout)
        if changes.get("shift", self.shift_days):
            said["shift"] = str(changes.get("shift", self.shift_days))
        return said.urlencode(safe="/*")


def series_name(metric: Metric) -> str:
    """A series as addresses name it: keys of machines hold no slash."""
    return f"{metric.machine.key}/{metric.name}"


def comparison_zone(comparison: Comparison, *, otherwise: ZoneInfo) -> ZoneInfo:
    """Machines of one site are read by its clock, those of several by the factory's."""
    zones = {machine_zone(metric.machine) for metric in comparison.metrics}
    return zones.pop() if len(zones) == 1 else otherwise


def comparison_config(comparison: Comparison, *, units: UnitSystem, zone: ZoneInfo) -> dict[str, Any]:
    """For static/js/modules/explore-view.js."""
    return {
        "zone": zone.key,
        "units": units.value,
        "layout": comparison.layout,
        "shiftDays": comparison.shift_days,
        "window": None,
        "series": [_series_config(metric, units, rank) for rank, metric in enumerate(comparison.metrics)],
        "words": {"before": _before(comparison.shift_days)},
    }


def _before(days: int) -> str:
    return {1: _("the day before"), 7: _("a week before"), 28: _("four weeks before")}.get(days, "")


def _series_config(metric: Metric, units: UnitSystem, rank: int) -> dict[str, Any]:
    machine = metric.machine
    return {
        # Which of the colours it has.
        "rank": rank % _COLOURS + 1,
        **metric_config(metric, None, units),
        "id": series_name(metric),
        "machine": machine.key,
        "machineLabel": str(machine),
        "historyUrl": reverse("api_telemetry", args=[machine.key]),
        "silentAfterS": machine.silent_after_s,
        "lastSeenMs": to_ms(machine.last_seen_at) if machine.last_seen_at else None,
    }


def metric_choices(machine: Machine) -> list[tuple[str, str]]:
    """What of a machine can be added, as addresses name it, with its name for people."""
    return [(series_name(metric), _choice_label(metric)) for metric in machine.metrics.order_by("name")]


def shared_choices(machine: Machine) -> list[tuple[str, str]]:
    """Metrics of the machine that others measure too: each can be added of all of them at once."""
    names = list(machine.metrics.values_list("name", flat=True))
    elsewhere = Metric.objects.filter(name__in=names).exclude(machine=machine).values_list("name", flat=True)
    common = set(elsewhere)
    return [
        (f"{ALL_MACHINES}/{metric.name}", _choice_label(metric))
        for metric in machine.metrics.order_by("name")
        if metric.name in common
    ]


def _choice_label(metric: Metric) -> str:
    return f"{metric_title(metric)} ({metric.unit})" if metric.unit else metric_title(metric)


def _found(asked: list[str]) -> list[Metric]:
    pairs = [tuple(text.split("/", 1)) for text in asked]
    rows = (
        Metric.objects.filter(name__in={name for _key, name in pairs})
        .select_related("machine__line__site")
        .order_by("machine__key", "name")
    )
    known: Mapping[tuple[str, str], Metric] = {(row.machine.key, row.name): row for row in rows}
    found: dict[int, Metric] = {}
    for key, name in pairs:
        for row in _matching(known, key, name):
            found.setdefault(row.pk, row)
    return list(found.values())


def _matching(known: Mapping[tuple[str, str], Metric], key: str, name: str) -> Iterable[Metric]:
    if key == ALL_MACHINES:
        return [row for (_key, row_name), row in known.items() if row_name == name]
    row = known.get((key, name))
    return [row] if row else []


def _missing(asked: list[str], found: list[Metric]) -> int:
    there = {series_name(metric) for metric in found}
    return sum(1 for text in asked if text not in there and not text.startswith(f"{ALL_MACHINES}/"))


def by_machine(metrics: list[Metric]) -> list[tuple[Machine, list[str]]]:
    """Names of the metrics of each machine, machines in the order they come."""
    order = {metric.machine_id: place for place, metric in reversed(list(enumerate(metrics)))}
    grouped = sorted(metrics, key=lambda metric: order[metric.machine_id])
    return [
        (parts[0].machine, [part.name for part in parts])
        for parts in (list(group) for _pk, group in groupby(grouped, key=lambda metric: metric.machine_id))
    ]
