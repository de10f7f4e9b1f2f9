"""What a report says: facts of a period in, one JSON document out, worst machines first. Pure.

Reasons are codes with parameters; `reports.wording` says them in the reader's language.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SCHEMA = "equipment-health/1"
SEVERITIES = ("critical", "high", "medium", "low")

# How much each finding counts in the ranking: an open alert outweighs any number of cleared ones of its severity.
_OPEN_WEIGHT: Mapping[str, float] = {"critical": 100.0, "high": 60.0, "medium": 30.0, "low": 10.0}
_CLEARED_SHARE, _CLEARED_CAP = 0.2, 40.0
_ANOMALOUS_WEIGHT = 30.0
_NO_DATA_WEIGHT = 45.0
_AVAILABILITY_GOOD, _AVAILABILITY_WEIGHT = 0.98, 50.0
_NOW_FROM, _SOON_FROM = 60.0, 25.0

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """One metric over the period; statistics are None where nothing was read. availability: 0 to 1."""

    name: str
    label: str
    unit: str
    kind: str
    count: int
    minimum: float | None
    maximum: float | None
    mean: float | None
    last: float | None
    availability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """One alert that was open at some time of the period. ended_at: None while it stands."""

    id: int
    severity: str
    state: str
    title: str
    summary: str
    since_at: datetime
    ended_at: datetime | None
    acknowledged_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """One machine over the period, with what detection thinks of it when the report is made."""

    key: str
    name: str
    machine_type: str
    line: str
    last_seen_at: datetime | None
    health_status: str
    health_percent: float | None
    metrics: Sequence[MetricFacts]
    alerts: Sequence[AlertFacts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """Everything a report is made of."""

    factory: str
    factory_name: str
    time_zone: str
    from_at: datetime
    to_at: datetime
    machines: Sequence[MachineFacts]


def build_contents(facts: ReportFacts) -> Document:
    """The report as one JSON document: period, totals, what to look at first, every machine; times in plant time."""
    zone = ZoneInfo(facts.time_zone)
    machines = [_machine(machine, facts, zone) for machine in facts.machines]
    return {
        "schema": SCHEMA,
        "factory": {"slug": facts.factory, "name": facts.factory_name},
        "period": {"from": _told(facts.from_at, zone), "to": _told(facts.to_at, zone), "time_zone": facts.time_zone},
        "totals": _totals(machines),
        "look_first": rank(machines),
        "machines": machines,
    }


def contents_within(contents: Document, machines: Collection[str]) -> Document:
    """The document of these machines alone, by key: sums and ranks are theirs, and no word of the others is left."""
    kept = [machine for machine in contents["machines"] if machine["key"] in machines]
    return {**contents, "totals": _totals(kept), "look_first": rank(kept), "machines": kept}


def contents_hash(contents: Document) -> str:
    """SHA-256 of the document in its one canonical form: the same facts, the same hash."""
    canonical = json.dumps(contents, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def rank(machines: Sequence[Document]) -> list[Document]:
    """Machines that need a look, the most urgent first, each with the reasons why; a machine in order is not listed."""
    ranked = []
    for machine in machines:
        weighed = sorted(_reasons(machine), key=lambda pair: -pair[0])
        if weighed:
            total = round(sum(weight for weight, _ in weighed), 1)
            ranked.append(
                {
                    "machine": machine["key"],
                    "name": machine["name"],
                    "weight": total,
                    "urgency": _urgency(total),
                    "reasons": [reason for _, reason in weighed],
                }
            )
    ranked.sort(key=lambda entry: (-entry["weight"], entry["machine"]))
    return [{"rank": place, **entry} for place, entry in enumerate(ranked, start=1)]


def _urgency(weight: float) -> str:
    if weight >= _NOW_FROM:
        return "now"
    return "soon" if weight >= _SOON_FROM else "watch"


def _reasons(machine: Document) -> list[tuple[float, Document]]:
    open_alerts = [alert for alert in machine["alerts"] if alert["to"] is None]
    cleared = [alert for alert in machine["alerts"] if alert["to"] is not None]
    found = [
        (
            _OPEN_WEIGHT[alert["severity"]],
            {"code": "alert_open", **{field: alert[field] for field in ("severity", "title", "summary", "from")}},
        )
        for alert in open_alerts
    ]
    if cleared:
        found.append(_cleared_reason(cleared))
    if machine["health"]["status"] == "anomalous" and not open_alerts:
        found.append((_ANOMALOUS_WEIGHT, {"code": "anomalous_now", "health_percent": machine["health"]["percent"]}))
    if machine["readings"] == 0:
        found.append((_NO_DATA_WEIGHT, {"code": "no_data", "last_seen_at": machine["last_seen_at"]}))
    elif machine["availability"] < _AVAILABILITY_GOOD:
        weight = (1.0 - machine["availability"]) * _AVAILABILITY_WEIGHT
        found.append((weight, {"code": "availability_low", "availability": machine["availability"]}))
    return found


def _cleared_reason(cleared: Sequence[Document]) -> tuple[float, Document]:
    weight = min(_CLEARED_CAP, sum(_CLEARED_SHARE * _OPEN_WEIGHT[alert["severity"]] for alert in cleared))
    worst = min((alert["severity"] for alert in cleared), key=SEVERITIES.index)
    minutes = sum(alert["minutes"] for alert in cleared)
    return weight, {"code": "alerts_cleared", "count": len(cleared), "severity": worst, "minutes": minutes}


def _machine(machine: MachineFacts, facts: ReportFacts, zone: ZoneInfo) -> Document:
    availability = [metric.availability for metric in machine.metrics]
    return {
        "key": machine.key,
        "name": machine.name,
        "type": machine.machine_type,
        "line": machine.line,
        "last_seen_at": None if machine.last_seen_at is None else _told(machine.last_seen_at, zone),
        "readings": sum(metric.count for metric in machine.metrics),
        "availability": round(sum(availability) / len(availability), 5) if availability else 0.0,
        "health": {"status": machine.health_status, "percent": machine.health_percent},
        "metrics": [asdict(metric) for metric in machine.metrics],
        "alerts": [_alert(alert, facts, zone) for alert in machine.alerts],
    }


def _alert(alert: AlertFacts, facts: ReportFacts, zone: ZoneInfo) -> Document:
    begins, ends = max(alert.since_at, facts.from_at), min(alert.ended_at or facts.to_at, facts.to_at)
    return {
        "id": alert.id,
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.title,
        "summary": alert.summary,
        "from": _told(alert.since_at, zone),
        "to": None if alert.ended_at is None else _told(alert.ended_at, zone),
        "minutes": max(0, round((ends - begins) / timedelta(minutes=1))),
        "acknowledged_by": alert.acknowledged_by,
    }


def _totals(machines: Sequence[Document]) -> Document:
    alerts = [alert for machine in machines for alert in machine["alerts"]]
    counted = Counter(alert["severity"] for alert in alerts)
    return {
        "machines": len(machines),
        "metrics": sum(len(machine["metrics"]) for machine in machines),
        "readings": sum(machine["readings"] for machine in machines),
        "availability": round(sum(m["availability"] for m in machines) / len(machines), 5) if machines else 0.0,
        "alerts": {severity: counted[severity] for severity in SEVERITIES},
        "alerts_all": len(alerts),
        "alerts_open": sum(alert["to"] is None for alert in alerts),
    }


def _told(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat(timespec="seconds")
