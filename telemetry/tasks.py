"""What has to be done about readings from time to time."""

import structlog
from celery import shared_task

from common import clock
from telemetry.discovery import metrics_review
from telemetry.ingest.quarantine import quarantine_trim
from telemetry.store import reading_store
from telemetry.store.base import StoreUnavailableError
from tenants.models import Plan
from tenants.tasks import FactoryTask, for_each_factory

_log = structlog.get_logger(__name__)
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
# Short turns: after each full hour all of it wants to be compacted, and alerts must not wait behind that.
_COMPACT_WITHIN_S = 1.0


@shared_task
def apply_retention() -> None:
    """Beat's entry: one task a factory."""
    for_each_factory(apply_retention_in_factory)


@shared_task(bind=True, base=FactoryTask)
def apply_retention_in_factory(self: FactoryTask) -> None:
    """Remove readings older than the factory's plan keeps. Safe to run twice or to be killed midway.

    Whole hours alone: the store cuts off nothing that is cheaper to remove an hour later.
    """
    plan = self.factory.plan or Plan()
    removed = reading_store().delete_before((clock.now_ms() - plan.retention_days * _DAY_MS) // _HOUR_MS * _HOUR_MS)
    if removed:
        _log.info("readings_removed_by_retention", readings=removed, days=plan.retention_days)


@shared_task
def compact_readings() -> None:
    """Beat's entry: one task a factory."""
    for_each_factory(compact_readings_in_factory)


@shared_task(bind=True, base=FactoryTask)
def compact_readings_in_factory(self: FactoryTask) -> None:
    """Let the store sort out what was written lately. Safe to run twice at once or to be killed midway."""
    try:
        if not reading_store().compact(within_s=_COMPACT_WITHIN_S):
            _log.debug("compaction_unfinished")
    except StoreUnavailableError as error:
        # The next turn is seconds away; until then reads only take a little longer.
        _log.warning("compaction_failed", error=str(error))


@shared_task
def review_metrics() -> None:
    """Beat's entry: one task a factory."""
    for_each_factory(review_metrics_in_factory)


@shared_task(bind=True, base=FactoryTask)
def review_metrics_in_factory(self: FactoryTask) -> None:
    """See what the readings of new metrics say about their units and kinds. Safe to run twice."""
    try:
        metrics_review(now=clock.now())
    except StoreUnavailableError as error:
        _log.warning("metrics_not_reviewed", error=str(error))


@shared_task
def trim_quarantine() -> None:
    """Beat's entry: one task a factory."""
    for_each_factory(trim_quarantine_in_factory)


@shared_task(bind=True, base=FactoryTask)
def trim_quarantine_in_factory(self: FactoryTask) -> None:
    """Remove refusals that nobody will look at any more. Safe to run twice."""
    removed = quarantine_trim(now=clock.now())
    if removed:
        _log.info("quarantine_trimmed", rows=removed)
