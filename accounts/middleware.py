"""Pages of a factory are closed unless they say otherwise."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from accounts.attempts import network_address
from accounts.audit import asked_from
from accounts.reach import reach_bound, reach_enter, reach_of
from tenants.context import factory_current
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


def _send_whole_page(request: HttpRequest) -> HttpResponse:
    """A partial must not be replaced by the sign-in page, so HTMX is told to leave for it, and to come back here."""
    shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    response = HttpResponse(status=401)
    response["HX-Redirect"] = redirect_to_login(urlunsplit(("", "", shown.path or "/", shown.query, ""))).url
    return response
