"""The outbox: messages are written in the transaction of the news, and sent afterwards, each once.

A worker takes one row at a time, locked, so that any number of them share the work. Killed between the server's “250”
and the commit, the next one sends it again under the same Message-ID, and mail programs show one.
"""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from smtplib import SMTPException, SMTPRecipientsRefused

import structlog
from django.db import transaction

from accounts.models import Role, User
from anomalies.models import Alert, AlertEvent, Notification, NotificationState
from anomalies.notify import email
from common import clock

_log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 8
_FIRST_WAIT_S = 15.0
_LONGEST_WAIT_S = 3_600.0
# An alert that flaps is one trouble: who has just had a mail about it gets no second one of the same kind.
_QUIET_S = 600.0
_TOLD_ROLES = (Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.OWNER)


class Occasion(StrEnum):
    """What a notification is about."""

    RAISED = "raised"
    RETURNED = "returned"


def recipients() -> list[str]:
    """Addresses of everybody who may act on an alert and has confirmed the address."""
    found = User.objects.filter(
        is_active=True, role__in=_TOLD_ROLES, emailaddress__verified=True, emailaddress__primary=True
    )
    return sorted(set(found.values_list("emailaddress__email", flat=True)))


def notifications_write(alert: Alert, *, occasion: Occasion, event: AlertEvent) -> int:
    """Put one mail for each recipient into the outbox and have it drained on commit; the number written.

    Call it in the transaction of the transition. The key names the transition, so a second writer adds nothing.
    """
    addresses = [address for address in recipients() if not _told_lately(alert, occasion, address)]
    if not addresses:
        return 0
    now = clock.now()
    message = email.compose(alert, occasion=occasion.value)
    written = Notification.objects.bulk_create(
        [
            Notification(
                alert=alert,
                dedupe_key=f"alert:{alert.pk}:{occasion}:{event.pk}:email:{address}",
                channel="email",
                recipient=address,
                subject=message.subject,
                body_text=message.text,
                body_html=message.html,
                next_attempt_at=now,
            )
            for address in addresses
        ],
        ignore_conflicts=True,
    )
    transaction.on_commit(_drain_soon)
    return len(written)


def drain(*, at_most: int = 500) -> int:
    """Send what is due in the current factory; the number of messages sent. Returns when nothing is due any more."""
    sent = 0
    for _ in range(at_most):
        outcome = _send_next()
        if outcome is None:
            break
        sent += int(outcome)
    return sent


def _send_next() -> bool | None:
    """Take one due message, try it, and keep the outcome; None when there is none."""
    with transaction.atomic():
        row = (
            Notification.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=NotificationState.PENDING, next_attempt_at__lte=clock.now())
            .order_by("next_attempt_at", "pk")
            .first()
        )
        if row is None:
            return None
        row.attempts += 1
        try:
            email.send(row)
        except (OSError, SMTPException) as error:
            _failed(row, error)
        else:
            row.state, row.sent_at, row.last_error = NotificationState.SENT, clock.now(), ""
        row.save(update_fields=["state", "attempts", "next_attempt_at", "sent_at", "last_error"])
        return row.state == NotificationState.SENT


def _failed(row: Notification, error: Exception) -> None:
    row.last_error = f"{type(error).__name__}: {error}"[:300]
    if row.attempts >= MAX_ATTEMPTS or _refused_for_good(error):
        row.state = NotificationState.DEAD
        _log.error("notification_given_up", notification=row.pk, attempts=row.attempts, error=row.last_error)
        return
    wait_s = min(_FIRST_WAIT_S * 2 ** (row.attempts - 1), _LONGEST_WAIT_S)
    row.next_attempt_at = clock.now() + timedelta(seconds=wait_s)
    _log.warning("notification_delayed", notification=row.pk, attempts=row.attempts, error=row.last_error)


def _refused_for_good(error: Exception) -> bool:
    if not isinstance(error, SMTPRecipientsRefused):
        return False
    codes: Iterable[int] = (reply[0] for reply in error.recipients.values())
    return all(500 <= code < 600 for code in codes)


def _told_lately(alert: Alert, occasion: Occasion, address: str) -> bool:
    return Notification.objects.filter(
        alert=alert,
        recipient=address,
        dedupe_key__contains=f":{occasion}:",
        created_at__gte=clock.now() - timedelta(seconds=_QUIET_S),
    ).exists()


def _drain_soon() -> None:
    # Imported late: the tasks import this module.
    from anomalies.tasks import drain_outbox_soon

    drain_outbox_soon()
