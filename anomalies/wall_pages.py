"""The plant on a wall screen: no hands, big type, and the last picture with its age when the network is cut."""

from typing import Any

from django.contrib.auth import login
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.audit import audit_record
from accounts.permissions import page_requires, public_page
from accounts.reach import reach_bound, reach_of
from accounts.wall_links import wall_link_enter
from anomalies.models import OPEN_STATES, Alert, AlertState, Severity
from anomalies.summary import dashboard_summary
from anomalies.tiles import tiles_by_line
from common import clock

# Of each screen, as seconds in the address (`?every=20`).
EVERY_S, _LEAST_S, _MOST_S = 15, 5, 600
_ALERTS_SHOWN = 3
_RANK = {severity: rank for rank, severity in enumerate(Severity.values)}


@require_GET
@page_requires("view")
def wall(request: HttpRequest) -> HttpResponse:
    """Every machine, as many to a screen as fit, line after line."""
    return _wall(request)


@require_GET
@public_page
@never_cache
def wall_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """The wall for a screen that nobody signs in at: the address stays, so a reload or a restart comes back by it."""
    link = wall_link_enter(token)
    if request.user.is_authenticated and request.user.pk != link.user.pk:
        # Whoever is signed in here stays so, and sees the wall as themselves.
        return redirect("wall")
    if not request.user.is_authenticated:
        login(request, link.user, backend="accounts.wall_links.WallLinkBackend")
        request.session.set_expiry(link.expires_at)
        audit_record(actor=link.name, action="wall_link.opened", target=link.name)
    with reach_bound(reach_of(link.user)):
        return _wall(request)


def _wall(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("every", "")
    every_s = (
        min(_MOST_S, max(_LEAST_S, int(asked))) if asked.isascii() and asked.isdecimal() and len(asked) < 5 else EVERY_S
    )
    context = {"groups": tiles_by_line(clock.now()), "summary": dashboard_summary(), "every_s": every_s}
    return render(request, "anomalies/wall.html", {**context, **_alerts_context()})


@require_GET
@page_requires("view")
def wall_alerts(request: HttpRequest) -> HttpResponse:
    """The worst that is wrong now, whichever screen is on."""
    return render(request, "anomalies/partials/_wall_alerts.html", _alerts_context())


def _alerts_context() -> dict[str, Any]:
    alerts = sorted(_wrong_now(), key=_urgency)
    return {"alerts": alerts[:_ALERTS_SHOWN], "more": max(0, len(alerts) - _ALERTS_SHOWN)}


def _wrong_now() -> QuerySet[Alert]:
    """What is over and only waits to be acknowledged is no news for a wall."""
    still = Alert.objects.filter(state__in=OPEN_STATES).exclude(state=AlertState.RETURNED_UNACKNOWLEDGED)
    return still.select_related("machine", "acknowledged_by")


def _urgency(alert: Alert) -> tuple[bool, int, float]:
    return (
        alert.state == AlertState.ACTIVE_ACKNOWLEDGED,
        -_RANK.get(Severity(alert.severity), 0),
        -alert.raised_at.timestamp(),
    )
