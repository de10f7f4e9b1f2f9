"""The page of one machine's detector: what it knows, how often it was wrong, versions, roles, and back-tests."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from anomalies.alerts.sentences import metric_title
from anomalies.detection.metric_roles import roles_choose, roles_read
from anomalies.detection.versions import detector_state, version_activate, version_unpin
from anomalies.detector_replays import DAYS_MOST, replays_read
from anomalies.models import DetectorModel, MetricRole
from anomalies.tasks import train_asked
from common import clock
from common.errors import DomainError
from telemetry.history.spans import machine_zone
from telemetry.models import Machine

_ROLE = "role:"
_BACK_TEST = timedelta(days=3)


@require_GET
@page_requires("view")
def detector(request: HttpRequest, key: str) -> HttpResponse:
    """One machine's detector; asked by HTMX, the part of the page that changes."""
    machine = get_object_or_404(Machine.objects.select_related("line__site"), key=key)
    state = detector_state(machine)
    titles = {metric.name: metric_title(metric) for metric in machine.metrics.all()}
    context: dict[str, Any] = {
        "detector": state,
        "replays": replays_read(machine),
        "moving": [titles.get(name, name) for name in state.moving],
        "taught_moving": [titles.get(name, name) for name in state.taught_moving],
    }
    asked: Any = request
    if bool(asked.htmx) and not asked.htmx.boosted and not asked.htmx.history_restore_request:
        return render(request, "anomalies/partials/_detector_body.html", context)
    zone = machine_zone(machine)
    now = clock.now().astimezone(zone)
    context |= {
        "roles": [
            (row, metric_title(row.metric), MetricRole.Role(row.role.value), MetricRole.Role(row.inferred.role.value))
            for row in roles_read(machine)
        ],
        "role_choices": MetricRole.Role.choices,
        "zone": zone.key,
        "from_default": f"{now - _BACK_TEST:%Y-%m-%dT%H:%M}",
        "to_default": f"{now:%Y-%m-%dT%H:%M}",
        "days_most": DAYS_MOST,
    }
    return render(request, "anomalies/detector.html", context)


@require_POST
@page_requires("analytics")
def detector_teach(request: HttpRequest, key: str) -> HttpResponse:
    """Teach the machine's detector now; the page shows that it goes on, whoever looks."""
    machine = get_object_or_404(Machine, key=key)
    train_asked(machine, actor=request.user)
    return _back(machine)


@require_POST
@page_requires("analytics")
def detector_activate(request: HttpRequest, version_id: int) -> HttpResponse:
    """Let another version judge, and go back to the machine's detector."""
    found = _version(version_id)
    try:
        version_activate(found.pk, actor=request.user)
        messages.success(request, _("Version %(number)s judges from now on.") % {"number": found.version})
    except DomainError as error:
        messages.error(request, error.detail)
    return _back(found.machine)


@require_POST
@page_requires("analytics")
def detector_unpin(request: HttpRequest, version_id: int) -> HttpResponse:
    """Let the nightly comparison replace a version again."""
    found = _version(version_id)
    version_unpin(found.pk, actor=request.user)
    messages.success(request, _("From tonight on a newer version may take over."))
    return _back(found.machine)


@require_POST
@page_requires("analytics")
def detector_roles(request: HttpRequest, key: str) -> HttpResponse:
    """Keep the roles as the form says; an empty one takes the inferred one again."""
    machine = get_object_or_404(Machine, key=key)
    choices = {
        name.removeprefix(_ROLE): str(value) or None for name, value in request.POST.items() if name.startswith(_ROLE)
    }
    try:
        roles_choose(machine, choices, actor=request.user)
        messages.success(request, _("Kept. The next version is taught with these roles."))
    except DomainError as error:
        messages.error(request, error.detail)
    return _back(machine)


def _version(version_id: int) -> DetectorModel:
    rows = DetectorModel.objects.select_related("machine").defer("arrays")
    found: DetectorModel = get_object_or_404(rows, pk=version_id)
    return found


def _back(machine: Machine) -> HttpResponse:
    return HttpResponseRedirect(reverse("detector", args=[machine.key]))
