"""Pages about the readings themselves: what was refused, and the style page."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from telemetry.refused import RefusedFilter, refused_page

SEVERITIES = ("critical", "high", "medium", "low")
STATUSES = (*SEVERITIES, "anomalous", "normal", "learning", "silent", "new", "acknowledged", "returned")


@require_GET
@page_requires("equipment")
def quarantine(request: HttpRequest) -> HttpResponse:
    """What was refused, why and what to do: `?code=`, `?machine=` and `?span=` narrow it, `?before=` goes back."""
    chosen = RefusedFilter.of(request.GET)
    return render(request, "telemetry/quarantine.html", {"chosen": chosen, **refused_page(chosen)})


@require_GET
@page_requires("view")
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component once, in development and in the trial."""
    if not (settings.DEBUG or settings.TRIAL):
        raise Http404
    return render(request, "telemetry/styleguide.html", {"severities": SEVERITIES, "statuses": STATUSES})
