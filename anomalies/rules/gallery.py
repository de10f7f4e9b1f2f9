"""Rules that plants write again and again, by machine type, to begin from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.models import Severity
from anomalies.rules.drafts import Data, draft_new
from anomalies.rules.standing import machines_meant
from anomalies.rules.zones import ZoneTable, zones_newest
from telemetry.models import Machine, Metric, MetricKind

_RATED_SHARE, _RATED_CLEAR = 1.10, 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person chose: the metric that was found for it, the table's row as "group:support", a rated value."""

    metric: str
    zones: ZoneTable | None
    zone_row: str
    rated: float | None


@dataclass(frozen=True, slots=True)
class Template:
    """One to begin from. kind: what metric it wants, None for any; words: names that fit better than others."""

    key: str
    title: Promise
    text: Promise
    when: Callable[[Asked], list[Data]]
    severity: str
    kind: str | None = None
    words: tuple[str, ...] = ()
    uses_zones: bool = False
    uses_rated: bool = False

    @property
    def severity_label(self) -> str:
        """The severity's word."""
        return str(Severity(self.severity).label)


def _zone(limit: str) -> Callable[[Asked], list[Data]]:
    def when(asked: Asked) -> list[Data]:
        group, _colon, support = asked.zone_row.partition(":")
        row = asked.zones.row(int(group), support) if asked.zones and group.isdigit() else None
        value = getattr(row, limit) if row is not None else None
        leaf = {"metric": asked.metric, "op": "above", "value": value, "for_s": 60}
        return [{**leaf, "clear": round(value * 0.9, 2)} if value is not None else leaf]

    return when


def _rated(asked: Asked) -> list[Data]:
    leaf: Data = {"metric": asked.metric, "op": "above", "value": None, "for_s": 30}
    if asked.rated is not None:
        leaf |= {"value": round(asked.rated * _RATED_SHARE, 2), "clear": round(asked.rated * _RATED_CLEAR, 2)}
    return [leaf]


TEMPLATES: tuple[Template, ...] = (
    Template(
        "vibration_c",
        gettext_lazy("Vibration in zone C"),
        gettext_lazy(
            "ISO 20816: not fit for long operation. Fires beyond the limit between zones B and C for a minute."
        ),
        _zone("b_c"),
        "high",
        MetricKind.VIBRATION,
        uses_zones=True,
    ),
    Template(
        "vibration_d",
        gettext_lazy("Vibration in zone D"),
        gettext_lazy("ISO 20816: may damage the machine. Fires beyond the limit between zones C and D for a minute."),
        _zone("c_d"),
        "critical",
        MetricKind.VIBRATION,
        uses_zones=True,
    ),
    Template(
        "bearing_temperature",
        gettext_lazy("Bearing too hot"),
        gettext_lazy(
            "Above 80 °C for a minute, until it is below 75 °C: greased rolling bearings age quickly from there on."
        ),
        lambda asked: [{"metric": asked.metric, "op": "above", "value": 80, "for_s": 60, "clear": 75}],
        "high",
        MetricKind.TEMPERATURE,
        ("bearing",),
    ),
    Template(
        "bearing_heats",
        gettext_lazy("Bearing heats up quickly"),
        gettext_lazy("Rises by more than 10 °C within ten minutes, long before it is too hot."),
        lambda asked: [{"metric": asked.metric, "op": "rises", "value": 10, "over_s": 600, "for_s": 0}],
        "medium",
        MetricKind.TEMPERATURE,
        ("bearing",),
    ),
    Template(
        "over_current",
        gettext_lazy("Over-current"),
        gettext_lazy("More than 110 % of the rated current for half a minute, until it is below the rated current."),
        _rated,
        "high",
        MetricKind.CURRENT,
        uses_rated=True,
    ),
    Template(
        "stale_sensor",
        gettext_lazy("Sensor sends nothing"),
        gettext_lazy("No reading for five minutes, though the machine may go on."),
        lambda asked: [{"metric": asked.metric, "op": "no_data", "for_s": 300}],
        "medium",
    ),
    Template(
        "stuck_sensor",
        gettext_lazy("Sensor does not move"),
        gettext_lazy("Every reading is exactly the same for a quarter of an hour."),
        lambda asked: [{"metric": asked.metric, "op": "stuck", "for_s": 900}],
        "medium",
    ),
    Template(
        "held",
        gettext_lazy("Machine held"),
        gettext_lazy("PackML: held, suspended or aborted for more than ten minutes."),
        lambda asked: [
            {"metric": asked.metric, "op": "state", "value": ["held", "suspended", "aborted"], "for_s": 600}
        ],
        "medium",
        MetricKind.STATE,
    ),
)
BY_KEY: Mapping[str, Template] = {template.key: template for template in TEMPLATES}


def draft_from(key: str, *, machine: str, zone_row: str = "", rated: float | None = None) -> tuple[Data, Data]:
    """A draft from a template for some machines, and the note of where it came from; an empty one for no template.

    machine: a key, "type:pump" or "*".
    """
    template = BY_KEY.get(key)
    if template is None:
        return draft_new(), {}
    zones = zones_newest() if template.uses_zones else None
    asked = Asked(_metric(template, machine), zones, zone_row, rated)
    origin: Data = {"name": key}
    if zones is not None:
        origin |= {"zones_version": zones.version, "row": zone_row}
    name = f"{template.title}: {_called(machine)}" if machine else str(template.title)
    return {
        **draft_new(),
        "name": name[:120],
        "machines": [machine] if machine else [],
        "when": {"all": template.when(asked)},
        "severity": template.severity,
    }, origin


def _called(machine: str) -> str:
    found = Machine.objects.filter(key=machine).first()
    return str(found) if found else _("every machine") if machine == "*" else machine.removeprefix("type:")


def _metric(template: Template, machine: str) -> str:
    """The metric that fits best, by kind and by name; empty where there is none."""
    meant = machines_meant([machine], Machine.objects.all())
    rows = Metric.objects.filter(machine__in=meant).order_by("machine__key", "name")
    fitting = [row.name for row in rows if template.kind is None or row.kind == template.kind]
    better = [name for name in fitting if any(word in name.lower() for word in template.words)]
    return next(iter(better or fitting), "")
