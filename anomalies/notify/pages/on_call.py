"""Who is on call, whose turn comes next, and who stands in."""

from datetime import time
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actions import NOTIFICATIONS, VIEW
from accounts.permissions import page_requires
from anomalies.models import OnCallOverride, OnCallSchedule
from anomalies.notify.forms import OverrideForm, ScheduleForm
from anomalies.notify.pages.tabs import tabs_for
from anomalies.notify.scheduling import (
    begins_by_now,
    on_call_now,
    ordered,
    override_add,
    override_delete,
    overrides_ahead,
    schedule_delete,
    schedule_save,
    turns_next,
)
from tenants.context import factory_current


@require_GET
@page_requires(VIEW)
def on_call(request: HttpRequest) -> HttpResponse:
    """Every schedule with whoever is on call, open to everybody in the factory."""
    schedules = OnCallSchedule.objects.prefetch_related("members__user", "overrides")
    shown = [
        {
            "schedule": schedule,
            "now": on_call_now(schedule),
            "turns": turns_next(schedule),
            "overrides": overrides_ahead(schedule),
        }
        for schedule in schedules
    ]
    return render(request, "anomalies/notify/on_call.html", {"schedules": shown, **tabs_for(request, "on_call")})


@require_http_methods(["GET", "POST"])
@page_requires(NOTIFICATIONS)
def schedule_new(request: HttpRequest) -> HttpResponse:
    """A new schedule."""
    factory = factory_current()
    zone = factory.time_zone if factory else "UTC"
    handover_at = time(6)
    begins = begins_by_now(handover_at, ZoneInfo(zone))
    return _edit(request, OnCallSchedule(time_zone=zone, starts_on=begins, handover_at=handover_at))


@require_http_methods(["GET", "POST"])
@page_requires(NOTIFICATIONS)
def schedule(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """A schedule, its people in their order, and who stands in."""
    return _edit(request, _found(schedule_id))


@require_POST
@page_requires(NOTIFICATIONS)
def schedule_end(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Away with it."""
    found = _found(schedule_id)
    schedule_delete(actor=request.user, schedule=found)
    messages.success(request, _("“%(name)s” is gone.") % {"name": found.name})
    return redirect("on_call")


@require_POST
@page_requires(NOTIFICATIONS)
def override_new(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Somebody stands in; times are typed in the schedule's own zone."""
    found = _found(schedule_id)
    with timezone.override(ZoneInfo(found.time_zone)):
        form = OverrideForm(request.POST, instance=OnCallOverride(schedule=found))
        if not form.is_valid():
            return _edit(request, found, override=form)
        override_add(actor=request.user, override=form.save(commit=False))
    messages.success(request, _("Saved."))
    return redirect("schedule", schedule_id=found.pk)


@require_POST
@page_requires(NOTIFICATIONS)
def override_end(request: HttpRequest, override_id: int) -> HttpResponse:
    """Nobody stands in after all."""
    found = get_object_or_404(OnCallOverride.objects.select_related("schedule"), pk=override_id)
    override_delete(actor=request.user, override=found)
    return redirect("schedule", schedule_id=found.schedule_id)


def _found(schedule_id: int) -> OnCallSchedule:
    return get_object_or_404(OnCallSchedule.objects.prefetch_related("members__user", "overrides"), pk=schedule_id)


def _edit(request: HttpRequest, found: OnCallSchedule, *, override: OverrideForm | None = None) -> HttpResponse:
    posted = request.POST if request.method == "POST" and override is None else None
    places = {member.user_id: member.position + 1 for member in found.members.all()} if found.pk else {}
    form = ScheduleForm(posted or None, instance=found, initial={"members": list(places)})
    if posted is not None and form.is_valid():
        numbers = {
            user.pk: int(number)
            for user in form.cleaned_data["members"]
            if (number := request.POST.get(f"place-{user.pk}", "")).isdigit() and len(number) < 4
        }
        saved = schedule_save(
            actor=request.user,
            schedule=form.save(commit=False),
            members=ordered(form.cleaned_data["members"], numbers),
        )
        messages.success(request, _("Saved."))
        return redirect("schedule", schedule_id=saved.pk)
    with timezone.override(ZoneInfo(found.time_zone)):
        context = {
            "schedule": found,
            "form": form,
            "places": places,
            "override_form": override or OverrideForm(),
            "overrides": overrides_ahead(found) if found.pk else [],
            "turns": turns_next(found) if found.pk else [],
            **tabs_for(request, "on_call"),
        }
        wrong = bool(form.errors or (override and override.errors))
        return render(request, "anomalies/notify/schedule.html", context, status=422 if wrong else 200)
