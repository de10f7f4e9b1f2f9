"""The page of one machine's detector: what it knows, how often it was wrong, its versions, and teaching it now."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from anomalies.detection.versions import detector_state, version_activate
from anomalies.models import DetectorModel
from anomalies.tasks import train_asked
from common.errors import DomainError
from telemetry.models import Machine


@require_GET
@page_requires("view")
def detector(request: HttpRequest, key: str) -> HttpResponse:
    """One machine's detector; asked by HTMX, the part of the page that changes."""
    state = detector_state(get_object_or_404(Machine, key=key))
    asked: Any = request
    is_part = bool(asked.htmx) and not asked.htmx.boosted and not asked.htmx.history_restore_request
    template = "anomalies/partials/_detector_body.html" if is_part else "anomalies/detector.html"
    return render(request, template, {"detector": state})


@require_POST
@page_requires("analytics")
def detector_teach(request: HttpRequest, key: str) -> HttpResponse:
    """Teach the machine's detector now; the page shows that it goes on, whoever looks."""
    machine = get_object_or_404(Machine, key=key)
    train_asked(machine, actor=request.user)
    return HttpResponseRedirect(reverse("detector", args=[machine.key]))


@require_POST
@page_requires("analytics")
def detector_activate(request: HttpRequest, version_id: int) -> HttpResponse:
    """Let another version judge, and go back to the machine's detector."""
    found = get_object_or_404(DetectorModel.objects.select_related("machine").defer("arrays"), pk=version_id)
    try:
        version_activate(found.pk, actor=request.user)
        messages.success(request, _("Version %(number)s judges from now on.") % {"number": found.version})
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(reverse("detector", args=[found.machine.key]))
