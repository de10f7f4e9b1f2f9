"""What people do with alerts: acknowledge, shelve, unshelve, comment, close. Each writes timeline and audit trail."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import User
from anomalies.alerts.lifecycle import Happening, State
from anomalies.alerts.timeline import actor_name, alert_move, alert_publish, event_record
from anomalies.models import Alert, AlertState, Verdict
from common import clock
from common.errors import ConflictError, InvalidInputError, NotFoundError

# Shelving is for a while (ISA-18.2-2016, 11.7 asks for a limit); what should be quiet for longer needs another rule.
LONGEST_SHELF = timedelta(days=7)
COMMENT_LENGTH = 2_000
REASON_LENGTH = 300


class AlertNotFoundError(NotFoundError):
    """No alert of that number in this factory."""

    code = "alert_not_found"


class AlertStateError(ConflictError):
    """Where the alert stands now, this can't be done."""

    code = "alert_state"


class ShelfInvalidError(InvalidInputError):
    """A shelf without a reason, without an end, or for too long."""

    code = "shelf_invalid"


class CommentMissingError(InvalidInputError):
    """A comment without words."""

    code = "comment_missing"


class VerdictInvalidError(InvalidInputError):
    """Closing asks for a verdict: true, false or expected."""

    code = "verdict_invalid"


def alert_get(alert_id: int) -> Alert:
    """The alert of that number in the current factory. Raises AlertNotFoundError."""
    alert = (
        Alert.objects.select_related("machine__line__site", "acknowledged_by", "closed_by").filter(pk=alert_id).first()
    )
    if alert is None:
        raise AlertNotFoundError(_("There is no alert %(number)s.") % {"number": alert_id})
    return alert


def alert_acknowledge(*, alert: Alert, user: Any, comment: str = "") -> Alert:
    """A person, or a program with a key, says: seen.

    The first acknowledgement stands: a second one changes nothing and answers the alert as it is.
    """
    with transaction.atomic():
        current = _locked(alert.pk)
        before, state = current.state, alert_move(current, Happening.ACKNOWLEDGE)
        if state is None:
            return current
        current.acknowledged_at, current.acknowledged_by = clock.now(), _person(user)
        current.save(update_fields=["state", "acknowledged_at", "acknowledged_by"])
        _write_down(current, "acknowledged", user=user, before=before, comment=comment)
        if state is State.NORMAL:
            event_record(current, "cleared")
            alert_publish(current, "cleared")
        return current


def alert_shelve(*, alert: Alert, user: Any, reason: str, until_at: datetime) -> Alert:
    """Put an alert aside until an instant; it comes back by itself. Shelving it again changes reason and end.

    Raises ShelfInvalidError, and AlertStateError for one that is cleared, suppressed or out of service.
    """
    reason = reason.strip()
    _check_shelf(reason, until_at)
    with transaction.atomic():
        current = _locked(alert.pk)
        before = current.state
        if alert_move(current, Happening.SHELVE) is None:
            raise _refusal(current)
        current.shelved_until_at, current.hidden_reason = until_at, reason
        current.save(update_fields=["state", "shelved_until_at", "hidden_reason"])
        _write_down(current, "shelved", user=user, before=before, comment=reason, until=until_at.isoformat())
        return current


def alert_unshelve(*, alert: Alert, user: Any, comment: str = "") -> Alert:
    """Take an alert back before its shelf ends. What is still wrong is active and unacknowledged again.

    Raises AlertStateError where it is not shelved.
    """
    with transaction.atomic():
        current = _locked(alert.pk)
        before = current.state
        if alert_move(current, Happening.UNSHELVE) is None:
            raise _refusal(current)
        hidden_forget(current)
        current.save(update_fields=HIDDEN_FIELDS)
        _write_down(current, "unshelved", user=user, before=before, comment=comment)
        return current


def alert_comment(*, alert: Alert, user: Any, comment: str) -> Alert:
    """Add words to the timeline, whatever the state. Raises CommentMissingError."""
    comment = comment.strip()
    if not comment:
        raise CommentMissingError(_("Say something: the comment is empty."))
    with transaction.atomic():
        current = _locked(alert.pk)
        _write_down(current, "commented", user=user, before="", comment=comment)
        return current


def alert_close(*, alert: Alert, user: Any, verdict: str, comment: str = "") -> Alert:
    """End an alert and say what it was. One that has cleared gets its verdict, or another one, this way too.

    What is still wrong is not raised again until it has been right in between. Raises VerdictInvalidError.
    """
    if verdict not in Verdict.values:
        detail = _("Say what it was: %(words)s.") % {"words": ", ".join(Verdict.values)}
        raise VerdictInvalidError(detail, errors=[{"field": "verdict", "code": "verdict_invalid", "detail": detail}])
    with transaction.atomic():
        current = _locked(alert.pk)
        before, now = current.state, clock.now()
        if before == AlertState.NORMAL and current.verdict == verdict and not comment:
            return current
        ends_at = now if current.returned_at is None else None
        alert_move(current, Happening.CLOSE)
        hidden_forget(current)
        current.verdict, current.closed_at, current.closed_by = verdict, now, _person(user)
        current.returned_at = current.returned_at or max(now, current.since_at)
        if current.acknowledged_at is None:
            current.acknowledged_at, current.acknowledged_by = now, _person(user)
        current.chattering = False
        current.save()
        kind = "judged" if before == AlertState.NORMAL else "closed"
        _write_down(current, kind, user=user, before=before, comment=comment, verdict=verdict, event_at=ends_at)
        return current


HIDDEN_FIELDS = ["state", "shelved_until_at", "hidden_reason", "maintenance", "acknowledged_at", "acknowledged_by"]


def hidden_forget(alert: Alert) -> None:
    """An alert that comes back into view: nothing of why it was away, and active again it wants to be seen again."""
    alert.shelved_until_at, alert.hidden_reason, alert.maintenance = None, "", None
    if alert.state == AlertState.ACTIVE_UNACKNOWLEDGED:
        alert.acknowledged_at, alert.acknowledged_by = None, None


def alerts_handle(alert_ids: list[int], deed: Callable[[Alert], Alert]) -> tuple[list[Alert], list[int]]:
    """Do the same to several alerts, each in its own transaction: those it was done to, and the ids it could not be.

    An alert that has moved on meanwhile does not keep the others from it. Other errors are raised.
    """
    done, refused = [], []
    for alert_id in alert_ids:
        try:
            done.append(deed(alert_get(alert_id)))
        except (AlertNotFoundError, AlertStateError):
            refused.append(alert_id)
    return done, refused


def _check_shelf(reason: str, until_at: datetime) -> None:
    now = clock.now()
    fault = ""
    if not reason:
        fault = _("Say why it is shelved.")
    elif len(reason) > REASON_LENGTH:
        fault = _("The reason is too long; %(most)s characters at most.") % {"most": REASON_LENGTH}
    elif until_at <= now:
        fault = _("The shelf must end in the future.")
    elif until_at - now > LONGEST_SHELF + timedelta(minutes=1):
        fault = _("An alert can be shelved for %(days)s days at most.") % {"days": LONGEST_SHELF.days}
    if fault:
        raise ShelfInvalidError(fault)


def _locked(alert_id: int) -> Alert:
    found = Alert.objects.select_for_update(of=("self",)).select_related(
        "machine__line__site", "acknowledged_by", "closed_by"
    )
    alert = found.filter(pk=alert_id).first()
    if alert is None:
        raise AlertNotFoundError(_("There is no alert %(number)s.") % {"number": alert_id})
    return alert


def _write_down(alert: Alert, kind: str, *, user: Any, before: str, comment: str = "", **details: Any) -> None:
    entry = {name: details.pop(name) for name in ("verdict", "event_at") if name in details}
    event_record(alert, kind, before=before, actor=actor_name(user), comment=comment[:COMMENT_LENGTH], **entry)
    verdict = {"verdict": entry["verdict"]} if "verdict" in entry else {}
    word = _AUDIT_WORDS[kind]
    audit_record(
        actor=user, action=f"alert.{word}", target=f"alert {alert.pk}", machine=alert.machine.key, **verdict, **details
    )
    alert_publish(alert, kind)


_AUDIT_WORDS = {
    "acknowledged": "acknowledge",
    "shelved": "shelve",
    "unshelved": "unshelve",
    "commented": "comment",
    "closed": "close",
    "judged": "close",
}


def _refusal(alert: Alert) -> AlertStateError:
    return AlertStateError(
        _("This can't be done with an alert that is “%(state)s”.") % {"state": alert.get_state_display()}
    )


def _person(user: Any) -> User | None:
    return user if isinstance(user, User) else None
