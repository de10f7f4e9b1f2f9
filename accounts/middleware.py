"""Pages of a factory are closed unless they say otherwise."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
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
from accounts.second_factor import second_factor_enough, second_factor_stands
from accounts.wall_only import opened_by_link
from tenants.context import factory_current
from tenants.refusals import refusal
from tenants.requests import is_api_path

# Doors that prove who asks by themselves, or that say nothing about a factory: sign-in and what belongs to it
# (django-allauth guards its own pages), health, static files, and the API's documentation.
OPEN_PREFIXES = ("/accounts/", "/health/", "/static/", "/api/schema", "/api/docs", "/api/redoc")


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
        if factory is None:
            return _staff_without_one(request)
        if not factory.mfa_required or request.path.startswith(OPEN_PREFIXES):
            return None
        # Programs prove themselves by keys and tokens, which `accounts.login` gives out with a second factor alone.
        if not request.user.is_authenticated or second_factor_enough(request.user):
            return None
        if is_api_path(request.path):
            detail = _("This factory requires a second factor: set one up on your account page.")
            return refusal(request, status=403, code="second_factor_required", detail=detail)
        messages.info(request, _("This factory requires a second factor. Set one up to go on."))
        if request.headers.get("HX-Request"):
            return _leave_for(reverse("mfa_index"), status=403)
        return redirect("mfa_index")


def _staff_without_one(request: HttpRequest) -> HttpResponse | None:
    """Where staff needs one, the staff's site shows the page that sets it up and no other."""
    if not settings.STAFF_SECOND_FACTOR or not request.path.startswith(reverse("staff:index")):
        return None
    open_pages = {reverse("staff:second_factor"), reverse("staff:logout"), reverse("staff:login")}
    if not request.user.is_authenticated or request.path in open_pages or second_factor_stands(request.user):
        return None
    return redirect("staff:second_factor")


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
