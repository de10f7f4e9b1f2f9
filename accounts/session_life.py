"""Browsers are signed out when their time is over or nobody uses them, and leave nothing behind.

What counts as use is what somebody does: opens a page, presses a button, or moves and types, which
static/js/modules/at-work.js tells now and then. What a page asks by itself counts for nothing.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.permissions import page_requires
from common import clock
from common.expiring import ExpiringMap
from tenants.context import factory_current
from tenants.requests import is_api_path
from tenants.session_life import LONGEST_S, session_begun, session_over, session_unused_s, session_used

_log = structlog.get_logger(__name__)
# Staff may shut any factory: half an hour away from the desk, or a working day, is enough.
STAFF_IDLE_S, STAFF_LONGEST_S = 30 * 60, 12 * 3600
# A write for each request would cost more than the request.
_NOTED_EVERY_S = 60
_noted: ExpiringMap[tuple[str, str], bool] = ExpiringMap(size=10_000, fresh_s=_NOTED_EVERY_S)


class SessionLifeMiddleware:
    """Ends a session that is over, notes one that is used, renews one whose person proved themselves again, and tells a
    browser that is signed out to forget.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        signed_in = request.user.is_authenticated
        if signed_in and not _is_screen(request) and session_over(request.session, **_limits()):
            _end(request)
        elif signed_in and (_is_screen(request) or _is_use(request)):
            _note(request)
        proved_at = _proved_at(request)
        response = self.get_response(request)
        if signed_in and SESSION_KEY in request.session and _proved_at(request) > proved_at:
            _renew(request)
        # By the session, because the API's doors make nobody of whoever they refuse.
        if signed_in and SESSION_KEY not in request.session:
            # What was kept by the browser's own cache; what scripts keep, they drop themselves (sign-out.js).
            response["Clear-Site-Data"] = '"cache"'
        return response


@require_POST
@page_requires("view")
def still_here(request: HttpRequest) -> HttpResponse:
    """Somebody moves or types: `SessionLifeMiddleware` has noted it already."""
    return HttpResponse(status=204)


def session_started(sender: Any, request: Any = None, **_signal: Any) -> None:
    """Receives the framework's signal that somebody has signed in."""
    if request is not None and hasattr(request, "session"):
        session_begun(request.session)


def sessions_tend() -> int:
    """End the factory's sessions that nobody uses, with what they watch; forget what has run out. How many ended."""
    factory, now = factory_current(), clock.now()
    if factory is None:
        return 0
    # Processes note a use a minute late at most.
    unused_since = now - timedelta(minutes=factory.idle_minutes, seconds=2 * _NOTED_EVERY_S)
    ended = 0
    for session in UserSession.objects.filter(last_seen_at__lt=unused_since, user__wall_only=False):
        session.end()
        ended += 1
    Session.objects.filter(expire_date__lt=now).delete()
    OutstandingToken.objects.filter(expires_at__lt=now).delete()
    return ended


def _proved_at(request: HttpRequest) -> float:
    """When whoever is signed in proved once more who they are, in epoch seconds; 0 if they never did."""
    records = request.session.get(AUTHENTICATION_METHODS_SESSION_KEY)
    again = [record for record in records or () if record.get("reauthenticated")]
    return float(again[-1]["at"]) if again else 0.0


def _renew(request: HttpRequest) -> None:
    """Under a new key: whoever has read the one before is not let into more than they were in already."""
    before = request.session.session_key
    request.session.cycle_key()
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)


def _limits() -> dict[str, float]:
    factory = factory_current()
    if factory is None:
        return {"idle_s": STAFF_IDLE_S, "longest_s": STAFF_LONGEST_S}
    return {"idle_s": factory.idle_minutes * 60, "longest_s": LONGEST_S}


def _is_screen(request: HttpRequest) -> bool:
    """A hall's screen has nobody who uses it; its link has an end of its own."""
    return bool(getattr(request.user, "wall_only", False))


def _is_use(request: HttpRequest) -> bool:
    if request.method not in {"GET", "HEAD", "OPTIONS"}:
        return True
    asked_by = request.headers.get("Sec-Fetch-Mode")
    if asked_by is not None:
        # Browsers say so when a person's hand is behind it: a page that loads itself again says nothing.
        return asked_by == "navigate" and request.headers.get("Sec-Fetch-User") == "?1"
    # Without TLS, and by old browsers, that is not told.
    return "HX-Request" not in request.headers and not is_api_path(request.path)


def _note(request: HttpRequest) -> None:
    key = (str(getattr(factory_current(), "slug", "")), request.session.session_key or "")
    if session_unused_s(request.session) >= _NOTED_EVERY_S:
        session_used(request.session)
    if key[1] and not _noted.fresh(key):
        _noted.put(key, True)
        UserSession.objects.create_from_request(request)


def _end(request: HttpRequest) -> None:
    _log.info("session_over", person=request.user.pk)
    for session in UserSession.objects.filter(session_key=request.session.session_key):
        session.end()  # with what it watches
    request.session.flush()
    request.user = AnonymousUser()
    if "HX-Request" not in request.headers and not is_api_path(request.path):
        messages.info(
            request, _("Please sign in again: this browser was not used for a while, or you signed in long ago.")
        )
