"""Refusals from the journal into the table that admins see: merged, bounded a minute and in all, always counted."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Max, QuerySet

from common import clock
from telemetry.ingest.refusals import Refusal
from telemetry.models import QuarantinedReading

ROWS_KEPT = 10_000
KEPT_FOR = timedelta(days=30)
ROWS_PER_MINUTE = 300
_Cause = tuple[str, str, str, str]


def quarantine_write(refusals: Iterable[Refusal]) -> None:
    """Keep refusals of the current factory.

    The same cause within a minute is one row with a count. Beyond ROWS_PER_MINUTE causes the rest is counted in one
    row per source: a flood of names must not fill the table that explains it.
    """
    counts, first = _merged(refusals)
    _count_known(counts)
    room = max(0, ROWS_PER_MINUTE - _last_minute().count())
    for cause in list(counts)[room:]:
        more = Refusal(cause[0], "", "", "more_refused", "More was refused than is listed.", 0)
        _add(counts, first, more, counts.pop(cause))
    _count_known(counts)
    if counts:
        QuarantinedReading.objects.bulk_create([_row(first[cause], count) for cause, count in counts.items()])
        _trim()


def quarantine_trim(*, now: datetime) -> int:
    """Remove refusals of the current factory older than KEPT_FOR and beyond the newest ROWS_KEPT; the rows removed."""
    old, _each = QuarantinedReading.objects.filter(received_at__lt=now - KEPT_FOR).delete()
    return old + _trim()


def _merged(refusals: Iterable[Refusal]) -> tuple[dict[_Cause, int], dict[_Cause, Refusal]]:
    counts: dict[_Cause, int] = {}
    first: dict[_Cause, Refusal] = {}
    for refusal in refusals:
        _add(counts, first, refusal, refusal.count)
    return counts, first


def _add(counts: dict[_Cause, int], first: dict[_Cause, Refusal], refusal: Refusal, count: int) -> None:
    cause = (refusal.source, refusal.machine, refusal.metric, refusal.code)
    counts[cause] = counts.get(cause, 0) + count
    first.setdefault(cause, refusal)


def _last_minute() -> QuerySet[QuarantinedReading]:
    return QuarantinedReading.objects.filter(received_at__gte=clock.now() - timedelta(minutes=1))


def _count_known(counts: dict[_Cause, int]) -> None:
    """Add to rows that tell the same cause already, and take it out of the counts."""
    codes = {cause[3] for cause in counts}
    recent = _last_minute().filter(code__in=codes).values_list("source", "machine", "metric", "code", "pk")
    for source, machine, metric, code, pk in recent.iterator():
        count = counts.pop((source, machine, metric, code), None)
        if count is not None:
            QuarantinedReading.objects.filter(pk=pk).update(count=F("count") + count)


def _row(refusal: Refusal, count: int) -> QuarantinedReading:
    return QuarantinedReading(
        source=refusal.source,
        machine=refusal.machine,
        metric=refusal.metric,
        code=refusal.code,
        detail=refusal.detail,
        payload=refusal.payload,
        count=count,
    )


def _trim() -> int:
    newest = QuarantinedReading.objects.aggregate(newest=Max("pk"))["newest"] or 0
    beyond, _each = QuarantinedReading.objects.filter(pk__lte=newest - ROWS_KEPT).delete()
    return beyond
