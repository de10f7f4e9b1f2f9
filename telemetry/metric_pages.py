"""What a machine measures, as its page shows it: inferred units and kinds, confirmed or corrected with one click."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from telemetry.discovery import machine_confirm
from telemetry.machines import metric_delete, metric_update
from telemetry.models import Machine, Metric, MetricKind

_TABLE = "telemetry/partials/_metrics.html"


@require_GET
@page_requires("view")
def metrics_part(request: HttpRequest, key: str) -> HttpResponse:
    """The table of a machine's metrics."""
    return render(request, _TABLE, _table(get_object_or_404(Machine, key=key)))


@require_POST
@page_requires("equipment")
def metric_confirm(request: HttpRequest, metric_id: int) -> HttpResponse:
    """Take unit and kind as right, or as corrected in the form."""
    metric: Metric = get_object_or_404(Metric.objects.select_related("machine"), pk=metric_id)
    metric_update(actor=request.user, metric=metric, confirmed=True, **_corrections(request))
    return _answer(request, metric.machine)


@require_POST
@page_requires("equipment")
def metric_remove(request: HttpRequest, metric_id: int) -> HttpResponse:
    """Delete a metric with its readings."""
    metric: Metric = get_object_or_404(Metric.objects.select_related("machine"), pk=metric_id)
    metric_delete(actor=request.user, metric=metric)
    return _answer(request, metric.machine)


@require_POST
@page_requires("equipment")
def metrics_confirm(request: HttpRequest, key: str) -> HttpResponse:
    """Take all that was inferred for a machine as right."""
    machine = get_object_or_404(Machine, key=key)
    machine_confirm(actor=request.user, machine=machine)
    return _answer(request, machine)


def _corrections(request: HttpRequest) -> dict[str, str]:
    """What the form says, as far as it makes sense; a browser's own checks keep people from more."""
    corrections: dict[str, str] = {}
    length = Metric._meta.get_field("unit").max_length or 0
    if "unit" in request.POST:
        corrections["unit"] = request.POST["unit"].replace("\0", "").strip()[:length]
    if request.POST.get("kind") in MetricKind.values:
        corrections["kind"] = request.POST["kind"]
    return corrections


def _answer(request: HttpRequest, machine: Machine) -> HttpResponse:
    if not getattr(request, "htmx", False):
        return redirect("machine", machine.key)
    return render(request, _TABLE, _table(machine))


def _table(machine: Machine) -> dict[str, Any]:
    metrics = list(machine.metrics.order_by("confirmed", "name"))
    unsure = [metric for metric in metrics if not metric.confirmed]
    return {"machine": machine, "metrics": metrics, "unsure": unsure, "kinds": MetricKind.choices}
