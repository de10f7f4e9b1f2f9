"""Pages about the readings themselves: what was refused, and what the plan allows."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from telemetry.models import Machine, Metric
from telemetry.refused import RefusedFilter, refused_page
from tenants.context import factory_current
from tenants.limits import limits_of, uses_of


@require_GET
@page_requires("equipment")
def quarantine(request: HttpRequest) -> HttpResponse:
    """What was refused, why and what to do: `?code=`, `?machine=` and `?span=` narrow it, `?before=` goes back."""
    chosen = RefusedFilter.of(request.GET)
    return render(request, "telemetry/quarantine.html", {"chosen": chosen, **refused_page(chosen)})


@require_GET
@page_requires("equipment")
def plan(request: HttpRequest) -> HttpResponse:
    """What the factory's plan allows, and how much of it is taken."""
    factory = factory_current()
    limits = limits_of(factory)
    context = {
        "plan": factory.plan if factory else None,
        "limits": limits,
        "uses": uses_of(limits, machines=Machine.objects.count(), series=Metric.objects.count()),
        "past_days": limits.past_ms // 86_400_000,
        "ahead_minutes": limits.ahead_ms // 60_000,
    }
    return render(request, "telemetry/plan.html", context)
