"""“This is normal now”: an alert of the detector ends because the machine has a new level that is meant to be."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from anomalies.alerts.handling import AlertStateError, alert_close, alert_get
from anomalies.alerts.opening import DETECTOR
from anomalies.alerts.timeline import actor_name, alert_publish, event_record
from anomalies.detection.levels import level_accept
from anomalies.models import Alert, AlertState, Verdict


def level_acceptable(alert: Alert) -> bool:
    """Whether the alert is the detector's and what it tells of is so still: then its level may be the new normal."""
    return alert.cause == DETECTOR and alert.returned_at is None and alert.state != AlertState.NORMAL


def alert_accept(*, alert: Alert, user: Any, comment: str = "") -> Alert:
    """Close the alert as expected and take what the machine does now for normal, from the present data on.

    Raises AlertStateError for an alert that is over or not the detector's, LevelUnknownError, StoreUnavailableError.
    """
    with transaction.atomic():
        # The worker takes the machine's stream first and its alert after it; so does this.
        level_from_ms = level_accept(alert.machine)
        current = alert_get(alert.pk)
        if not level_acceptable(current):
            raise AlertStateError(_("Only what the detector still finds wrong can become the new normal."))
        closed = alert_close(alert=current, user=user, verdict=Verdict.EXPECTED, comment=comment)
        event_record(closed, "accepted", actor=actor_name(user))
        audit_record(
            actor=user,
            action="detector.accept_level",
            target=f"alert {closed.pk}",
            machine=closed.machine.key,
            level_from_ms=level_from_ms,
        )
        alert_publish(closed, "closed")
        return closed
