"""The pages of back-tests: begun on the detector's page, watched and read on their own."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from anomalies.detector_replay_view import replay_view
from anomalies.detector_replays import (
    ReplayInvalidError,
    ReplayUnknownError,
    replay_ask,
    replay_get,
    replay_remove,
    replay_told,
)
from anomalies.detector_tasks import replay_enqueue
from anomalies.models import Replay
from common.errors import DomainError
from common.times import to_ms
from telemetry.history.spans import machine_zone
from telemetry.models import Machine


@require_GET
@page_requires("view")
def replay(request: HttpRequest, replay_id: int) -> HttpResponse:
    """One back-test; asked by HTMX, the part of the page that changes while it runs."""
    asked: Any = request
    is_part = bool(asked.htmx) and not asked.htmx.boosted and not asked.htmx.history_restore_request
    template = "anomalies/partials/_replay_body.html" if is_part else "anomalies/replay.html"
    return render(request, template, replay_view(replay_told(_found(replay_id))))


@require_POST
@page_requires("analytics")
def replay_begin(request: HttpRequest, key: str) -> HttpResponse:
    """Begin a back-test as the form says, and go to its page; what makes no sense is said on the detector's page."""
    machine = get_object_or_404(Machine, key=key)
    try:
        made = replay_ask(
            machine,
            version=_number(request, "version") or 0,
            beside=_number(request, "beside"),
            from_ms=_instant(request, "from", machine),
            to_ms=_instant(request, "to", machine),
            actor=request.user,
        )
    except DomainError as error:
        messages.error(request, error.detail)
        return HttpResponseRedirect(reverse("detector", args=[machine.key]))
    replay_enqueue(made)
    return HttpResponseRedirect(reverse("replay", args=[made.pk]))


@require_POST
@page_requires("analytics")
def replay_forget(request: HttpRequest, replay_id: int) -> HttpResponse:
    """Stop or forget a back-test, and go back to the detector."""
    found = _found(replay_id)
    try:
        replay_remove(found, actor=request.user)
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(reverse("detector", args=[found.machine.key]))


def _found(replay_id: int) -> Replay:
    try:
        return replay_get(replay_id)
    except ReplayUnknownError as error:
        raise Http404 from error


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.POST.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _instant(request: HttpRequest, name: str, machine: Machine) -> int:
    """A time of the form, on the machine's clock."""
    try:
        return to_ms(datetime.fromisoformat(request.POST.get(name, "")).replace(tzinfo=machine_zone(machine)))
    except (ValueError, OverflowError) as error:
        raise ReplayInvalidError(_("Say from when to when.")) from error
