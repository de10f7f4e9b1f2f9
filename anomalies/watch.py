"""Machines, evaluated: their limits and their detectors over what is new, the alerts they raise, their health told."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import prefetch_related_objects

from anomalies.alerts.opening import DETECTOR, Finding, alert_raise, alert_return, alert_update
from anomalies.alerts.sentences import (
    detector_summary,
    detector_title,
    missing_summary,
    missing_title,
    stuck_summary,
    stuck_title,
)
from anomalies.alerts.words import Words, words_say
from anomalies.detection.calibrate import Change, health_percent
from anomalies.detection.registry import ActiveModel, DetectorDamagedError, model_distrust, models_active
from anomalies.detection.score import THRESHOLD, Judged, evidence_metrics, stream_score
from anomalies.models import OPEN_STATES, Alert, HealthStatus, MachineHealth, Severity
from anomalies.rules.watch import rules_watch
from common.times import from_ms, rfc3339
from telemetry.history.spans import machine_zone
from telemetry.live.hub import live_publish
from telemetry.models import Machine, Metric
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

# An open alert's figures follow the machine this often (event time), not with every reading.
_UPDATE_EVERY_MS = 20_000
_WORST_SHARE = 0.7
# A metric that stays away this long while its machine reports is missing, whatever its rate.
_MISSING_INTERVALS = 4
# Health moves on pages when it moved by this much, or its word changed.
_HEALTH_STEP = 5.0


def machines_evaluate(machines: Iterable[Machine]) -> int:
    """Evaluate machines: the rules of all together, then each one's detector. The number whose rules were looked at.

    A machine that another worker has in hand just now is left to it. Raises StoreUnavailableError, after which another
    run begins where this one stood.
    """
    machines = list(machines)
    models = models_active(machines)
    done = rules_watch(machines)
    _learning_mark([machine for machine in machines if machine.pk not in models])
    taught = [machine for machine in machines if machine.pk in models]
    prefetch_related_objects(taught, "metrics")
    for machine in taught:
        try:
            detector_watch(machine, models[machine.pk])
        except DetectorDamagedError as error:
            # Rules went on before; here nothing judges until the next training, and the machine's page says so.
            _distrust(machine, models[machine.pk], str(error))
    return done


def _distrust(machine: Machine, model: ActiveModel, reason: str) -> None:
    with transaction.atomic():
        model_distrust(model.id)
        health = _healths_locked([machine]).get(machine.pk)
        if health is None:
            return
        health.damage = reason[:200]
        _learning(health)
        health.save()
        health_publish(machine, health)


def _learning_mark(machines: Sequence[Machine]) -> None:
    """What has no detector is learning; one that another worker has in hand is left to it."""
    by_id = {machine.pk: machine for machine in machines}
    with transaction.atomic():
        rows = MachineHealth.objects.select_for_update(skip_locked=True).filter(machine__in=machines)
        for health in rows.exclude(status=HealthStatus.LEARNING).order_by("machine_id"):
            _learning(health)
            health_publish(by_id[health.machine_id], health)
            health.save()


def detector_watch(machine: Machine, model: ActiveModel) -> bool:
    """Carry one machine's detector forward in one transaction; False when another worker has it in hand just now."""
    with transaction.atomic():
        health = _healths_locked([machine]).get(machine.pk)
        if health is None:
            return False
        before = (health.status, health.health_percent)
        health.state = _detect(machine, model, health, dict(health.state))
        health.save()
        if _moved(before, health):
            health_publish(machine, health)
    return True


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


def _healths_locked(machines: Sequence[Machine]) -> dict[int, MachineHealth]:
    """Their streams, for this worker alone until the transaction ends; without those that another one has."""
    # In one order everywhere, so that two workers never wait for each other.
    rows = MachineHealth.objects.select_for_update(skip_locked=True).filter(machine__in=machines).order_by("machine_id")
    found = {health.machine_id: health for health in rows}
    if len(found) == len(machines):
        return found
    # What is not there is new, or in another worker's hands.
    made = [MachineHealth(machine=machine) for machine in machines if machine.pk not in found]
    MachineHealth.objects.bulk_create(made, ignore_conflicts=True)
    return {health.machine_id: health for health in rows.all()}


def _detect(machine: Machine, model: ActiveModel, health: MachineHealth, state: dict[str, Any]) -> dict[str, Any]:
    raised = health.limit_factor
    judged = stream_score(machine, model, scored_to_ms=health.scored_to_ms, state=state, raised=raised)
    health.learning_progress, health.threshold, health.damage, health.unsettled = 1.0, THRESHOLD, "", []
    if judged is None:
        if health.status == HealthStatus.LEARNING:
            health.status = HealthStatus.NORMAL
        return state
    metrics = {metric.name: metric for metric in machine.metrics.all()}
    told_ms = _tell_anomaly(machine, model, judged, metrics, told_ms=state.get("told_ms", 0))
    checks = _tell_checks(machine, judged, metrics, before=state.get("checks", []))
    health.scored_to_ms = judged.scored_to_ms
    _judge_health(health, judged, wrong=bool(checks))
    return {**judged.state, "rules": state.get("rules", {}), "told_ms": told_ms, "checks": checks}


def _judge_health(health: MachineHealth, judged: Judged, *, wrong: bool) -> None:
    """A gap is no health: what can't be scored keeps no figure."""
    health.score = None if judged.score is None else round(judged.score, 4)
    percent = None if judged.score is None else health_percent(judged.score)
    if judged.active or wrong:
        health.status = HealthStatus.ANOMALOUS
        percent = None if percent is None else min(percent, 50.0)
    else:
        health.status = HealthStatus.NO_DATA if judged.score is None else HealthStatus.NORMAL
    health.health_percent = percent


def _learning(health: MachineHealth) -> None:
    health.status, health.score, health.threshold, health.health_percent = HealthStatus.LEARNING, None, None, None


def _moved(before: tuple[str, float | None], health: MachineHealth) -> bool:
    status, percent = before
    if status != health.status or (percent is None) != (health.health_percent is None):
        return True
    return abs((percent or 0.0) - (health.health_percent or 0.0)) >= _HEALTH_STEP


def _tell_anomaly(
    machine: Machine, model: ActiveModel, judged: Judged, metrics: dict[str, Metric], *, told_ms: int
) -> int:
    """Raise, update or return the detector's alert; answers up to when (event time) it has been told."""
    for decision in judged.decisions:
        if decision.change is Change.BEGAN and judged.carriers:
            alert_raise(_finding(machine, model, judged, metrics))
            told_ms = judged.scored_to_ms
        elif decision.change is Change.ENDED:
            alert_return(machine=machine, cause=DETECTOR, at=from_ms(decision.t_ms))
    # As it heals, the last to recover would be named alone: the evidence stays that of the worst.
    at_its_worst = judged.active and judged.carriers and (judged.score or 0.0) >= _WORST_SHARE * judged.peak
    if at_its_worst and judged.scored_to_ms - told_ms >= _UPDATE_EVERY_MS:
        alert = Alert.objects.filter(machine=machine, cause=DETECTOR, state__in=OPEN_STATES).first()
        if alert is not None:
            alert_update(alert, _finding(machine, model, judged, metrics))
        told_ms = judged.scored_to_ms
    return told_ms


def _finding(machine: Machine, model: ActiveModel, judged: Judged, metrics: dict[str, Metric]) -> Finding:
    parts = [(c, metrics.get(c.metric) or Metric(name=c.metric)) for c in judged.carriers]
    since_at = from_ms(judged.since_ms if judged.since_ms is not None else judged.scored_to_ms)
    units = {name: metric.unit for name, metric in metrics.items()}
    zone = machine_zone(machine)
    words = words_say(lambda: (detector_title(parts), detector_summary(parts, since_at=since_at, zone=zone)))
    return Finding(
        machine=machine,
        cause=DETECTOR,
        severity=_severity(judged.peak),
        title=words.title,
        summary=words.summary,
        since_at=since_at,
        found_at=from_ms(judged.scored_to_ms),
        evidence={
            "score": round(judged.peak, 4),
            "threshold": THRESHOLD,
            "model_version": model.version,
            "metrics": evidence_metrics(judged.carriers, units),
            **words.evidence,
        },
    )


def _severity(peak: float) -> str:
    """How far out it went, in thresholds."""
    if peak >= 4.0:
        return Severity.CRITICAL
    return Severity.HIGH if peak >= 1.8 else Severity.MEDIUM


def _tell_checks(machine: Machine, judged: Judged, metrics: dict[str, Metric], *, before: Sequence[str]) -> list[str]:
    """Alerts of their own for sensors that stand still or stay away; answers the causes that hold now."""
    found = _stuck(machine, judged, metrics) | _missing(machine, judged, metrics)
    for cause, finding in found.items():
        if cause not in before:
            alert_raise(finding)
    for cause in before:
        if cause not in found:
            alert_return(machine=machine, cause=cause, at=from_ms(judged.scored_to_ms))
    return sorted(found)


def _stuck(machine: Machine, judged: Judged, metrics: dict[str, Metric]) -> dict[str, Finding]:
    found = {}
    for name, run in judged.stuck.items():
        metric, since_at = metrics.get(name) or Metric(name=name), from_ms(run.since_ms)
        cause, words = f"stuck:{name}", _stuck_words(machine, metric, run.value, since_at)
        found[cause] = Finding(
            machine=machine,
            cause=cause,
            severity=Severity.MEDIUM,
            title=words.title,
            summary=words.summary,
            since_at=since_at,
            found_at=from_ms(judged.scored_to_ms),
            evidence={
                "metrics": [
                    {"metric": name, "unit": metric.unit, "share": 1.0, "observed": run.value, "expected": None}
                ],
                **words.evidence,
            },
        )
    return found


def _stuck_words(machine: Machine, metric: Metric, value: float, since_at: datetime) -> Words:
    zone = machine_zone(machine)
    return words_say(
        lambda: (stuck_title(metric), stuck_summary(metric, value=value, since_at=since_at, zone=zone)),
    )


def _missing_words(machine: Machine, metric: Metric, since_at: datetime) -> Words:
    zone = machine_zone(machine)
    return words_say(lambda: (missing_title(metric), missing_summary(since_at=since_at, zone=zone)))


def _missing(machine: Machine, judged: Judged, metrics: dict[str, Metric]) -> dict[str, Finding]:
    found = {}
    for name, hold_ms in judged.holds_ms.items():
        metric = metrics.get(name)
        if metric is None or metric.last_at is None:
            continue
        late_ms = judged.scored_to_ms - round(metric.last_at.timestamp() * 1000)
        if late_ms <= max(machine.silent_after_s * 1000, _MISSING_INTERVALS * hold_ms):
            continue
        cause, words = f"missing:{name}", _missing_words(machine, metric, metric.last_at)
        found[cause] = Finding(
            machine=machine,
            cause=cause,
            severity=Severity.MEDIUM,
            title=words.title,
            summary=words.summary,
            since_at=metric.last_at,
            found_at=from_ms(judged.scored_to_ms),
            evidence=words.evidence,
        )
    return found
