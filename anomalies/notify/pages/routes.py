"""Who is told what: the factory's routes, and who would be told of an alert now."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.actions import NOTIFICATIONS
from accounts.audit import audit_record
from accounts.permissions import page_requires
from anomalies.models import Route, RouteStep
from anomalies.notify.forms import PreviewForm, RouteForm, StepFormSet
from anomalies.notify.pages.tabs import tabs_for
from anomalies.notify.trying import route_test, who_would_be_told
from anomalies.notify.twilio_api import TwilioSettings


@require_GET
@page_requires(NOTIFICATIONS)
def routes(request: HttpRequest) -> HttpResponse:
    """All routes; with `?machine=` and `?severity=` also who would be told now."""
    asked = PreviewForm(request.GET) if request.GET.get("machine") else PreviewForm()
    stages = None
    if asked.is_bound and asked.is_valid():
        stages = who_would_be_told(asked.cleaned_data["machine"], asked.cleaned_data["severity"])
    found = Route.objects.prefetch_related(
        "sites", "lines", "machines", "steps__people", "steps__schedules", "steps__targets"
    )
    context = {
        "routes": found,
        "preview": asked,
        "stages": stages,
        "phones": TwilioSettings.read() is not None,
        **tabs_for(request, "routes"),
    }
    return render(request, "anomalies/notify/routes.html", context)


@require_http_methods(["GET", "POST"])
@page_requires(NOTIFICATIONS)
def route_new(request: HttpRequest) -> HttpResponse:
    """A new route with its first step."""
    return _edit(request, Route())


@require_http_methods(["GET", "POST"])
@page_requires(NOTIFICATIONS)
def route(request: HttpRequest, route_id: int) -> HttpResponse:
    """A route and its steps."""
    return _edit(request, get_object_or_404(Route, pk=route_id))


@require_POST
@page_requires(NOTIFICATIONS)
def route_try(request: HttpRequest, route_id: int) -> HttpResponse:
    """Send a test to everybody it tells."""
    found = get_object_or_404(Route, pk=route_id)
    sent = route_test(found)
    audit_record(actor=request.user, action="route.test", target=found.name, messages=len(sent))
    if sent:
        messages.success(request, _("%(count)s test messages are on their way.") % {"count": len(sent)})
    else:
        messages.error(request, _("This route reaches nobody as it stands."))
    return redirect("route", route_id=found.pk)


@require_POST
@page_requires(NOTIFICATIONS)
def route_end(request: HttpRequest, route_id: int) -> HttpResponse:
    """Away with it."""
    found = get_object_or_404(Route, pk=route_id)
    with transaction.atomic():
        audit_record(actor=request.user, action="route.delete", target=found.name)
        found.delete()
    messages.success(request, _("“%(name)s” is gone.") % {"name": found.name})
    return redirect("routes")


def _edit(request: HttpRequest, found: Route) -> HttpResponse:
    queryset = RouteStep.objects.filter(route=found) if found.pk else RouteStep.objects.none()
    form = RouteForm(request.POST or None, instance=found)
    steps = StepFormSet(request.POST or None, queryset=queryset, prefix="steps")
    if request.method == "POST" and form.is_valid() and steps.is_valid():
        _save(request.user, form, steps)
        messages.success(request, _("Saved."))
        return redirect("route", route_id=form.instance.pk)
    wrong = bool(form.errors or steps.total_error_count())
    context = {"route": found, "form": form, "steps": steps, **tabs_for(request, "routes")}
    return render(request, "anomalies/notify/route.html", context, status=422 if wrong else 200)


def _save(actor: Any, form: RouteForm, steps: Any) -> None:
    with transaction.atomic():
        made = form.instance.pk is None
        saved = form.save()
        for step in steps.save(commit=False):
            step.route = saved
            step.save()
        steps.save_m2m()
        for step in steps.deleted_objects:
            step.delete()
        audit_record(actor=actor, action="route.create" if made else "route.change", target=saved.name)
