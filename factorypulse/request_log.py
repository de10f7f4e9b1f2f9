"""Two lines a request in the log, without what a URL may carry in secret; of devices' requests, what was refused."""

import structlog
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares.request import RequestMiddleware

from common.proofs import proofs_hidden
from telemetry.urls_ingest import DEVICE_DOORS


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's, naming the method and the path alone."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._device if request.path_info in DEVICE_DOORS else super().__call__
        response: HttpResponse = answer(request)
        return response

    def _device(self, request: HttpRequest) -> HttpResponse:
        """Devices send by the thousand a second: lines for each would cost more than taking their readings."""
        structlog.contextvars.bind_contextvars(request_id=request.META.get("HTTP_X_REQUEST_ID", ""))
        response: HttpResponse = self.get_response(request)
        if response.status_code >= 400:
            self.bind_ip(request)
            self.handle_response(request, response)
        else:
            structlog.contextvars.clear_contextvars()
        return response

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """
        >>> request = HttpRequest()
        >>> request.method, request.path = "GET", "/invitations/aB3dE5fG7hI9jK1mN3pQ5rS7"
        >>> RequestLogMiddleware.format_request(request)
        'GET /invitations/…'
        """
        return f"{request.method} {proofs_hidden(request.path)}"
