"""The plant in a few figures, for the API and the head of the fleet page."""

from typing import Any

from django.db.models import Avg, Count

from anomalies.models import OPEN_STATES, Alert, AlertState, HealthStatus, MachineHealth, Severity
from anomalies.receivers import ingest_rate
from common import clock
from telemetry.equipment import machine_state
from telemetry.models import Machine


def dashboard_summary() -> dict[str, Any]:
    """Machines by state and by health, open alerts by severity, and readings a second; every key is always there.

    health.percent: the mean of the machines that can be judged; None while there is none.
    """
    return {
        "machines": _machines(),
        "health": _health(),
        "alerts": _alerts(),
        "ingest": {"readings_per_s": ingest_rate()},
    }


def _machines() -> dict[str, int]:
    now = clock.now()
    counts = {"total": 0, "live": 0, "silent": 0, "new": 0}
    for machine in Machine.objects.only("last_seen_at", "silent_after_s"):
        counts["total"] += 1
        counts[machine_state(machine, now)] += 1
    return counts


def _health() -> dict[str, Any]:
    counts: dict[str, Any] = dict.fromkeys(HealthStatus.values, 0)
    rows = MachineHealth.objects.values_list("status").annotate(count=Count("pk"))
    counts.update(dict(rows))
    # A machine that has only just appeared has no row yet; it is learning.
    counts[HealthStatus.LEARNING] += Machine.objects.filter(health__isnull=True).count()
    mean = MachineHealth.objects.exclude(status=HealthStatus.NO_DATA).aggregate(mean=Avg("health_percent"))["mean"]
    return {**counts, "percent": None if mean is None else round(mean, 1)}


def _alerts() -> dict[str, Any]:
    by_severity = dict.fromkeys(Severity.values, 0)
    open_alerts = Alert.objects.filter(state__in=OPEN_STATES).order_by()
    by_severity.update(dict(open_alerts.values_list("severity").annotate(count=Count("pk"))))
    unacknowledged = open_alerts.exclude(state=AlertState.ACTIVE_ACKNOWLEDGED).count()
    return {"open": sum(by_severity.values()), "unacknowledged": unacknowledged, "by_severity": by_severity}
