"""The pages an operator works through: the console, one alert, and what is done with them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.permissions import page_requires
from anomalies.alerts.accepting import alert_accept, level_acceptable
from anomalies.alerts.evidence_table import evidence_table
from anomalies.alerts.handling import (
    COMMENT_LENGTH,
    ShelfInvalidError,
    alert_acknowledge,
    alert_close,
    alert_comment,
    alert_shelve,
    alert_unshelve,
    alerts_handle,
)
from anomalies.alerts.similar import alerts_similar
from anomalies.console import AlertFilter, alerts_page, banner_read, source_choices, state_choices, storm_alerts
from anomalies.machine_view import alert_view_config, evidence_parts
from anomalies.models import Alert, Severity, Verdict
from anomalies.notify.inbox import inbox_of, inbox_read, unread_count
from common import clock
from common.errors import DomainError, InvalidInputError
from telemetry.history.spans import machine_zone
from telemetry.models import Machine
from telemetry.templatetags.plant import plant_zone
from telemetry.viewing.preferences import units_of

MOST_AT_ONCE = 5_000
# How long one may shelve with one click, in minutes.
SHELF_MINUTES = (15, 60, 240, 480, 1_440, 10_080)
_DONE: dict[str, Callable[[int], str]] = {
    "acknowledge": lambda n: ngettext("%(n)s alert acknowledged.", "%(n)s alerts acknowledged.", n) % {"n": n},
    "shelve": lambda n: ngettext("%(n)s alert shelved.", "%(n)s alerts shelved.", n) % {"n": n},
    "unshelve": lambda n: ngettext("%(n)s alert is back.", "%(n)s alerts are back.", n) % {"n": n},
    "comment": lambda n: ngettext("%(n)s alert commented.", "%(n)s alerts commented.", n) % {"n": n},
    "close": lambda n: ngettext("%(n)s alert closed.", "%(n)s alerts closed.", n) % {"n": n},
}


@require_GET
@page_requires("view")
def alerts(request: HttpRequest) -> HttpResponse:
    """The list an operator works through."""
    chosen = AlertFilter.of(request.GET)
    context = {
        "page": alerts_page(chosen, zone=plant_zone()),
        "chosen": chosen,
        "states": state_choices(chosen),
        "is_part": _wants_part(request),
        "severities": Severity.choices,
        "sources": source_choices(),
        "machines": Machine.objects.order_by("key").only("key", "name"),
        **dialog_context(),
    }
    template = "anomalies/partials/_alert_list.html" if _wants_part(request) else "anomalies/alerts.html"
    return render(request, template, context)


@require_GET
@page_requires("view")
def alert(request: HttpRequest, alert_id: int) -> HttpResponse:
    """One alert: what, since when, why, what it was before, and what people did about it."""
    found = _alert_or_404(alert_id)
    if isinstance(request.user, User):
        # Whoever came here by mail needs no bell any more.
        inbox_read(inbox_of(request.user).filter(alert=found), request.user)
    context = {
        "alert": found,
        "parts": evidence_parts(found, units=units_of(request.user)),
        "evidence": evidence_table(found),
        "config": alert_view_config(found, units=units_of(request.user)),
        "similar": alerts_similar(found),
        "acceptable": level_acceptable(found),
        **dialog_context(machine_zone(found.machine)),
    }
    template = "anomalies/partials/_alert_body.html" if _wants_part(request) else "anomalies/alert.html"
    return render(request, template, context)


@require_GET
@page_requires("view")
def alert_banner(request: HttpRequest) -> HttpResponse:
    """The worst thing that is wrong right now, for the top of every page, and the count beside the bell."""
    unread = unread_count(request.user) if isinstance(request.user, User) else 0
    return render(request, "anomalies/partials/_banner.html", {"banner": banner_read(), "unread": unread})


@require_POST
@page_requires("acknowledge")
def alert_acknowledge_page(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take an alert in hand, with an optional comment; answers with the alert's row, or its page without scripts."""
    found = _alert_or_404(alert_id)
    # Where somebody was faster, theirs stands and the row shows who it was.
    found = alert_acknowledge(alert=found, user=request.user, comment=_comment(request))
    if not _wants_part(request):
        return HttpResponseRedirect(reverse("alert", args=[found.pk]))
    response = render(request, "anomalies/partials/_alert_row.html", {"alert": found, "selectable": True})
    response["HX-Trigger"] = "refresh-alerts"
    return response


@require_POST
@page_requires("acknowledge")
def alert_deed(request: HttpRequest, alert_id: int, action: str) -> HttpResponse:
    """Do something to one alert from its own page, and go back to it; a refusal is said there."""
    found = _alert_or_404(alert_id)
    try:
        deed_of(request, action, machine_zone(found.machine))(found)
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(reverse("alert", args=[found.pk]))


@require_POST
@page_requires("analytics")
def alert_accept_page(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Take what the machine does now for normal; a refusal is said on the alert's page."""
    found = _alert_or_404(alert_id)
    try:
        alert_accept(alert=found, user=request.user, comment=_comment(request))
    except DomainError as error:
        messages.error(request, error.detail)
    return HttpResponseRedirect(reverse("alert", args=[found.pk]))


@require_POST
@page_requires("acknowledge")
def alerts_handle_page(request: HttpRequest) -> HttpResponse:
    """Do the same to the chosen alerts, or to all of a storm; the list asks for itself anew."""
    action = request.POST.get("action", "")
    try:
        done, refused = alerts_handle(_ids(request), deed_of(request, action, plant_zone()))
    except DomainError as error:
        return _said(request, error.detail, level="error")
    text = _DONE[action](len(done))
    if refused:
        text += " " + ngettext("%(n)s had moved on.", "%(n)s had moved on.", len(refused)) % {"n": len(refused)}
    return _said(request, text, level="warning" if refused else "success")


def deed_of(request: HttpRequest, action: str, zone: ZoneInfo) -> Callable[[Alert], Alert]:
    """What a form asks to be done to an alert. Raises InvalidInputError for what makes no sense."""
    user, comment = request.user, _comment(request)
    if action == "acknowledge":
        return lambda found: alert_acknowledge(alert=found, user=user, comment=comment)
    if action == "shelve":
        reason, until_at = request.POST.get("reason", ""), _until(request, zone)
        return lambda found: alert_shelve(alert=found, user=user, reason=reason, until_at=until_at)
    if action == "unshelve":
        return lambda found: alert_unshelve(alert=found, user=user, comment=comment)
    if action == "comment":
        return lambda found: alert_comment(alert=found, user=user, comment=comment)
    if action == "close":
        verdict = request.POST.get("verdict", "")
        return lambda found: alert_close(alert=found, user=user, verdict=verdict, comment=comment)
    raise InvalidInputError(_("This can't be done with an alert."))


def dialog_context(zone: ZoneInfo | None = None) -> dict[str, Any]:
    """What the dialogs for shelving and closing offer. zone: whose clock an end is given by."""
    return {
        "verdicts": Verdict.choices,
        "shelf_choices": [(minutes, shelf_word(minutes)) for minutes in SHELF_MINUTES],
        "shelf_reasons": [_("Waiting for a part"), _("Being repaired"), _("Known and harmless"), _("Sensor fault")],
        "shelf_zone": (zone or plant_zone()).key,
    }


def shelf_word(minutes: int) -> str:
    """How long a shelf lasts, in words."""
    if minutes < 60:
        return _("%(n)s min") % {"n": minutes}
    if minutes < 1_440:
        return _("%(n)s h") % {"n": minutes // 60}
    return ngettext("%(n)s day", "%(n)s days", minutes // 1_440) % {"n": minutes // 1_440}


def _until(request: HttpRequest, zone: ZoneInfo) -> datetime:
    """The end of a shelf: so many minutes from now, or an instant by the plant's clock."""
    minutes, text = request.POST.get("minutes", ""), request.POST.get("until", "").strip()
    if text and minutes in {"", "until"}:
        try:
            return datetime.fromisoformat(text).replace(tzinfo=zone)
        except ValueError as error:
            raise ShelfInvalidError(_("Say until when, as day and time.")) from error
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 6):
        raise ShelfInvalidError(_("Say for how long."))
    return clock.now() + timedelta(minutes=int(minutes))


def _ids(request: HttpRequest) -> list[int]:
    group = request.POST.get("group", "")
    if group.isascii() and group.isdigit() and len(group) < 18:
        return storm_alerts(int(group))
    texts = [text for text in request.POST.getlist("ids") if text.isascii() and text.isdigit() and len(text) < 18]
    if not texts:
        raise InvalidInputError(_("Choose at least one alert."))
    return list(dict.fromkeys(int(text) for text in texts[:MOST_AT_ONCE]))


def _said(request: HttpRequest, text: str, *, level: str) -> HttpResponse:
    """Tell how it went: to HTMX as a toast, without scripts on the list."""
    if not _wants_part(request):
        messages.add_message(request, getattr(messages, level.upper()), text)
        back = request.POST.get("next", "")
        safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
        return HttpResponseRedirect(back if safe else reverse("alerts"))
    response = HttpResponse(status=204)
    news: dict[str, Any] = {"toast": {"text": text, "level": level}}
    if level != "error":
        news |= {"refresh-alerts": None, "alerts-handled": None}
    response["HX-Trigger"] = json.dumps(news)
    return response


def _comment(request: HttpRequest) -> str:
    return request.POST.get("comment", "").strip()[:COMMENT_LENGTH]


def _alert_or_404(alert_id: int) -> Alert:
    rows = Alert.objects.select_related("machine__line__site", "acknowledged_by", "closed_by", "maintenance", "rule")
    return get_object_or_404(rows, pk=alert_id)


def _wants_part(request: Any) -> bool:
    return bool(request.htmx) and not request.htmx.boosted
