"""Webhooks and chat rooms: made, tried, given new secrets, with the log of what went there."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actions import NOTIFICATIONS
from accounts.permissions import page_requires
from anomalies.models import NotificationTarget, TargetHealth
from anomalies.notify.forms import TargetChangeForm, TargetForm
from anomalies.notify.pages.tabs import tabs_for
from anomalies.notify.targets import (
    address_hint,
    secret_rotate,
    target_change,
    target_create,
    target_delete,
    target_get,
)
from anomalies.notify.trying import target_test
from common.errors import DomainError

_LOG_SHOWN = 25


@never_cache
@require_http_methods(["GET", "POST"])
@page_requires(NOTIFICATIONS)
def targets(request: HttpRequest) -> HttpResponse:
    """All of them; POST makes one more and shows its secret this once."""
    form = TargetForm(request.POST or None)
    made, secret = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = target_create(actor=request.user, **form.cleaned_data)
        except DomainError as error:
            form.add_error("name" if error.code == "target_name_taken" else "address", error.detail)
        else:
            form = TargetForm()
    context = {
        "form": form,
        "targets": _with_health(),
        "made": made,
        "secret": secret,
        **tabs_for(request, "targets"),
    }
    return render(request, "anomalies/notify/targets.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "POST"])
@page_requires(NOTIFICATIONS)
def target(request: HttpRequest, target_id: int) -> HttpResponse:
    """One of them with its log; POST changes it."""
    found = target_get(target_id)
    form = TargetChangeForm(request.POST or None, initial={"name": found.name, "active": found.active})
    if request.method == "POST" and form.is_valid():
        try:
            target_change(actor=request.user, target=found, **form.cleaned_data)
        except DomainError as error:
            form.add_error("name" if error.code == "target_name_taken" else "address", error.detail)
        else:
            messages.success(request, _("Saved."))
            return redirect("target", target_id=found.pk)
    return _page(request, found, form=form)


@never_cache
@require_POST
@page_requires(NOTIFICATIONS)
def target_secret(request: HttpRequest, target_id: int) -> HttpResponse:
    """A new secret, shown this once."""
    found = target_get(target_id)
    try:
        secret = secret_rotate(actor=request.user, target=found)
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect("target", target_id=found.pk)
    return _page(request, found, secret=secret)


@require_POST
@page_requires(NOTIFICATIONS)
def target_try(request: HttpRequest, target_id: int) -> HttpResponse:
    """Send it a test."""
    found = target_get(target_id)
    target_test(found)
    messages.success(request, _("The test is on its way; the log below shows what came of it."))
    return redirect("target", target_id=found.pk)


@require_POST
@page_requires(NOTIFICATIONS)
def target_end(request: HttpRequest, target_id: int) -> HttpResponse:
    """Away with it."""
    found = target_get(target_id)
    target_delete(actor=request.user, target=found)
    messages.success(request, _("“%(name)s” is gone.") % {"name": found.name})
    return redirect("targets")


def _page(
    request: HttpRequest, found: NotificationTarget, *, form: TargetChangeForm | None = None, secret: str = ""
) -> HttpResponse:
    form = form or TargetChangeForm(initial={"name": found.name, "active": found.active})
    try:
        hint = address_hint(found)
    except DomainError as error:
        hint = error.detail
    context = {
        "target": found,
        "form": form,
        "secret": secret,
        "hint": hint,
        "health": TargetHealth.objects.filter(key=found.health_key).first(),
        "log": found.notifications.select_related("alert__machine").order_by("-pk")[:_LOG_SHOWN],
        **tabs_for(request, "targets"),
    }
    return render(request, "anomalies/notify/target.html", context, status=422 if form.errors else 200)


def _with_health() -> list[dict[str, Any]]:
    healths = {health.key: health for health in TargetHealth.objects.filter(key__startswith="target:")}
    return [{"target": row, "health": healths.get(row.health_key)} for row in NotificationTarget.objects.all()]
