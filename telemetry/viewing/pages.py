"""What people choose about looking: units for every page, metrics for one machine's."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.permissions import page_requires
from telemetry.models import Machine
from telemetry.viewing.preferences import metrics_choose, unit_system, units_choose


@require_POST
@page_requires("view")
def metrics_pick(request: HttpRequest, key: str) -> HttpResponse:
    """Keep which metrics of a machine this person wants on its page, and go back to the same stretch of time."""
    machine = get_object_or_404(Machine, key=key)
    metrics_choose(user=request.user, machine=machine, names=request.POST.getlist("metrics"))  # type: ignore[arg-type]
    # The address would say which metrics were shown until now.
    asked = [(name, value) for name, value in parse_qsl(urlsplit(_back(request, "")).query) if name != "metrics"]
    query = f"?{urlencode(asked)}" if asked else ""
    return redirect(reverse("machine", args=[machine.key]) + query)


@require_POST
@page_requires("view")
def units_pick(request: HttpRequest) -> HttpResponse:
    """From now on show figures in these units; back to the page where they were chosen."""
    units_choose(user=request.user, system=unit_system(request.POST.get("units", "")))  # type: ignore[arg-type]
    return redirect(_back(request, reverse("fleet")))


def _back(request: HttpRequest, otherwise: str) -> str:
    """Where the form says it stands, if that is one of our own pages."""
    there = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(there, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return there if safe else otherwise
