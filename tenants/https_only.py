"""Programs are refused in the open and never led to TLS: whoever is led there has sent the key already, unseen."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from tenants.refusals import refusal
from tenants.requests import is_api_path


class HttpsOnlyMiddleware:
    """Stands before the framework's, which sends people's browsers on to the same page by TLS."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SECURE_SSL_REDIRECT and is_api_path(request.path) and not request.is_secure():
            detail = _("Use https here. What was sent now went through the network in the open: change the key.")
            return refusal(request, status=403, code="https_required", detail=detail)
        return self.get_response(request)
