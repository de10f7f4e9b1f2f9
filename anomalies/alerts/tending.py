"""What happens to alerts by the clock: shelves end, maintenance begins and ends, chattering settles, storms end.

Any number of workers may tend at once: each alert is locked and looked at again before it is touched.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from anomalies.alerts.grouping import groups_end, groups_gather
from anomalies.alerts.handling import HIDDEN_FIELDS, hidden_forget
from anomalies.alerts.lifecycle import Happening, is_active, is_hidden
from anomalies.alerts.opening import alert_returned
from anomalies.alerts.sentences import since_text
from anomalies.alerts.suppressing import Suppression, suppressions_at
from anomalies.alerts.timeline import SYSTEM, alert_move, alert_publish, event_record
from anomalies.models import HIDDEN_STATES, Alert, AlertEvent, AlertState
from anomalies.notify.outbox import Occasion, notifications_write
from common import clock
from telemetry.history.spans import machine_zone
from telemetry.models import Machine

# A chattering alert that has been right for so long has settled.
SETTLED_AFTER = timedelta(minutes=2)
_ACTIVE = (AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.ACTIVE_ACKNOWLEDGED)


def alerts_tend() -> int:
    """Carry every alert of the current factory forward to now; the number of alerts that changed."""
    now = clock.now()
    changed = sum(_each(_shelves_over(now), lambda alert: _shelf_end(alert, now)))
    changed += _suppressions_tend(now)
    changed += sum(_each(_quiet(now), lambda alert: _settle(alert, now)))
    groups_gather()
    groups_end()
    return changed


def _shelves_over(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.filter(state=AlertState.SHELVED, shelved_until_at__lte=now)


def _shelf_end(alert: Alert, now: datetime) -> bool:
    if alert.state != AlertState.SHELVED or alert.shelved_until_at is None or alert.shelved_until_at > now:
        return False
    return _come_back(alert, Happening.UNSHELVE, kind="unshelved", comment=_reminder(alert))


def _reminder(alert: Alert) -> str:
    """Who had shelved it, and why: whoever sees it come back need not search."""
    entry = AlertEvent.objects.filter(alert=alert, kind="shelved").order_by("-pk").first()
    return _("Shelved by %(who)s since %(since)s: %(reason)s") % {
        "who": entry.actor if entry else "–",
        "since": since_text(entry.at, _zone(alert)) if entry else "–",
        "reason": alert.hidden_reason,
    }


def _suppressions_tend(now: datetime) -> int:
    """Hide what is expected from now on, and bring back what no longer is."""
    states = (*_ACTIVE, AlertState.RETURNED_UNACKNOWLEDGED, AlertState.SUPPRESSED, AlertState.OUT_OF_SERVICE)
    rows = Alert.objects.filter(state__in=states).select_related("machine__line__site")
    alerts = list(rows)
    if not alerts:
        return 0
    reasons = suppressions_at({alert.machine_id: alert.machine for alert in alerts}.values(), at=now)
    concerned = [alert.pk for alert in alerts if alert.state in HIDDEN_STATES or alert.machine_id in reasons]
    return sum(_each(Alert.objects.filter(pk__in=concerned), lambda alert: _suppression_tend(alert, reasons)))


def _suppression_tend(alert: Alert, reasons: dict[int, Suppression]) -> bool:
    reason = reasons.get(alert.machine_id)
    if reason is not None and alert_moves(alert, reason):
        return True
    if alert.state == AlertState.SUPPRESSED and reason is None:
        return _come_back(alert, Happening.RELEASE, kind="released", comment=alert.hidden_reason)
    if alert.state == AlertState.OUT_OF_SERVICE and (reason is None or reason.happening is not Happening.REMOVE):
        return _come_back(alert, Happening.RESTORE, kind="restored", comment=alert.hidden_reason)
    return False


def alert_moves(alert: Alert, reason: Suppression) -> bool:
    """Hide an alert that was in view when maintenance began or its machine went out of service; whether it moved."""
    before = alert.state
    if alert_move(alert, reason.happening) is None:
        return False
    alert.hidden_reason, alert.maintenance = reason.reason[:300], reason.window
    alert.save(update_fields=["state", "hidden_reason", "maintenance"])
    event_record(alert, alert.state, before=before, actor=SYSTEM, comment=reason.reason)
    alert_publish(alert, alert.state)
    return True


def _come_back(alert: Alert, happening: Happening, *, kind: str, comment: str) -> bool:
    before = alert.state
    if alert_move(alert, happening) is None:
        return False
    hidden_forget(alert)
    alert.save(update_fields=HIDDEN_FIELDS)
    event = event_record(alert, kind, before=before, actor=SYSTEM, comment=comment)
    if is_active(alert.state):
        # Who was not told while it was hidden is told now.
        notifications_write(alert, occasion=Occasion.RAISED, event=event)
    alert_publish(alert, kind)
    return True


def _quiet(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.filter(chattering=True, returned_at__lt=now - SETTLED_AFTER)


def _settle(alert: Alert, now: datetime) -> bool:
    returned_at = alert.returned_at
    if not alert.chattering or returned_at is None or returned_at >= now - SETTLED_AFTER:
        return False
    alert.chattering = False
    alert.save(update_fields=["chattering"])
    event_record(alert, "settled", actor=SYSTEM, comment=_("%(count)s times") % {"count": alert.occurrences})
    if is_active(alert.state) or is_hidden(alert.state):
        alert_returned(alert, at=returned_at)
    return True


def _each(rows: QuerySet[Alert], tend: Callable[[Alert], bool]) -> Iterable[bool]:
    """Tend each in a transaction of its own; one that somebody has in hand just now is left for the next time."""
    for alert_id in rows.values_list("pk", flat=True):
        with transaction.atomic():
            found = Alert.objects.select_for_update(of=("self",), skip_locked=True)
            alert = found.select_related("machine__line__site", "acknowledged_by").filter(pk=alert_id).first()
            changed = alert is not None and tend(alert)
        yield changed


def _zone(alert: Alert) -> ZoneInfo:
    machine: Machine = alert.machine
    return machine_zone(machine)
