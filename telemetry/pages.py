"""Pages about the readings themselves: what was refused, and the style page."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from telemetry.models import QuarantinedReading

PAGE_SIZE = 100
SEVERITIES = ("critical", "high", "medium", "low")
STATUSES = (*SEVERITIES, "anomalous", "normal", "learning", "silent", "new", "acknowledged", "returned")


@require_GET
@page_requires("equipment")
def quarantine(request: HttpRequest) -> HttpResponse:
    """What was refused and why, newest first; `?before=` goes further back, `?code=` narrows to one reason."""
    found = QuarantinedReading.objects.all()
    code, before = request.GET.get("code", ""), request.GET.get("before", "")
    if code:
        found = found.filter(code=code)
    if before.isascii() and before.isdigit() and len(before) < 18:
        found = found.filter(pk__lt=int(before))
    rows = list(found.order_by("-pk")[: PAGE_SIZE + 1])
    context = {
        "rows": rows[:PAGE_SIZE],
        "next_before": rows[PAGE_SIZE - 1].pk if len(rows) > PAGE_SIZE else None,
        "code": code,
    }
    return render(request, "telemetry/quarantine.html", context)


@require_GET
@page_requires("view")
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component once, in development and in the trial."""
    if not (settings.DEBUG or settings.TRIAL):
        raise Http404
    return render(request, "telemetry/styleguide.html", {"severities": SEVERITIES, "statuses": STATUSES})
