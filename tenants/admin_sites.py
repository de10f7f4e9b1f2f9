"""What both admins share: the one of a factory and the staff's."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from unfold.sites import UnfoldAdminSite

View = Callable[..., HttpResponseBase]

# Unfold is built with Alpine.js, which compiles the expressions in its attributes, and its pages carry inline scripts
# and styles. The rest of the product allows none of that; other sources than our own stay forbidden here too.
_ADMIN_CSP = {
    "script-src": ["'self'", "'unsafe-eval'", "'unsafe-inline'"],
    "style-src": ["'self'", "'unsafe-inline'"],
}


class ScriptedAdminSite(UnfoldAdminSite):
    """An unfold site whose pages alone may run what unfold's scripts need."""

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap a view of the admin in the relaxed content security policy."""
        wrapped = super().admin_view(view, cacheable)

        def relaxed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase = wrapped(request, *args, **kwargs)
            response._csp_update = _ADMIN_CSP  # type: ignore[attr-defined]  # read by csp.middleware
            return response

        return update_wrapper(relaxed, view)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The sign-in page, which needs the same scripts: without them an overlay that they hide takes every click."""
        response: HttpResponse = super().login(request, extra_context)
        response._csp_update = _ADMIN_CSP  # type: ignore[attr-defined]  # read by csp.middleware
        return response
