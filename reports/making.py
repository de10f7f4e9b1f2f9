"""From a waiting report to a finished one, once, whatever is killed or started twice on the way."""

import structlog
from django.db import transaction

from accounts.jobs import JobGoneError, JobState, Tell, job_claim, job_put_back, job_teller
from common import clock
from common.units import UnitSystem
from reports.announcing import announce_ready
from reports.charts import Pictures, draw_pictures
from reports.contents import build_contents, contents_hash
from reports.gather import gather_close_up, gather_facts, gather_trends
from reports.models import Report
from reports.reader_units import chart_in, contents_in
from reports.render.pdf import Imprint, render_pdf
from reports.schedule import Period
from telemetry.models import Machine
from telemetry.store.base import StoreUnavailableError
from telemetry.viewing.preferences import units_of
from tenants.models import Factory

_log = structlog.get_logger(__name__)


def report_make(*, factory: Factory, report_id: int) -> bool:
    """Make the report, unless another worker does or did; whether this call finished it."""
    report = job_claim(Report, report_id)
    if report is None:
        return False
    try:
        _make(factory, report)
    except JobGoneError:
        _log.info("report_gone", report=report.pk)
    except StoreUnavailableError as error:
        job_put_back(report, f"History could not be read: {error}")
    except Exception as error:  # noqa: BLE001  # the process edge: a report that breaks must say so, not stay “being made”
        _log.exception("report_failed", report=report.pk, attempt=report.attempts)
        job_put_back(report, f"{error.__class__.__name__}: {error}")
    else:
        _log.info("report_ready", report=report.pk, revision=report.revision, bytes=len(report.pdf or b""))
        return True
    return False


def _make(factory: Factory, report: Report) -> None:
    period = Period(report.period_from_at, report.period_to_at)
    contents = build_contents(gather_facts(factory, period=period, time_zone=report.time_zone))
    # A document is made once; its figures are in the units of whoever asked for it, as measured when nobody did.
    system = units_of(report.requested_by)
    pictures = _pictures(period, report.time_zone, system=system, tell=job_teller(report))
    finished_at = clock.now()
    data_hash = contents_hash(contents)
    imprint = Imprint(revision=report.revision, data_hash=data_hash, generated_at=finished_at)
    report.contents, report.data_hash, report.finished_at = contents, data_hash, finished_at
    report.pdf = render_pdf(contents_in(contents, system), pictures=pictures, imprint=imprint)
    report.state = JobState.READY
    with transaction.atomic():
        report.save(update_fields=["contents", "data_hash", "finished_at", "pdf", "state"])
        announce_ready(factory, report)


def _pictures(period: Period, time_zone: str, *, system: UnitSystem, tell: Tell) -> dict[str, Pictures]:
    """The machines' pictures; nearly all of the time goes into them, so they are what is left to do."""
    machines, pictures = list(Machine.objects.order_by("key")), {}
    for done, machine in enumerate(machines):
        tell(done / len(machines))
        close_up = gather_close_up(machine, period=period, time_zone=time_zone)
        pictures[machine.key] = draw_pictures(
            chart_in(gather_trends(machine, period=period, time_zone=time_zone), system),
            None if close_up is None else chart_in(close_up, system),
        )
    return pictures
