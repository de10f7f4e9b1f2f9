"""The plant as the fleet page shows it: a tile for every machine, grouped by line, in a fixed number of queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Prefetch, QuerySet

from anomalies.alerts.sentences import metric_title
from anomalies.detection.registry import normal_bands_all
from anomalies.models import OPEN_STATES, Alert, AlertState, HealthStatus, MachineHealth, Severity
from telemetry.equipment import machine_state
from telemetry.models import Line, Machine, Metric, MetricKind

_SEVERITY_RANK = {severity: rank for rank, severity in enumerate(Severity.values)}
_QUIETER: dict[str, str] = {
    AlertState.ACTIVE_ACKNOWLEDGED: "acknowledged",
    AlertState.RETURNED_UNACKNOWLEDGED: "returned",
}
# What people look at first, where nothing says otherwise.
_KIND_RANK = {
    kind: rank
    for rank, kind in enumerate(
        (
            MetricKind.VIBRATION,
            MetricKind.TEMPERATURE,
            MetricKind.PRESSURE,
            MetricKind.FLOW,
            MetricKind.CURRENT,
            MetricKind.POWER,
            MetricKind.SPEED,
            MetricKind.LEVEL,
            MetricKind.HUMIDITY,
            MetricKind.OTHER,
            MetricKind.COUNTER,
            MetricKind.STATE,
        )
    )
}
# Machines whose purpose is one quantity: that one stands on the tile.
_KIND_OF_TYPE = {
    "oven": MetricKind.TEMPERATURE,
    "chiller": MetricKind.TEMPERATURE,
    "freezer": MetricKind.TEMPERATURE,
    "compressor": MetricKind.PRESSURE,
    "conveyor": MetricKind.SPEED,
    "packer": MetricKind.SPEED,
    "filler": MetricKind.FLOW,
}


Bands = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One machine: what it is, how it is, and the one metric that matters now."""

    machine: Machine
    state: str
    health: MachineHealth | None
    metrics: list[Metric]
    alerts: list[Alert]
    band: tuple[float, float] | None

    @property
    def kind(self) -> str:
        """The key where it is not the name, and what kind of machine it is where the key does not say so already."""
        key = self.machine.key if self.machine.name else ""
        said = self.machine.machine_type.lower() in self.machine.key.lower()
        return ", ".join(filter(None, (key, "" if said else self.machine.machine_type)))

    @property
    def about(self) -> str:
        """Kind and place in a line."""
        line = self.machine.line
        return ", ".join(filter(None, (self.kind, line.name if line else "", line.site.name if line else "")))

    @property
    def metric(self) -> Metric | None:
        """The one that stands on the tile."""
        return self.metrics[0] if self.metrics else None

    @property
    def alert(self) -> Alert | None:
        """The most urgent of the open alerts."""
        return self.alerts[0] if self.alerts else None

    @property
    def more_alerts(self) -> int:
        """How many others are open."""
        return max(0, len(self.alerts) - 1)

    @property
    def metric_label(self) -> str:
        """The metric's name for people."""
        return metric_title(self.metric) if self.metric else ""

    @property
    def severity(self) -> str:
        """The severity of what is wrong; "acknowledged" once in hand, "returned" once over; empty when all is well."""
        if self.alert is None:
            return ""
        return _QUIETER.get(self.alert.state, self.alert.severity)

    @property
    def health_status(self) -> str:
        """What detection says; machines it has not met yet are learning, never normal."""
        return self.health.status if self.health else HealthStatus.LEARNING

    @property
    def settling(self) -> bool:
        """Whether it has seen enough and a level still moves: learning goes on, and a share of it would say little."""
        health = self.health
        return self.health_status == HealthStatus.LEARNING and bool(health and health.unsettled and not health.damage)

    @property
    def learned(self) -> float:
        """How far learning came, 0 to 1."""
        return self.health.learning_progress if self.health else 0.0


@dataclass(slots=True, kw_only=True)
class LineGroup:
    """The tiles of one line; machines without a line come last, under no name."""

    line: Line | None
    tiles: list[Tile] = field(default_factory=list)


def tiles_by_line(now: datetime) -> list[LineGroup]:
    """Every machine's tile. Lines by site and name, machines by key."""
    groups: dict[int | None, LineGroup] = {}
    bands = normal_bands_all()
    for machine in sorted(_machines(), key=_place):
        group = groups.setdefault(machine.line_id, LineGroup(line=machine.line))
        group.tiles.append(tile_of(machine, now, bands=bands.get(machine.pk)))
    return list(groups.values())


def tile_of(machine: Machine, now: datetime, *, bands: Bands | None = None) -> Tile:
    """The tile of one machine, without its normal band unless given; after `prefetch_tiles` it asks no database."""
    alerts = sorted(_open_alerts(machine), key=_urgency)
    metrics = metrics_by_weight(machine.metrics.all(), machine_type=machine.machine_type or machine.key, alerts=alerts)
    metric = metrics[0] if metrics else None
    return Tile(
        machine=machine,
        state=machine_state(machine, now),
        health=getattr(machine, "health", None),
        metrics=metrics,
        band=(bands or {}).get(metric.name) if metric else None,
        alerts=alerts,
    )


def prefetch_tiles(machines: QuerySet[Machine]) -> QuerySet[Machine]:
    """Bring along what a tile needs, whatever the number of machines."""
    open_alerts = Alert.objects.filter(state__in=OPEN_STATES).select_related("acknowledged_by")
    return machines.select_related("line__site", "health").prefetch_related(
        "metrics", Prefetch("alerts", queryset=open_alerts, to_attr="open_alerts")
    )


def metrics_by_weight(metrics: Iterable[Metric], *, machine_type: str, alerts: Sequence[Alert]) -> list[Metric]:
    """In the order people look: what explains open alerts, what the machine is there for, then the telling kinds."""
    named = [part.get("metric") for alert in alerts for part in alert.evidence.get("metrics") or []]
    weight = {name: place for place, name in reversed(list(enumerate(named)))}
    purpose = next((kind for word, kind in _KIND_OF_TYPE.items() if word in machine_type.lower()), None)
    return sorted(
        metrics,
        key=lambda m: (
            weight.get(m.name, len(named)),
            m.kind != purpose,
            _KIND_RANK.get(MetricKind(m.kind), 99),
            m.name,
        ),
    )


def _machines() -> Iterable[Machine]:
    return prefetch_tiles(Machine.objects.all())


def _open_alerts(machine: Machine) -> list[Alert]:
    found: list[Alert] | None = getattr(machine, "open_alerts", None)
    return list(machine.alerts.filter(state__in=OPEN_STATES)) if found is None else found


def _urgency(alert: Alert) -> tuple[bool, int, float]:
    return (
        alert.state in _QUIETER,
        -_SEVERITY_RANK.get(Severity(alert.severity), 0),
        -alert.raised_at.timestamp(),
    )


def _place(machine: Machine) -> tuple[bool, str, str, str]:
    line = machine.line
    return (line is None, line.site.name if line else "", line.name if line else "", machine.key)
