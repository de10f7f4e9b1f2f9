"""The page where quiet is planned: maintenance windows, and machines out of service."""

import math
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from anomalies.alerts.maintenance import (
    MaintenanceInvalidError,
    Target,
    machine_off_when,
    machine_remove,
    machine_restore,
    window_create,
    window_end,
    window_get,
    windows_list,
)
from anomalies.models import Alert, MachineService
from common import clock
from common.errors import DomainError
from telemetry.models import Line, Machine, Metric, Site
from telemetry.templatetags.plant import plant_zone

_PAST_SHOWN = 30


@require_GET
@page_requires("view")
def maintenance(request: HttpRequest) -> HttpResponse:
    """What is planned, what runs, what was; and which machines are out of service."""
    now = clock.now()
    current = list(windows_list().filter(ends_at__gt=now).order_by("starts_at"))
    hidden = Alert.objects.filter(state__in=("suppressed", "out_of_service")).count()
    services = MachineService.objects.select_related("machine", "off_metric").order_by("machine__key")
    local = now.astimezone(plant_zone())
    context = {
        "running": [window for window in current if window.starts_at <= now],
        "planned": [window for window in current if window.starts_at > now],
        "past": list(windows_list().filter(ends_at__lte=now)[:_PAST_SHOWN]),
        "out": [service for service in services if service.out_of_service],
        "off": [service for service in services if service.off_metric is not None],
        "hidden": hidden,
        "sites": Site.objects.order_by("name"),
        "lines": Line.objects.select_related("site").order_by("site__name", "name"),
        "machines": Machine.objects.order_by("key").only("key", "name"),
        "metrics": Metric.objects.select_related("machine")
        .order_by("machine__key", "name")
        .only("name", "label", "unit", "machine__key", "machine__name")[:2_000],
        "zone": plant_zone().key,
        "from_default": f"{local:%Y-%m-%dT%H:%M}",
        "to_default": f"{local + timedelta(hours=2):%Y-%m-%dT%H:%M}",
    }
    return render(request, "anomalies/maintenance.html", context)


@require_POST
@page_requires("rules")
def maintenance_create(request: HttpRequest) -> HttpResponse:
    """Plan a window."""
    return _done(request, _("Planned. Alerts raised meanwhile are recorded and disturb nobody."), _create)


@require_POST
@page_requires("rules")
def maintenance_end(request: HttpRequest, window_id: int) -> HttpResponse:
    """The work is done, or will not be."""

    def end(_request: HttpRequest) -> None:
        window_end(actor=request.user, window=window_get(window_id))

    return _done(request, _("Ended. What is still wrong becomes active."), end)


@require_POST
@page_requires("rules")
def service_change(request: HttpRequest) -> HttpResponse:
    """Take a machine out of service, put it back, or say how to see that it is off."""
    machine = get_object_or_404(Machine, key=request.POST.get("machine", ""))
    deeds = {"remove": _remove, "restore": _restore, "off": _off}
    deed = deeds.get(request.POST.get("action", ""), _nonsense)
    return _done(request, _("Done."), lambda asked: deed(asked, machine))


def _create(request: HttpRequest) -> None:
    window_create(
        actor=request.user,
        target=_target(request.POST.get("target", "")),
        starts_at=_instant(request.POST.get("from", "")),
        ends_at=_instant(request.POST.get("to", "")),
        reason=request.POST.get("reason", ""),
    )


def _remove(request: HttpRequest, machine: Machine) -> None:
    machine_remove(actor=request.user, machine=machine, reason=request.POST.get("reason", ""))


def _restore(request: HttpRequest, machine: Machine) -> None:
    machine_restore(actor=request.user, machine=machine)


def _off(request: HttpRequest, machine: Machine) -> None:
    name = request.POST.get("metric", "")
    metric = Metric.objects.filter(machine=machine, name=name).first() if name else None
    if name and metric is None:
        raise MaintenanceInvalidError(_("This machine has no such metric."))
    low, high = _number(request.POST.get("low", "")), _number(request.POST.get("high", ""))
    machine_off_when(actor=request.user, machine=machine, metric=metric, low=low, high=high)


def _nonsense(request: HttpRequest, machine: Machine) -> None:
    raise MaintenanceInvalidError(_("This can't be done with a machine."))


def _done(request: HttpRequest, text: str, deed: Any) -> HttpResponse:
    try:
        deed(request)
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, text)
    return HttpResponseRedirect(reverse("maintenance"))


def _target(text: str) -> Target:
    """“machine:3”, “line:2” or “site:1”."""
    kind, _colon, number = text.partition(":")
    models: dict[str, Any] = {"machine": Machine, "line": Line, "site": Site}
    model = models.get(kind)
    digits = number.isascii() and number.isdigit() and len(number) < 18
    found = model.objects.filter(pk=int(number)).first() if model and digits else None
    if found is None:
        raise MaintenanceInvalidError(_("Choose a machine, a line or a site."))
    target: Target = found
    return target


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=plant_zone())
    except ValueError as error:
        raise MaintenanceInvalidError(_("Say from when until when, as day and time.")) from error


def _number(text: str) -> float | None:
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise MaintenanceInvalidError(_("A limit is a number.")) from error
    if not math.isfinite(value):
        raise MaintenanceInvalidError(_("A limit is a number."))
    return value
