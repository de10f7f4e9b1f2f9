"""Pages of a factory are closed unless they say otherwise."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.middleware import UserSessionsMiddleware
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from accounts.attempts import network_address
from accounts.audit import asked_from
from accounts.reach import reach_bound, reach_enter, reach_of
from accounts.support import support_user_email
from accounts.wall_only import opened_by_link
from common.expiring import ExpiringMap
from tenants.context import factory_current
from tenants.refusals import refusal
from tenants.requests import is_api_path

# Doors that prove who asks by themselves, or that say nothing about a factory: sign-in and what belongs to it
# (django-allauth guards its own pages), health, static files, and the API's documentation.
_HAS_SECOND_FACTOR = "has_second_factor"
OPEN_PREFIXES = ("/accounts/", "/health/", "/static/", "/api/schema", "/api/docs", "/api/redoc")


class SessionActivityMiddleware(UserSessionsMiddleware):
    """Notes that a session is in use, every few minutes: a write for each request would cost more than the request."""

    _noted = ExpiringMap[tuple[str, str], bool](size=10_000, fresh_s=300)

    def __call__(self, request: HttpRequest) -> Any:
        key = (str(getattr(factory_current(), "slug", "")), request.session.session_key or "")
        if not key[1] or self._noted.fresh(key):
            return self.get_response(request)
        if request.user.is_authenticated:
            self._noted.put(key, True)
        return super().__call__(request)


class ReachMiddleware(MiddlewareMixin):
    """Binds how far a signed-in person sees on pages, and where the request comes from; lets go of both at its end.

    The API's doors bind it themselves, each as it proves who asks (`accounts.authentication`).
    """

    def __call__(self, request: HttpRequest) -> Any:
        with reach_bound(None), asked_from(partial(network_address, request)):
            return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if factory_current() is not None and not is_api_path(request.path) and request.user.is_authenticated:
            reach_enter(reach_of(request.user))


class SignInRequiredMiddleware(MiddlewareMixin):
    """Sends a stranger to sign-in on every page of a factory that is not marked `@public_page`."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if factory_current() is None or is_api_path(request.path) or request.path.startswith(OPEN_PREFIXES):
            return None
        if getattr(view, "public_page", False) or request.user.is_authenticated:
            return None
        if request.headers.get("HX-Request"):
            return _send_whole_page(request)
        return redirect_to_login(request.get_full_path())


class SecondFactorMiddleware(MiddlewareMixin):
    """Where a factory requires a second factor, whoever has none sets one up before anything else."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        factory = factory_current()
        if factory is None or not factory.mfa_required or request.path.startswith(OPEN_PREFIXES):
            return None
        # Programs prove themselves by keys and tokens, which `accounts.login` gives out with a second factor alone.
        if not request.user.is_authenticated or second_factor_stands(request):
            return None
        if is_api_path(request.path):
            detail = _("This factory requires a second factor: set one up on your account page.")
            return refusal(request, status=403, code="second_factor_required", detail=detail)
        messages.info(request, _("This factory requires a second factor. Set one up to go on."))
        if request.headers.get("HX-Request"):
            return _leave_for(reverse("mfa_index"), status=403)
        return redirect("mfa_index")


def second_factor_stands(request: HttpRequest) -> bool:
    """Whether the person has one; remembered in the session, because pages ask all the time."""
    if request.session.get(_HAS_SECOND_FACTOR):
        return True
    exempt = getattr(request.user, "wall_only", False) or request.user.get_username() == support_user_email()
    if not is_mfa_enabled(request.user) and not exempt:
        return False
    request.session[_HAS_SECOND_FACTOR] = True
    return True


def _send_whole_page(request: HttpRequest) -> HttpResponse:
    """A partial must not be replaced by the sign-in page, so HTMX is told to leave for it, and to come back here."""
    shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    here = urlunsplit(("", "", shown.path or "/", shown.query, ""))
    # A screen that came by a link comes back by it: it has nobody who could sign in.
    return _leave_for(here if opened_by_link(shown.path) else redirect_to_login(here).url, status=401)


def _leave_for(address: str, *, status: int) -> HttpResponse:
    response = HttpResponse(status=status)
    response["HX-Redirect"] = address
    return response
