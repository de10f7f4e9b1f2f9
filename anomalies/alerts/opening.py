"""Raising, updating and returning alerts: each one transaction, with timeline, outbox and news on commit."""

from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Case, IntegerField, When

from anomalies.alerts.finding import Finding
from anomalies.alerts.grouping import group_join
from anomalies.alerts.handling import AlertNotFoundError, alert_acknowledge, alert_get
from anomalies.alerts.lifecycle import Happening, State, is_active, is_hidden
from anomalies.alerts.suppressing import suppression_of
from anomalies.alerts.timeline import alert_move, alert_publish, event_record
from anomalies.models import Alert, AlertEvent, AlertState, Severity
from anomalies.notify.outbox import Occasion, notifications_write
from common import clock
from telemetry.models import Machine

__all__ = [
    "DETECTOR",
    "SILENCE",
    "AlertNotFoundError",
    "Finding",
    "alert_acknowledge",
    "alert_get",
    "alert_raise",
    "alert_return",
    "alert_update",
]

_log = structlog.get_logger(__name__)

_ORDER = {severity: rank for rank, severity in enumerate(Severity.values)}
SILENCE = "silence"
DETECTOR = "detector"
# What comes back this soon (event time) after it cleared is the same trouble, and the same alert.
SAME_WITHIN = timedelta(minutes=10)
# Raised so often within so long (event time), it chatters: from then on it is held as one and only counted.
CHATTERS_AFTER = 3
CHATTERS_WITHIN = timedelta(minutes=10)
# Readings that arrive so long after they were made were late, and so is what they tell.
LATE = timedelta(minutes=5)
_ATTEMPTS = 8


def alert_raise(finding: Finding) -> Alert:
    """Raise an alert, or answer the one of the same machine and cause that stands already.

    Any number of workers may find the same thing at once: a unique constraint lets one of them create it. What returned
    unacknowledged, or cleared less than SAME_WITHIN ago, becomes active again instead of being doubled. An alert that a
    person closed is not raised again for the same stretch of time.
    """
    for attempt in range(_ATTEMPTS):
        try:
            # A savepoint, because a violated constraint would spoil the whole transaction.
            with transaction.atomic():
                return _raise(finding)
        except IntegrityError:
            # Another worker was faster; its alert is found next time.
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def alert_update(alert: Alert, finding: Finding) -> None:
    """Bring a lasting alert's evidence up to date; its severity may grow, never shrink. One that is over stays."""
    with transaction.atomic():
        current = Alert.objects.select_for_update(of=("self",)).select_related("machine").filter(pk=alert.pk).first()
        if current is None or current.returned_at is not None or current.state == AlertState.NORMAL:
            return
        grew = _ORDER[finding.severity] > _ORDER[current.severity]
        if grew:
            current.severity = str(finding.severity)
        _describe(current, finding)
        current.save(update_fields=["severity", "title", "summary", "evidence"])
        if grew:
            event = event_record(current, "updated", comment=str(current.get_severity_display()))
            if current.state == AlertState.ACTIVE_UNACKNOWLEDGED:
                # It now concerns those who are told of the severer alone; who has it in hand sees it anyway.
                notifications_write(current, occasion=Occasion.RAISED, event=event)
        alert_publish(current, "updated")


def alert_return(*, machine: Machine, cause: str, at: datetime) -> Alert | None:
    """What an alert told of is over; None when there was none active. One acknowledged before is cleared now.

    One that chatters is held as it is until it has been quiet for a while (`anomalies.alerts.tending`).
    """
    with transaction.atomic():
        alert = _last_locked(machine, cause)
        if alert is None or alert.state == AlertState.NORMAL or alert.returned_at is not None:
            return None
        at = max(at, alert.since_at)
        if alert.chattering:
            alert.returned_at = at
            alert.save(update_fields=["returned_at"])
            return alert
        return alert if alert_returned(alert, at=at) else None


def alert_returned(alert: Alert, *, at: datetime) -> bool:
    """Carry a locked alert over to “it is over”, with timeline and news; False where it changes nothing."""
    before = alert.state
    state = alert_move(alert, Happening.RETURN, wrong=True)
    if state is None:
        return False
    alert.returned_at = at
    alert.save(update_fields=["state", "returned_at"])
    event = event_record(alert, "returned", before=before, event_at=at)
    if not is_hidden(before):
        notifications_write(alert, occasion=Occasion.RETURNED, event=event)
    _tell(alert, "returned")
    if state is State.NORMAL:
        event_record(alert, "cleared")
        alert_publish(alert, "cleared")
    return True


def _raise(finding: Finding) -> Alert:
    last = _last_locked(finding.machine, finding.cause)
    if last is None or not _goes_on(last, finding):
        return _announce(_create(finding), finding, before=State.NORMAL)
    if last.state == AlertState.NORMAL and last.closed_at is not None and last.since_at == finding.since_at:
        return last
    if last.chattering:
        _count(last)
        return last
    before = last.state
    if alert_move(last, Happening.RAISE) is None:
        return last
    _reopen(last, finding)
    return _announce(last, finding, before=before)


def _goes_on(last: Alert, finding: Finding) -> bool:
    """Whether a finding continues what the last alert of its machine and cause told of."""
    if last.state != AlertState.NORMAL:
        return True
    if last.closed_at is not None:
        return last.since_at == finding.since_at
    if last.returned_at is None or finding.since_at - last.returned_at >= SAME_WITHIN:
        return False
    # What late readings tell of hours before it is something else.
    return last.since_at - (finding.found_at or finding.since_at) < SAME_WITHIN


def _announce(alert: Alert, finding: Finding, *, before: str) -> Alert:
    """Write down and tell what has just been raised, unless it is hidden by design."""
    event = event_record(alert, "raised", before=before, event_at=finding.since_at)
    _notice_chattering(alert)
    if is_active(alert.state):
        _suppress_if_expected(alert, at=finding.found_at or clock.now())
    if is_active(alert.state):
        group_join(alert)
        notifications_write(alert, occasion=Occasion.RAISED, event=event)
    _tell(alert, "raised")
    return alert


def _suppress_if_expected(alert: Alert, *, at: datetime) -> None:
    reason = suppression_of(alert.machine, at=at)
    before = alert.state
    if reason is None or alert_move(alert, reason.happening) is None:
        return
    alert.hidden_reason, alert.maintenance = reason.reason[:300], reason.window
    alert.save(update_fields=["state", "hidden_reason", "maintenance"])
    event_record(alert, alert.state, before=before, comment=reason.reason)


def _notice_chattering(alert: Alert) -> None:
    if alert.occurrences < CHATTERS_AFTER:
        return
    # By the readings' own time: what a gateway delivers at once may have happened over hours.
    since = alert.since_at - CHATTERS_WITHIN
    if AlertEvent.objects.filter(alert=alert, kind="raised", event_at__gte=since).count() >= CHATTERS_AFTER:
        alert.chattering = True
        alert.save(update_fields=["chattering"])
        event_record(alert, "chattering")


def _count(alert: Alert) -> None:
    """A chattering alert is wrong once more."""
    if alert.returned_at is not None:
        alert.returned_at, alert.occurrences = None, alert.occurrences + 1
        alert.save(update_fields=["returned_at", "occurrences"])
        alert_publish(alert, "updated")


def _create(finding: Finding) -> Alert:
    alert = Alert(machine=finding.machine, cause=finding.cause, rule=finding.rule, severity=str(finding.severity))
    alert.since_at = finding.since_at
    alert.retroactive = _is_late(finding)
    _describe(alert, finding)
    alert.save()
    return alert


def _reopen(alert: Alert, finding: Finding) -> None:
    alert.since_at, alert.returned_at, alert.occurrences = finding.since_at, None, alert.occurrences + 1
    alert.retroactive = _is_late(finding)
    # It wants to be seen again; who saw it before stands in the timeline.
    alert.acknowledged_at, alert.acknowledged_by = None, None
    # The storm it came in is none of this time's.
    alert.group = None
    if _ORDER[finding.severity] > _ORDER[alert.severity]:
        alert.severity = str(finding.severity)
    _describe(alert, finding)
    alert.save()


def _describe(alert: Alert, finding: Finding) -> None:
    alert.title, alert.summary, alert.evidence = finding.title[:200], finding.summary[:400], finding.evidence


def _is_late(finding: Finding) -> bool:
    return finding.found_at is not None and clock.now() - finding.found_at > LATE


def _last_locked(machine: Machine, cause: str) -> Alert | None:
    """The alert of a machine and cause that is open, or tells of the latest time, for this worker alone until the
    transaction ends."""
    found = Alert.objects.select_for_update(of=("self",)).select_related("machine", "acknowledged_by")
    closed = Case(When(state=AlertState.NORMAL, then=1), default=0, output_field=IntegerField())
    # Not the one raised last: late readings raise alerts of times long before.
    return found.filter(machine=machine, cause=cause).order_by(closed, "-since_at", "-pk").first()


def _tell(alert: Alert, kind: str) -> None:
    alert_publish(alert, kind)
    _log.info(f"alert_{kind}", machine=alert.machine.key, alert=alert.pk, cause=alert.cause, severity=alert.severity)
