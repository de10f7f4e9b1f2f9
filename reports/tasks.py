"""What the scheduler and the worker do for reports; each only calls its function."""

from functools import partial

from celery import shared_task
from django.db import transaction

from accounts.jobs import jobs_stuck
from common import clock
from reports.making import report_make
from reports.models import Report
from reports.requesting import report_schedule_due, schedules_ensured
from tenants.models import Factory
from tenants.tasks import FactoryTask, for_each_factory


@shared_task
def make_due() -> None:
    """Every minute: let each factory look whether a report is due."""
    for_each_factory(make_due_in_factory)


@shared_task(bind=True, base=FactoryTask)
def make_due_in_factory(self: FactoryTask) -> None:
    """Enqueue what is due by plant time, and what a killed worker or an emptied broker left behind."""
    now = clock.now()
    for report_id in jobs_stuck(Report, now):
        make_report.for_factory(self.factory.slug, report_id)
    for schedule in schedules_ensured():
        report = report_schedule_due(factory=self.factory, schedule=schedule, now=now)
        if report is not None:
            report_enqueue(self.factory, report)


@shared_task(bind=True, base=FactoryTask)
def make_report(self: FactoryTask, report_id: int) -> None:
    """Make one report of the factory."""
    report_make(factory=self.factory, report_id=report_id)


def report_enqueue(factory: Factory, report: Report) -> None:
    """Hand a waiting report to the worker once its row is there for all to see."""
    transaction.on_commit(partial(make_report.for_factory, factory.slug, report.pk))
