"""The reports page: what there is, how far it came, and a button for one now."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.jobs import IN_THE_MAKING, JobShown, JobState
from accounts.models import User
from accounts.permissions import page_requires
from common import clock
from reports.downloads import report_response
from reports.models import Report, Schedule
from reports.requesting import report_request
from reports.schedule import WeeklyTime, week_until
from reports.tasks import report_enqueue
from reports.wording import instant_text, period_text
from tenants.context import factory_current
from tenants.models import Factory

_PAGE_ROWS = 20


def factory_asked() -> Factory:
    """The factory that this request is in."""
    factory = factory_current()
    if factory is None:
        raise RuntimeError("reports stand in a factory, and this request is in none")
    return factory


@require_GET
@page_requires("view")
def reports(request: HttpRequest) -> HttpResponse:
    """Every report, newest first."""
    factory = factory_asked()
    context = {**_list_context(request), "zone": factory.time_zone, "next_due": _next_due(factory, clock.now())}
    return render(request, "reports/reports.html", context)


@require_GET
@page_requires("view")
def report_list(request: HttpRequest) -> HttpResponse:
    """The list alone, asked again while a report is in the making."""
    return render(request, "reports/partials/_list.html", _list_context(request))


@require_POST
@page_requires("reports")
def report_make(request: HttpRequest) -> HttpResponse:
    """Ask for a report of the last seven days."""
    factory, now = factory_asked(), clock.now()
    requested_by = request.user if isinstance(request.user, User) else None
    report = report_request(factory=factory, period=week_until(now), requested_by=requested_by, now=now)
    report_enqueue(factory, report)
    if getattr(request, "htmx", False):
        return render(request, "reports/partials/_list.html", _list_context(request))
    messages.success(request, _("The report is being made. It appears here when it is ready."))
    return redirect("reports")


@require_GET
@page_requires("view")
def report_pdf(request: HttpRequest, report_id: int) -> HttpResponse:
    """The document itself, shown in the browser."""
    report = get_object_or_404(Report, pk=report_id)
    return report_response(report, "pdf", actor=request.user, inline=True)


@require_GET
@page_requires("view")
def report_xlsx(request: HttpRequest, report_id: int) -> HttpResponse:
    """The figures as a workbook, for whoever calculates on."""
    report = get_object_or_404(Report, pk=report_id)
    return report_response(report, "xlsx", actor=request.user)


def _list_context(request: HttpRequest) -> dict[str, Any]:
    # The finished bytes stay in the database: a list needs none of them.
    every = Report.objects.select_related("requested_by").defer("pdf", "contents")
    page = Paginator(every, _PAGE_ROWS).get_page(request.GET.get("page"))
    return {"page": page, "rows": [_row(report) for report in page], "polling": _in_the_making()}


def _in_the_making() -> bool:
    return Report.objects.filter(state__in=IN_THE_MAKING).exists()


def _row(report: Report) -> dict[str, Any]:
    zone = ZoneInfo(report.time_zone)
    sides = {"from": report.period_from_at, "to": report.period_to_at}
    told = {side: instant.astimezone(zone).isoformat() for side, instant in sides.items()}
    return {
        "report": report,
        "period": period_text(told),
        "job": _job(report),
        "created": instant_text(report.created_at.astimezone(zone).isoformat()),
    }


def _job(report: Report) -> JobShown:
    note = ""
    if report.state == JobState.FAILED:
        note = _("It could not be made. Try again; if it fails again, tell your administrator.")
    elif report.in_the_making and report.error:
        note = _("An attempt failed; it is tried again by itself.")
    return JobShown(state=report.state, word=str(report.get_state_display()), share=report.share, note=note)


def _next_due(factory: Factory, now: datetime) -> str:
    """When the next one comes by itself, in plant time; empty when no schedule is active."""
    due = [
        WeeklyTime(schedule.weekday, schedule.hour).next_due(now, factory.zone)
        for schedule in Schedule.objects.all() or [Schedule()]
        if schedule.active
    ]
    # Templates would turn an aware instant into the server's zone again.
    return date_format(min(due).astimezone(factory.zone).replace(tzinfo=None), "l j F, H:i") if due else ""
