"""From a waiting report to a finished one, once, whatever is killed or started twice on the way."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q

from common import clock
from reports.announcing import announce_ready
from reports.charts import Pictures, draw_pictures
from reports.contents import build_contents, contents_hash
from reports.gather import gather_close_up, gather_facts, gather_trends
from reports.models import Report, ReportState
from reports.render.pdf import Imprint, render_pdf
from reports.schedule import Period
from telemetry.models import Machine
from telemetry.store.base import StoreUnavailableError
from tenants.models import Factory

_log = structlog.get_logger(__name__)

ATTEMPTS_MOST = 3
# A worker that says nothing for so long was killed; a queued task that nobody took was lost with the broker.
_RUNNING_TOO_LONG = timedelta(minutes=15)
_QUEUED_TOO_LONG = timedelta(minutes=2)


def report_make(*, factory: Factory, report_id: int) -> bool:
    """Make the report, unless another worker does or did; whether this call finished it."""
    report = _claim(report_id, clock.now())
    if report is None:
        return False
    try:
        _make(factory, report)
    except StoreUnavailableError as error:
        _put_back(report, f"History could not be read: {error}")
    except Exception as error:  # noqa: BLE001  # the process edge: a report that breaks must say so, not stay “being made”
        _log.exception("report_failed", report=report.pk, attempt=report.attempts)
        _put_back(report, f"{error.__class__.__name__}: {error}")
    else:
        _log.info("report_ready", report=report.pk, revision=report.revision, bytes=len(report.pdf or b""))
        return True
    return False


def reports_stuck(now: datetime) -> list[int]:
    """Reports that wait for a task that never came or was killed."""
    lost = Q(state=ReportState.RUNNING, started_at__lt=now - _RUNNING_TOO_LONG)
    waiting = Q(state=ReportState.QUEUED) & (
        Q(started_at__isnull=True, created_at__lt=now - _QUEUED_TOO_LONG) | Q(started_at__lt=now - _QUEUED_TOO_LONG)
    )
    return list(Report.objects.filter(lost | waiting).values_list("pk", flat=True))


def _claim(report_id: int, now: datetime) -> Report | None:
    """One UPDATE decides between two workers."""
    free = Q(state=ReportState.QUEUED) | Q(state=ReportState.RUNNING, started_at__lt=now - _RUNNING_TOO_LONG)
    claimed = Report.objects.filter(free, pk=report_id).update(
        state=ReportState.RUNNING, started_at=now, attempts=F("attempts") + 1, error=""
    )
    return Report.objects.get(pk=report_id) if claimed else None


def _make(factory: Factory, report: Report) -> None:
    period = Period(report.period_from_at, report.period_to_at)
    contents = build_contents(gather_facts(factory, period=period, time_zone=report.time_zone))
    pictures = _pictures(period, report.time_zone)
    finished_at = clock.now()
    data_hash = contents_hash(contents)
    imprint = Imprint(revision=report.revision, data_hash=data_hash, generated_at=finished_at)
    report.contents, report.data_hash, report.finished_at = contents, data_hash, finished_at
    report.pdf = render_pdf(contents, pictures=pictures, imprint=imprint)
    report.state = ReportState.READY
    with transaction.atomic():
        report.save(update_fields=["contents", "data_hash", "finished_at", "pdf", "state"])
        announce_ready(factory, report)


def _pictures(period: Period, time_zone: str) -> dict[str, Pictures]:
    return {
        machine.key: draw_pictures(
            gather_trends(machine, period=period, time_zone=time_zone),
            gather_close_up(machine, period=period, time_zone=time_zone),
        )
        for machine in Machine.objects.order_by("key")
    }


def _put_back(report: Report, reason: str) -> None:
    """Back into the queue for another attempt (see `reports_stuck`), or failed for good after the last one."""
    failed = report.attempts >= ATTEMPTS_MOST
    Report.objects.filter(pk=report.pk).update(
        state=ReportState.FAILED if failed else ReportState.QUEUED,
        finished_at=clock.now() if failed else None,
        error=reason[:300],
    )
