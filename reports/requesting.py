"""Which report comes to be: asked for by a person, or due by the schedule; two who ask at once get one."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.jobs import IN_THE_MAKING
from accounts.models import User
from common.errors import ConflictError, InvalidInputError
from reports.models import Report, Schedule
from reports.schedule import WEEK, Period, WeeklyTime, week_before
from tenants.models import Factory

_LONGEST = 53 * WEEK
_TRIES = 5


def report_request(*, factory: Factory, period: Period, requested_by: User | None, now: datetime) -> Report:
    """A new revision of the period's report, or the one already in the making: a second click asks for nothing new.

    Raises InvalidInputError for a period that is empty, longer than a year or not over yet.
    """
    _check(period, now)
    for _try in range(_TRIES):
        waiting = _of(period).filter(state__in=IN_THE_MAKING).first()
        if waiting is not None:
            return waiting
        report = _create(factory, period, requested_by=requested_by, scheduled=False)
        if report is not None:
            return report
    raise ConflictError(_("Others are asking for the same report. Try again."))


def report_schedule_due(*, factory: Factory, schedule: Schedule, now: datetime) -> Report | None:
    """The report that the schedule is owed, unless it was made before; two schedulers make one."""
    due_at = WeeklyTime(schedule.weekday, schedule.hour).last_due(now, factory.zone)
    if not schedule.active or due_at < schedule.created_at:
        return None
    period = week_before(due_at, factory.zone)
    for _try in range(_TRIES):
        if _of(period).filter(scheduled=True).exists():
            return None
        report = _create(factory, period, requested_by=None, scheduled=True)
        if report is not None:
            return report
    return None


def schedules_ensured() -> QuerySet[Schedule]:
    """Every schedule of the factory; the usual one, Monday at six, is made where there is none."""
    if not Schedule.objects.exists():
        Schedule.objects.create()
    return Schedule.objects.all()


def _check(period: Period, now: datetime) -> None:
    if period.from_at >= period.to_at:
        raise InvalidInputError(_("The period ends before it begins."))
    if period.to_at - period.from_at > _LONGEST:
        raise InvalidInputError(_("The period is longer than a year."))
    if period.to_at > now:
        raise InvalidInputError(_("The period is not over yet."))


def _of(period: Period) -> QuerySet[Report]:
    return Report.objects.filter(period_from_at=period.from_at, period_to_at=period.to_at)


def _create(factory: Factory, period: Period, *, requested_by: User | None, scheduled: bool) -> Report | None:
    """The next revision, with its audit entry; None when somebody else took that revision in the meantime."""
    revision = (_of(period).aggregate(last=Max("revision"))["last"] or 0) + 1
    try:
        with transaction.atomic():
            report = Report.objects.create(
                period_from_at=period.from_at,
                period_to_at=period.to_at,
                time_zone=factory.time_zone,
                revision=revision,
                scheduled=scheduled,
                requested_by=requested_by,
            )
            audit_record(actor=requested_by, action="report.requested", target=str(report), scheduled=scheduled)
    except IntegrityError:
        return None
    return report
