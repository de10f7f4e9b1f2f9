"""Unit and kind of new metrics: looked at again once there are readings, and settled by a person's word."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.audit import audit_record
from common.times import to_ms
from telemetry.ingest.value_inference import infer_from_values
from telemetry.models import Machine, Metric
from telemetry.store import reading_store

_log = structlog.get_logger(__name__)

# After its first minute, hour and day: a counter shows itself soon, the range of a temperature takes a shift.
_AGES = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
_LOOKS_BACK = timedelta(hours=24)
_READINGS = 500
_AT_ONCE = 300


def metrics_review(*, now: datetime) -> int:
    """Let the readings of unconfirmed metrics of the current factory correct what their names suggested.

    At most _AT_ONCE metrics, those never looked at first; returns how many. Raises StoreUnavailableError.
    """
    due = list(_due(now).select_related("machine").order_by(F("reviewed_at").asc(nulls_first=True), "pk")[:_AT_ONCE])
    due.sort(key=lambda metric: metric.machine_id)
    for machine, metrics in groupby(due, key=lambda metric: metric.machine):
        _review(machine, list(metrics), now)
    return len(due)


def machine_confirm(*, actor: Any, machine: Machine) -> int:
    """Take every inferred unit and kind of a machine as right; the number of metrics that were not confirmed before."""
    with transaction.atomic():
        names = sorted(machine.metrics.filter(confirmed=False).values_list("name", flat=True))
        machine.metrics.filter(name__in=names).update(confirmed=True)
        if names:
            audit_record(actor=actor, action="metrics.confirmed", target=machine.key, metrics=names)
    return len(names)


def _due(now: datetime) -> QuerySet[Metric]:
    wanted = Q(reviewed_at=None, created_at__lte=now - _AGES[0])
    for age in _AGES[1:]:
        wanted |= Q(created_at__lte=now - age, reviewed_at__lt=F("created_at") + age)
    return Metric.objects.filter(wanted, confirmed=False)


def _review(machine: Machine, metrics: list[Metric], now: datetime) -> None:
    end_ms = to_ms(now) + 1
    window = {"from_ms": end_ms - int(_LOOKS_BACK / timedelta(milliseconds=1)), "to_ms": end_ms}
    found = reading_store().raw(machine, [metric.name for metric in metrics], **window, limit=_READINGS)
    for metric, series in zip(metrics, found, strict=True):
        inferred = infer_from_values(metric.name, series.values)
        # Somebody may have confirmed it while the store was read: then their word stands.
        Metric.objects.filter(pk=metric.pk, confirmed=False).update(reviewed_at=now, **inferred._asdict())
        if (inferred.unit, inferred.kind) != (metric.unit, metric.kind):
            _log.info("metric_reconsidered", machine=machine.key, metric=metric.name, **inferred._asdict())
