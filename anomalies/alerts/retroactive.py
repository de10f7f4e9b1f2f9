"""What late readings tell of the past: more of an alert that is known, or an alert of its own.

A gateway that was away delivers the newest readings first, or what it measured hours ago. What that tells may lie
before, within or between alerts of the same cause, which people may have closed. None of these is raised again for it.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from anomalies.alerts.finding import Finding
from anomalies.alerts.opening import SAME_WITHIN, alert_raise, alert_return
from anomalies.alerts.timeline import alert_publish, event_record
from anomalies.models import Alert, AlertEvent, AlertState
from telemetry.models import Machine


def late_raise(finding: Finding, *, over_at: datetime | None) -> None:
    """Late readings tell of a stretch in which something was wrong.

    over_at: when that was over, by the readings' own time; None while it lasts. What lies behind a known alert of the
    cause and reaches to it, or leaves SAME_WITHIN at most, belongs to it: its begin moves, or the stretch is added to
    its timeline. Nobody is told, and its verdict stands. So it is with any other stretch while an alert of the cause
    is open. All the rest is raised, and returned; well after it was measured it is marked retroactive.
    """
    with transaction.atomic():
        behind = [alert for alert in _alerts_since(finding) if _is_behind(finding, alert)]
        if behind and _taken_in(behind, finding.since_at, over_at):
            return
        alert_raise(finding)
        if over_at is not None:
            alert_return(machine=finding.machine, cause=finding.cause, at=over_at)


def late_return(*, machine: Machine, cause: str, at: datetime, stands: bool) -> None:
    """Late readings tell when something was over: what was over by then lasted longer.

    stands: whether it is wrong again by now; if not, what is wrong still returns. An alert in hand that was right for a
    while, as it turns out, stays in hand.
    """
    with transaction.atomic():
        if not stands and alert_return(machine=machine, cause=cause, at=at) is not None:
            return
        over = Alert.objects.select_for_update(of=("self",)).select_related("machine", "acknowledged_by")
        alert = over.filter(machine=machine, cause=cause, since_at__lte=at).order_by("-since_at", "-pk").first()
        if alert is not None:
            _stretch(alert, alert.since_at, at)


def _alerts_since(finding: Finding) -> list[Alert]:
    """The alerts of its machine and cause that lasted until it began or later, locked, in order of time.

    began_at: when the first of an alert's stretches began, if the timeline says so.
    """
    begins = AlertEvent.objects.filter(alert=OuterRef("pk"), kind__in=("raised", "began_earlier", "wrong_before"))
    rows = Alert.objects.select_for_update(of=("self",)).select_related("machine", "acknowledged_by")
    rows = rows.filter(machine=finding.machine, cause=finding.cause)
    rows = rows.filter(Q(returned_at=None) | Q(returned_at__gte=finding.since_at - SAME_WITHIN))
    began_at = Subquery(begins.order_by("event_at").values("event_at")[:1])
    return list(rows.annotate(began_at=began_at).order_by("since_at", "pk"))


def _is_behind(finding: Finding, alert: Alert) -> bool:
    """Whether what the alert tells of goes beyond the finding: then that is no news."""
    found_at = finding.found_at or finding.since_at
    if alert.returned_at is None:
        return finding.since_at < alert.since_at
    if _closed_while_wrong(alert):
        # When it was over is not known, only when somebody put an end to it.
        return finding.since_at < alert.since_at and found_at <= alert.returned_at
    return found_at <= alert.returned_at


def _closed_while_wrong(alert: Alert) -> bool:
    return alert.closed_at is not None and alert.returned_at is not None and alert.returned_at >= alert.closed_at


def _taken_in(behind: list[Alert], since_at: datetime, over_at: datetime | None) -> bool:
    """Write the stretch down with the alert it belongs to; False where it is to be raised, or returned, besides."""
    touched = [alert for alert in behind if _touches(alert, since_at, over_at)]
    wrong = [alert for alert in touched if alert.returned_at is None]
    alert = next(iter(wrong or touched[-1:]), None)
    if alert is None:
        alert = next((each for each in behind if each.state != AlertState.NORMAL), None)
        if alert is None or over_at is None:
            return False
        _add(alert, since_at, over_at)
        return True
    if over_at is None:
        # It is wrong now. Where it had returned, it has come back.
        lasts = alert.returned_at is None or _closed_while_wrong(alert)
        if lasts:
            _stretch(alert, since_at, None)
        return lasts
    if over_at < alert.since_at:
        _add(alert, since_at, over_at)
        return True
    _stretch(alert, since_at, over_at)
    return alert.returned_at is not None


def _touches(alert: Alert, since_at: datetime, over_at: datetime | None) -> bool:
    began_at = min(alert.since_at, getattr(alert, "began_at", None) or alert.since_at)
    before_its_end = alert.returned_at is None or since_at - alert.returned_at <= SAME_WITHIN
    return before_its_end and (over_at is None or began_at - over_at <= SAME_WITHIN)


def _stretch(alert: Alert, since_at: datetime, over_at: datetime | None) -> None:
    """Move the begin or the end of an alert outward; an end that somebody set, or that is yet to come, stays."""
    earlier = since_at < alert.since_at
    returned_at = None if _closed_while_wrong(alert) else alert.returned_at
    longer = over_at is not None and returned_at is not None and over_at > returned_at
    if earlier:
        alert.since_at = since_at
        event_record(alert, "began_earlier", event_at=since_at)
    if longer:
        alert.returned_at = over_at
        event_record(alert, "ended_later", event_at=over_at)
    if earlier or longer:
        alert.save(update_fields=["since_at", "returned_at"])
        alert_publish(alert, "updated")


def _add(alert: Alert, since_at: datetime, over_at: datetime) -> None:
    """An earlier stretch of the same trouble."""
    alert.occurrences += 1
    alert.save(update_fields=["occurrences"])
    event_record(alert, "wrong_before", event_at=since_at)
    event_record(alert, "right_before", event_at=over_at)
    alert_publish(alert, "updated")
