"""News of an alert, put down in the transaction that makes it; who is told is found out afterwards, by a worker.

The transaction that raises an alert stays as short as one row can make it, however many people there are to tell.
"""

import structlog
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from anomalies.alerts.presenting import alert_as_dict
from anomalies.models import Alert, AlertEvent, Notice, Occasion, RouteStep
from common import clock
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

# What happens within a moment is looked at together, so that the first of a storm does not go out alone.
_MOMENT_S = 0.2
_MARKER, _MARKER_EXPIRES_S = "outbox.waiting", 5


def notice_write(alert: Alert, *, occasion: str, event: AlertEvent) -> None:
    """Put down that an alert was raised or has returned, and have it told on commit.

    Call it in the transaction of the transition, with `alert.machine` loaded. The key names the transition's entry in
    the timeline, so that a second writer adds nothing.
    """
    _write(alert, key=f"alert:{alert.pk}:{occasion}:{event.pk}", occasion=str(occasion), step=None)


def notice_event(notice: Notice) -> int | None:
    """The timeline entry whose news this is; None for an escalation, which has none."""
    return None if notice.occasion == Occasion.ESCALATED else int(notice.key.rpartition(":")[2])


def escalation_write(alert: Alert, *, step: RouteStep, key: str) -> None:
    """Put down that nobody has acknowledged an alert in time for a route's later step."""
    _write(alert, key=f"alert:{alert.pk}:{Occasion.ESCALATED}:{key}", occasion=str(Occasion.ESCALATED), step=step)


def _write(alert: Alert, *, key: str, occasion: str, step: RouteStep | None) -> None:
    notice = Notice(
        alert=alert, key=key, occasion=occasion, content=alert_as_dict(alert), step=step, due_at=clock.now()
    )
    Notice.objects.bulk_create([notice], ignore_conflicts=True)
    transaction.on_commit(drain_soon)


def drain_soon(delay_s: float = _MOMENT_S) -> None:
    """Have a worker look at the current factory's outbox in a moment, once for whatever happens until then."""
    # Imported late: the tasks import this module.
    from anomalies.tasks import drain_factory_outbox

    factory = factory_current()
    if factory is None:
        return
    try:
        if cache.add(_MARKER, 1, timeout=_MARKER_EXPIRES_S):
            drain_factory_outbox.for_factory_in(factory.slug, delay_s)
    except (RedisError, OperationalError) as error:
        # The news is in the database; the sweep every few seconds tells it once the broker is back.
        _log.warning("drain_not_enqueued", factory=factory.slug, error=str(error))


def drain_begins() -> None:
    """A worker is about to look: what is written from now on needs another look."""
    try:
        cache.delete(_MARKER)
    except RedisError as error:
        _log.warning("drain_marker_stays", error=str(error))
