"""Later steps of routes: who is told when nobody has acknowledged an alert in time."""

from django.db import transaction
from django.utils.translation import gettext as _

from anomalies.models import AlertEvent, AlertState, Escalation, EscalationState
from anomalies.notify.notices import escalation_write
from anomalies.notify.scheduling import unmanned_text
from common import clock

_AT_ONCE = 1_000


def escalations_advance() -> int:
    """Tell the people of every step whose time has come, unless somebody acknowledged or it is over; how many alerts.

    Any number of workers may do this at once: each step is taken by one, in the transaction that tells.
    """
    with transaction.atomic():
        due = list(
            Escalation.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("alert__machine", "alert__acknowledged_by", "step__route")
            .filter(state=EscalationState.WAITING, due_at__lte=clock.now())
            .order_by("due_at")[:_AT_ONCE]
        )
        waiting = [escalation for escalation in due if escalation.alert.state == AlertState.ACTIVE_UNACKNOWLEDGED]
        for escalation in waiting:
            _tell(escalation)
        told = [escalation.pk for escalation in waiting]
        Escalation.objects.filter(pk__in=told).update(state=EscalationState.TOLD)
        # Acknowledged, over, shelved or in maintenance. If it is raised anew, its steps begin anew.
        stopped = [escalation.pk for escalation in due if escalation.pk not in set(told)]
        Escalation.objects.filter(pk__in=stopped).update(state=EscalationState.STOPPED)
    return len(waiting)


def _tell(escalation: Escalation) -> None:
    alert, step = escalation.alert, escalation.step
    said = _("Nobody acknowledged it within %(minutes)s min; route “%(route)s” goes on.") % {
        "minutes": step.after_min,
        "route": step.route.name,
    }
    unmanned = unmanned_text(step.schedules.prefetch_related("members__user", "overrides"))
    AlertEvent.objects.create(alert=alert, kind="escalated", comment=f"{said} {unmanned}".strip())
    escalation_write(alert, step=step, key=escalation.key)
