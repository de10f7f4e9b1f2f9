"""What pages say of a machine's health: how it follows from a verdict, and how open browsers are told."""

from typing import Any

from django.db import transaction

from anomalies.detection.calibrate import health_percent
from anomalies.detection.live import Judged
from anomalies.models import HealthStatus, MachineHealth
from common.times import rfc3339
from telemetry.live.hub import live_publish
from telemetry.models import Machine
from tenants.context import factory_current

# Health moves on pages when it moved by this much, or its word changed.
_HEALTH_STEP = 5.0

Shown = tuple[str, float | None]


def health_publish(machine: Machine, health: MachineHealth) -> None:
    """Tell open browsers a machine's state and health, on commit."""
    factory = factory_current()
    if factory is None:
        return
    message: dict[str, Any] = {
        "type": "state",
        "machine": machine.key,
        "state": "silent" if health.status == HealthStatus.NO_DATA else "live",
        "health": health.status,
        "health_percent": health.health_percent,
        "learning_progress": health.learning_progress,
        # While these move it has seen enough and is settling: how far learning came would say little.
        "unsettled": list(health.unsettled) if health.status == HealthStatus.LEARNING else [],
        "last_seen_at": rfc3339(machine.last_seen_at) if machine.last_seen_at else None,
    }
    transaction.on_commit(lambda: live_publish(factory.slug, message))


def health_shown(health: MachineHealth) -> Shown:
    """What pages show of it."""
    return health.status, health.health_percent


def health_moved(before: Shown, health: MachineHealth) -> bool:
    """Whether it moved so far that pages should show it."""
    status, percent = before
    if status != health.status or (percent is None) != (health.health_percent is None):
        return True
    return abs((percent or 0.0) - (health.health_percent or 0.0)) >= _HEALTH_STEP


def health_judge(health: MachineHealth, judged: Judged, *, wrong: bool) -> None:
    """Health after a verdict. A gap is no health: what can't be scored keeps no figure."""
    health.score = None if judged.score is None else round(judged.score, 4)
    percent = None if judged.score is None else health_percent(judged.score)
    if judged.active or wrong:
        health.status = HealthStatus.ANOMALOUS
        percent = None if percent is None else min(percent, 50.0)
    else:
        health.status = HealthStatus.NO_DATA if judged.score is None else HealthStatus.NORMAL
    health.health_percent = percent


def health_learning(health: MachineHealth) -> None:
    """Nothing judges it."""
    health.status, health.score, health.threshold, health.health_percent = HealthStatus.LEARNING, None, None, None


def health_unknown(health: MachineHealth) -> None:
    """It could not be judged just now: what it was before is no answer."""
    health.status, health.score, health.health_percent = HealthStatus.NO_DATA, None, None
