"""Raising, updating and returning alerts: each one transaction, with timeline, outbox and news on commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, connection, transaction

from accounts.audit import audit_record
from accounts.models import User
from anomalies.alerts.lifecycle import Happening, State, is_active, transition
from anomalies.alerts.presenting import alert_as_dict
from anomalies.models import Alert, AlertEvent, AlertState, Evidence, Rule, Severity
from anomalies.notify.outbox import Occasion, notifications_write
from common import clock
from common.errors import NotFoundError
from telemetry.live.hub import live_publish
from telemetry.models import Machine
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

_ORDER = {severity: rank for rank, severity in enumerate(Severity.values)}
SILENCE = "silence"
DETECTOR = "detector"


class AlertNotFoundError(NotFoundError):
    """No alert of that number in this factory."""

    code = "alert_not_found"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule, a detector or a check found wrong with a machine.

    cause: “detector”, “rule:<id>”, “silence”, “stuck:<metric>” or “missing:<metric>”; one open alert each.
    since_at: event time of the first sign. evidence: see `anomalies.models.Alert`.
    """

    machine: Machine
    cause: str
    severity: str
    title: str
    summary: str
    since_at: datetime
    evidence: Evidence = field(default_factory=dict)
    rule: Rule | None = None


def alert_get(alert_id: int) -> Alert:
    """The alert of that number in the current factory. Raises AlertNotFoundError."""
    alert = Alert.objects.select_related("machine", "acknowledged_by").filter(pk=alert_id).first()
    if alert is None:
        raise AlertNotFoundError(f"There is no alert {alert_id}.")
    return alert


def alert_raise(finding: Finding) -> Alert:
    """Raise an alert, or answer the open one of the same machine and cause.

    Any number of workers may find the same thing at once: a unique constraint lets one of them create it. An alert that
    had returned and was not acknowledged becomes active again instead of being doubled.
    """
    with transaction.atomic():
        created = _create(finding)
        if created is not None:
            _tell(created, "raised", occasion=Occasion.RAISED, event_at=finding.since_at)
            return created
        alert = _open_locked(finding)
        if alert is None:
            # It was closed between the two statements.
            return alert_raise(finding)
        if transition(alert.state, Happening.RAISE) is not None:
            _reopen(alert, finding)
        return alert


def alert_update(alert: Alert, finding: Finding) -> None:
    """Bring an active alert's evidence up to date; its severity may grow, never shrink. A closed one is left alone."""
    with transaction.atomic():
        current = _locked(alert.pk)
        if current is None or not is_active(current.state):
            return
        grew = _ORDER[finding.severity] > _ORDER[current.severity]
        if grew:
            current.severity = str(finding.severity)
        current.title, current.summary, current.evidence = finding.title, finding.summary, finding.evidence
        current.save(update_fields=["severity", "title", "summary", "evidence"])
        if grew:
            _record(current, "updated", comment=str(current.get_severity_display()))
        _publish(current, "updated")


def alert_return(*, machine: Machine, cause: str, at: datetime) -> Alert | None:
    """What an alert told of is over; None when there was none active. One acknowledged before is cleared now."""
    with transaction.atomic():
        alert = (
            Alert.objects.select_for_update(of=("self",))
            .select_related("machine")
            .filter(machine=machine, cause=cause)
            .exclude(state=AlertState.NORMAL)
            .first()
        )
        state = transition(alert.state, Happening.RETURN) if alert else None
        if alert is None or state is None:
            return None
        alert.state, alert.returned_at = state.value, max(at, alert.since_at)
        alert.save(update_fields=["state", "returned_at"])
        _tell(alert, "returned", occasion=Occasion.RETURNED, event_at=alert.returned_at)
        if state is State.NORMAL:
            _record(alert, "cleared")
            _publish(alert, "cleared")
        return alert


def alert_acknowledge(*, alert: Alert, user: Any, comment: str = "") -> Alert:
    """A person, or a program with a key, says: seen. Writes the timeline and the audit trail.

    The first acknowledgement stands: a second one changes nothing and answers the alert as it is.
    """
    with transaction.atomic():
        current = _locked(alert.pk)
        if current is None:
            raise AlertNotFoundError(f"There is no alert {alert.pk}.")
        state = transition(current.state, Happening.ACKNOWLEDGE)
        if state is None:
            return current
        current.state, current.acknowledged_at = state.value, clock.now()
        current.acknowledged_by = user if isinstance(user, User) else None
        current.save(update_fields=["state", "acknowledged_at", "acknowledged_by"])
        audit_record(actor=user, action="alert.acknowledge", target=f"alert {current.pk}", machine=current.machine.key)
        _record(current, "acknowledged", actor=_name_of(user), comment=comment)
        _publish(current, "acknowledged")
        if state is State.NORMAL:
            _record(current, "cleared")
            _publish(current, "cleared")
        return current


def _create(finding: Finding) -> Alert | None:
    try:
        # A savepoint, because a violated constraint would spoil the whole transaction.
        with transaction.atomic():
            return Alert.objects.create(
                machine=finding.machine,
                cause=finding.cause,
                rule=finding.rule,
                severity=str(finding.severity),
                title=finding.title[:200],
                summary=finding.summary[:400],
                evidence=finding.evidence,
                since_at=finding.since_at,
            )
    except IntegrityError:
        return None


def _open_locked(finding: Finding) -> Alert | None:
    return (
        Alert.objects.select_for_update(of=("self",))
        .select_related("machine")
        .filter(machine=finding.machine, cause=finding.cause)
        .exclude(state=AlertState.NORMAL)
        .first()
    )


def _locked(alert_id: int) -> Alert | None:
    return (
        Alert.objects.select_for_update(of=("self",))
        .select_related("machine", "acknowledged_by")
        .filter(pk=alert_id)
        .first()
    )


def _reopen(alert: Alert, finding: Finding) -> None:
    alert.state, alert.since_at, alert.returned_at = AlertState.ACTIVE_UNACKNOWLEDGED, finding.since_at, None
    alert.title, alert.summary, alert.evidence = finding.title[:200], finding.summary[:400], finding.evidence
    if _ORDER[finding.severity] > _ORDER[alert.severity]:
        alert.severity = str(finding.severity)
    alert.save(update_fields=["state", "since_at", "returned_at", "title", "summary", "evidence", "severity"])
    _tell(alert, "raised", occasion=Occasion.RAISED, event_at=finding.since_at)


def _tell(alert: Alert, kind: str, *, occasion: Occasion, event_at: datetime) -> None:
    event = _record(alert, kind, event_at=event_at)
    notifications_write(alert, occasion=occasion, event=event)
    _publish(alert, kind)
    _log.info(f"alert_{kind}", machine=alert.machine.key, alert=alert.pk, cause=alert.cause, severity=alert.severity)


def _record(
    alert: Alert, kind: str, *, actor: str = "", comment: str = "", event_at: datetime | None = None
) -> AlertEvent:
    return AlertEvent.objects.create(alert=alert, kind=kind, event_at=event_at, actor=actor[:254], comment=comment)


def _publish(alert: Alert, event: str) -> None:
    """News to open browsers, once the transaction is through; its content is that of this very moment."""
    factory = factory_current()
    if factory is None:
        return
    message: Mapping[str, Any] = {"type": "alert", "event": event, "alert": alert_as_dict(alert)}
    transaction.on_commit(lambda: live_publish(factory.slug, message), using=connection.alias)


def _name_of(user: Any) -> str:
    return str(getattr(user, "email", "") or getattr(user, "name", "") or user)
