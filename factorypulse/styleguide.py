"""The living style page: every component in every state, in development and in the trial. Its words are samples."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from anomalies.models import Alert, AlertState, HealthStatus, MachineHealth, Severity
from anomalies.tiles import Tile
from common import clock
from telemetry.models import Machine, Metric, MetricKind

_STATUSES = (*Severity.values[::-1], "anomalous", "normal", "learning", "silent", "new", "acknowledged", "returned")

_TOKENS = ("ground", "ground-sunk", "surface", "surface-raised", "line", "line-strong", "accent", "accent-soft")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a tile of the style page shows."""

    name: str
    state: str = "live"
    health: str = HealthStatus.NORMAL
    value: float | None = 2.31
    severity: str = ""
    alert_state: str = AlertState.ACTIVE_UNACKNOWLEDGED


_SAMPLES = (
    Sample("Mixer, all well"),
    Sample("Oven, learning", health=HealthStatus.LEARNING, value=182.4),
    Sample("Pump, critical", health=HealthStatus.ANOMALOUS, value=7.9, severity=Severity.CRITICAL),
    Sample("Filler, high", health=HealthStatus.ANOMALOUS, severity=Severity.HIGH),
    Sample("Conveyor, medium", severity=Severity.MEDIUM),
    Sample("Chiller, low", severity=Severity.LOW),
    Sample("Packer, in hand", severity=Severity.CRITICAL, alert_state=AlertState.ACTIVE_ACKNOWLEDGED),
    Sample("Press, over", severity=Severity.HIGH, alert_state=AlertState.RETURNED_UNACKNOWLEDGED),
    Sample("Compressor, silent", state="silent", health=HealthStatus.NO_DATA),
    Sample("Dryer, new", state="new", health=HealthStatus.LEARNING, value=None),
)


@require_GET
@page_requires("view")
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component once; production does not know the page."""
    if not (settings.DEBUG or settings.TRIAL):
        raise Http404
    values = {
        "severities": Severity.values[::-1],
        "statuses": _STATUSES,
        "tiles": [_tile(sample) for sample in _SAMPLES],
        "tokens": _TOKENS,
        "tabs": [_link("open", "Open", 3), _link("mine", "In hand", 1), _link("all", "All")],
    }
    return render(request, "styleguide/page.html", values)


def _link(value: str, label: str, count: int | None = None) -> dict[str, Any]:
    return {"value": value, "label": label, "href": f"?tab={value}", "count": count}


def _tile(sample: Sample) -> Tile:
    """A tile of a machine that is nowhere stored."""
    now = clock.now()
    seen = None if sample.state == "new" else now - timedelta(minutes=12 if sample.state == "silent" else 0)
    machine = Machine(key="sample", name=sample.name, machine_type="sample", last_seen_at=seen)
    metric = Metric(machine=machine, name="vibration", kind=MetricKind.VIBRATION, unit="mm/s", last_value=sample.value)
    health = MachineHealth(machine=machine, status=sample.health, health_percent=97.0, learning_progress=0.42)
    return Tile(
        machine=machine,
        state=sample.state,
        health=health,
        metrics=[metric],
        alerts=[_alert(machine, sample)] if sample.severity else [],
        band=(1.8, 3.1),
    )


def _alert(machine: Machine, sample: Sample) -> Alert:
    since = clock.now() - timedelta(minutes=7)
    return Alert(
        pk=0,
        machine=machine,
        severity=sample.severity,
        state=sample.alert_state,
        title="Vibration above normal",
        summary="vibration 7.9 mm/s, normal 1.8–3.1",
        since_at=since,
        raised_at=since,
    )
