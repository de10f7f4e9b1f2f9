"""The pages that show how a machine is, and what is wrong: a machine, alerts."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from anomalies.alerts.opening import alert_acknowledge as acknowledge
from anomalies.console import AlertFilter, alerts_page, banner_read, state_choices
from anomalies.machine_view import alert_view_config, evidence_parts
from anomalies.models import Alert, Severity
from telemetry.models import Machine
from telemetry.viewing.preferences import units_of

COMMENT_LENGTH = 2_000


@require_GET
@page_requires("view")
def alerts(request: HttpRequest) -> HttpResponse:
    """The list an operator works through."""
    chosen = AlertFilter.of(request.GET)
    context = {
        "page": alerts_page(chosen),
        "chosen": chosen,
        "states": state_choices(chosen),
        "severities": Severity.choices,
        "machines": Machine.objects.order_by("key").only("key", "name"),
    }
    template = "anomalies/partials/_alert_list.html" if _wants_part(request) else "anomalies/alerts.html"
    return render(request, template, context)


@require_GET
@page_requires("view")
def alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    """One alert: what, since when, why, and what people did about it."""
    found = _alert_or_404(alert_id)
    context = {
        "alert": found,
        "parts": evidence_parts(found),
        "config": alert_view_config(found, units=units_of(request.user)),
    }
    template = "anomalies/partials/_alert_body.html" if _wants_part(request) else "anomalies/alert.html"
    return render(request, template, context)


@require_GET
@page_requires("view")
def alert_banner(request: HttpRequest) -> HttpResponse:
    """The worst thing that is wrong right now, for the top of every page; empty when nothing is."""
    return render(request, "anomalies/partials/_banner.html", {"banner": banner_read()})


@require_POST
@page_requires("acknowledge")
def alert_acknowledge(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take an alert in hand, with an optional comment; answers with the alert's row, or its page without scripts."""
    found = _alert_or_404(alert_id)
    comment = request.POST.get("comment", "").strip()[:COMMENT_LENGTH]
    # Where somebody was faster, theirs stands and the row shows who it was.
    found = acknowledge(alert=found, user=request.user, comment=comment)
    if not _wants_part(request):
        return HttpResponseRedirect(reverse("alert", args=[found.pk]))
    response = render(request, "anomalies/partials/_alert_row.html", {"alert": found})
    response["HX-Trigger"] = "refresh-alerts"
    return response


def _alert_or_404(alert_id: int) -> Alert:
    return get_object_or_404(Alert.objects.select_related("machine__line__site", "acknowledged_by"), pk=alert_id)


def _wants_part(request: Any) -> bool:
    return bool(request.htmx) and not request.htmx.boosted
