"""What a detector's verdicts and the checks beside it become: alerts raised, brought up to date, and returned."""

from collections.abc import Mapping, Sequence
from datetime import datetime

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
from anomalies.detection.calibrate import Change
from anomalies.detection.explain import Event
from anomalies.detection.live import Judged
from anomalies.detection.registry import ActiveModel
from anomalies.detection.score import THRESHOLD, evidence_metrics
from anomalies.models import OPEN_STATES, Alert, Severity
from common.times import from_ms
from telemetry.history.spans import machine_zone
from telemetry.models import Machine, Metric

# An open alert's figures follow the machine this often (event time), not with every reading.
_UPDATE_EVERY_MS = 20_000
_WORST_SHARE = 0.7
# A metric that stays away this long while its machine reports is missing, whatever its rate.
_MISSING_INTERVALS = 4


def anomaly_tell(
    machine: Machine, model: ActiveModel, judged: Judged, metrics: Mapping[str, Metric], *, told_ms: int
) -> int:
    """Raise, update or return the detector's alert; answers up to when (event time) it has been told."""
    events = iter(judged.events)
    for decision in judged.decisions:
        if decision.change is Change.ENDED:
            alert_return(machine=machine, cause=DETECTOR, at=from_ms(decision.t_ms))
        elif (event := next(events)).carriers:
            alert_raise(event_finding(machine, event, version=model.version, metrics=metrics))
            told_ms = judged.scored_to_ms
    # As it heals, the last to recover would be named alone: the evidence stays that of the worst.
    at_its_worst = judged.active and judged.carriers and (judged.score or 0.0) >= _WORST_SHARE * judged.peak
    if at_its_worst and judged.scored_to_ms - told_ms >= _UPDATE_EVERY_MS:
        alert = Alert.objects.filter(machine=machine, cause=DETECTOR, state__in=OPEN_STATES).first()
        if alert is not None:
            since_ms = judged.since_ms if judged.since_ms is not None else judged.scored_to_ms
            event = Event(since_ms, judged.scored_to_ms, judged.peak, judged.carriers)
            alert_update(alert, event_finding(machine, event, version=model.version, metrics=metrics))
        told_ms = judged.scored_to_ms
    return told_ms


def event_finding(machine: Machine, event: Event, *, version: int, metrics: Mapping[str, Metric]) -> Finding:
    """An event in the words and figures of an alert. metrics: of the machine, by name."""
    parts = [(c, metrics.get(c.metric) or Metric(name=c.metric)) for c in event.carriers]
    since_at = from_ms(event.since_ms)
    units = {name: metric.unit for name, metric in metrics.items()}
    zone = machine_zone(machine)
    words = words_say(lambda: (detector_title(parts), detector_summary(parts, since_at=since_at, zone=zone)))
    return Finding(
        machine=machine,
        cause=DETECTOR,
        severity=_severity(event.peak),
        title=words.title,
        summary=words.summary,
        since_at=since_at,
        found_at=from_ms(event.found_ms),
        evidence={
            "score": round(event.peak, 4),
            "threshold": THRESHOLD,
            "model_version": version,
            "metrics": evidence_metrics(event.carriers, units),
            **words.evidence,
        },
    )


def _severity(peak: float) -> str:
    """How far out it went, in thresholds."""
    if peak >= 4.0:
        return Severity.CRITICAL
    return Severity.HIGH if peak >= 1.8 else Severity.MEDIUM


def checks_found(machine: Machine, judged: Judged, metrics: Mapping[str, Metric]) -> dict[str, Finding]:
    """What the checks find now, by cause: sensors that stand still or stay away."""
    return _stuck(machine, judged, metrics) | _missing(machine, judged, metrics)


def checks_tell(machine: Machine, judged: Judged, found: Mapping[str, Finding], *, before: Sequence[str]) -> list[str]:
    """Raise what is found and was not, return what was and is no more; answers the causes that hold now."""
    for cause, finding in found.items():
        if cause not in before:
            alert_raise(finding)
    for cause in before:
        if cause not in found:
            alert_return(machine=machine, cause=cause, at=from_ms(judged.scored_to_ms))
    return sorted(found)


def _stuck(machine: Machine, judged: Judged, metrics: Mapping[str, Metric]) -> dict[str, Finding]:
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


def _missing(machine: Machine, judged: Judged, metrics: Mapping[str, Metric]) -> dict[str, Finding]:
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
