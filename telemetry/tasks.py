"""What has to be done about readings from time to time."""

import structlog
from celery import shared_task

from common import clock
from common.times import to_ms
from telemetry.store import reading_store
from tenants.models import Plan
from tenants.tasks import FactoryTask, for_each_factory

_log = structlog.get_logger(__name__)
_DAY_MS = 86_400_000


@shared_task
def apply_retention() -> None:
    """Beat's entry: one task a factory."""
    for_each_factory(apply_retention_in_factory)


@shared_task(bind=True, base=FactoryTask)
def apply_retention_in_factory(self: FactoryTask) -> None:
    """Remove readings older than the factory's plan keeps. Safe to run twice or to be killed midway."""
    plan = self.factory.plan or Plan()
    removed = reading_store().delete_before(to_ms(clock.now()) - plan.retention_days * _DAY_MS)
    if removed:
        _log.info("readings_removed_by_retention", readings=removed, days=plan.retention_days)
