"""A screen that came by a link sees the wall and what the wall asks for; every other door is shut to it."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from tenants.refusals import refusal
from tenants.requests import is_api_path

_LINKS = "/wall/"
# By name of the URL: the wall, its parts, and what a browser fetches for any page.
WALL_PAGES = frozenset(
    {"wall", "wall_by_link", "wall_alerts", "fleet_summary", "tile_state", "manifest", "service_worker"}
    | {"health_live", "health_ready"}
)


def opened_by_link(path: str) -> bool:
    """Whether the page at this path was opened by a link to the wall."""
    return path.startswith(_LINKS)


class WallOnlyMiddleware(MiddlewareMixin):
    """Refuses every page and all of the API to the accounts behind links to the wall."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not getattr(request.user, "wall_only", False):
            return None
        name = request.resolver_match.url_name if request.resolver_match else None
        if name in WALL_PAGES and request.method in {"GET", "HEAD"}:
            return None
        detail = _("This screen shows the wall alone.")
        if is_api_path(request.path):
            return refusal(request, status=403, code="not_permitted", detail=detail)
        raise PermissionDenied(detail)
