"""Staff that an owner has let in looks at the plant: nobody makes the account, which is shared, their own."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from accounts.support import support_user_email
from tenants.context import factory_current
from tenants.refusals import refusal
from tenants.requests import is_api_path

# Ways to sign in, an address, notifications of one's own: with these a visit would outlast the owner's leave.
_OWN_PAGES = ("/accounts/", "/account")
_LEFT_OPEN = frozenset({"account_logout", "still_here"})


class SupportVisitMiddleware(MiddlewareMixin):
    """Refuses whatever changes something, and the pages of the account itself, to staff on a visit."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if factory_current() is None or getattr(request.user, "email", "") != support_user_email():
            return None
        name = request.resolver_match.url_name if request.resolver_match else None
        looks = request.method in {"GET", "HEAD", "OPTIONS"} and not request.path.startswith(_OWN_PAGES)
        if looks or name in _LEFT_OPEN:
            return None
        detail = _("Support looks at a factory and changes nothing.")
        if is_api_path(request.path):
            return refusal(request, status=403, code="not_permitted", detail=detail)
        raise PermissionDenied(detail)
