"""What a factory answers is not for a browser's cache, nor for one on the way, unless the answer says otherwise."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants.context import factory_current


class NotKeptMiddleware:
    """Stands behind static files, which are the same for everybody and say themselves how long they hold."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if factory_current() is not None and "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-store"
        return response
