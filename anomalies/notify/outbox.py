"""The outbox: messages are written with the news, and sent afterwards, each once.

A worker takes one row at a time, locked, so that any number of them share the work. Killed between the server's “250”
and the commit, the next one sends it again under the same Message-ID (a webhook: the same delivery id), and whoever
receives it knows it for the same.
"""

import random
from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import transaction

from anomalies.models import Notice, Notification, NotificationState, Occasion
from anomalies.notify.breaker import keys_paused, target_answered, target_failed, target_resume
from anomalies.notify.channels import CHANNELS
from anomalies.notify.delivery import DeliveryError
from anomalies.notify.notices import drain_begins, drain_soon, notice_write
from anomalies.notify.routing import notices_route
from common import clock
from common.errors import ConflictError

_log = structlog.get_logger(__name__)

# About four hours from the first attempt to the last.
MAX_ATTEMPTS = 12
_FIRST_WAIT_S = 15.0
_LONGEST_WAIT_S = 3_600.0
_JITTER = 0.2
# What is held back for longer than this is found by the next sweep.
_SOON_S = 20.0
_TURN_S = 20.0
# Kept for the log; notices, which only the routing reads, for a week.
_KEPT, _NOTICES_KEPT = timedelta(days=90), timedelta(days=7)

# What the life of an alert calls.
notifications_write = notice_write
__all__ = ["MAX_ATTEMPTS", "NotificationNotDeadError", "Occasion", "drain", "notification_retry", "notifications_write"]


class NotificationNotDeadError(ConflictError):
    """The message waits or was sent; there is nothing to try again."""

    code = "notification_not_given_up"


def drain(*, at_most: int = 500) -> int:
    """Send what is due in the current factory; the number of messages sent. Returns when nothing is due any more."""
    drain_begins()
    again_s = notices_route()
    sent = _send_due(at_most)
    if again_s is not None and again_s < _SOON_S:
        drain_soon(again_s)
    return sent


def notification_retry(row: Notification) -> None:
    """A person wants a given-up message tried again, now. Raises NotificationNotDeadError."""
    with transaction.atomic():
        changed = Notification.objects.filter(pk=row.pk, state=NotificationState.DEAD).update(
            state=NotificationState.PENDING, attempts=0, next_attempt_at=clock.now()
        )
        if not changed:
            raise NotificationNotDeadError("This message was not given up.")
        target_resume(row.target_key)
        transaction.on_commit(drain_soon)


def outbox_trim() -> int:
    """Forget what was told long ago; the number of messages forgotten."""
    now = clock.now()
    Notice.objects.filter(routed_at__lt=now - _NOTICES_KEPT).delete()
    done = (NotificationState.SENT, NotificationState.DEAD)
    return Notification.objects.filter(state__in=done, created_at__lt=now - _KEPT).delete()[0]


def _send_due(at_most: int) -> int:
    sent, begun = 0, clock.monotonic_s()
    for _ in range(at_most):
        outcome = _send_next(keys_paused())
        if outcome is None:
            return sent
        sent += int(outcome)
        if clock.monotonic_s() - begun > _TURN_S:
            break
    # A slow server must not keep a worker from evaluating: the rest is another turn's.
    drain_soon()
    return sent


def _send_next(paused: Sequence[str]) -> bool | None:
    """Take one due message, try it, and keep the outcome; None when there is none."""
    with transaction.atomic():
        row = (
            Notification.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("alert__machine__line__site", "target", "user")
            .filter(state=NotificationState.PENDING, next_attempt_at__lte=clock.now())
            .exclude(target_key__in=paused)
            .order_by("next_attempt_at", "pk")
            .first()
        )
        if row is None:
            return None
        row.attempts += 1
        try:
            CHANNELS[row.channel].send(row)
        except DeliveryError as error:
            _failed(row, error)
        else:
            row.state, row.sent_at, row.last_error = NotificationState.SENT, clock.now(), ""
            target_answered(row.target_key)
        if row.occasion == Occasion.CODE and row.state != NotificationState.PENDING:
            row.body_text = ""  # nobody but the phone's owner is to read it
        row.save(update_fields=["state", "attempts", "next_attempt_at", "sent_at", "last_error", "body_text"])
        return row.state == NotificationState.SENT


def _failed(row: Notification, error: DeliveryError) -> None:
    row.last_error = str(error)[:300]
    if error.blames_target:
        target_failed(row.target_key, row.last_error)
    if error.final or row.attempts >= MAX_ATTEMPTS:
        row.state = NotificationState.DEAD
        _log.error("notification_given_up", notification=row.pk, attempts=row.attempts, error=row.last_error)
        return
    row.next_attempt_at = clock.now() + timedelta(seconds=_wait_s(row.attempts, error.retry_after_s))
    _log.warning("notification_delayed", notification=row.pk, attempts=row.attempts, error=row.last_error)


def _wait_s(attempts: int, asked_s: float | None) -> float:
    """Twice as long each time, spread a little, and no shorter than the place asked for."""
    wait_s = float(min(_FIRST_WAIT_S * 2.0 ** (attempts - 1), _LONGEST_WAIT_S))
    spread_s = wait_s * (1 + _JITTER * random.random())  # noqa: S311  # no secret
    return max(spread_s, min(asked_s or 0.0, _LONGEST_WAIT_S))
