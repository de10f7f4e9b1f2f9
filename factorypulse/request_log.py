"""Two lines a request in the log, without what a URL may carry in secret."""

import re

from django.http import HttpRequest
from django_structlog.middlewares.request import RequestMiddleware

# Invitations, confirmations and hand-overs carry their proof in the path; keys and tickets come in the query.
_PROOF = re.compile(r"(?<=/)[A-Za-z0-9_:.~-]{24,}(?=/|$)")


class RequestLogMiddleware(RequestMiddleware):
    """django-structlog's, naming the method and the path alone."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """
        >>> request = HttpRequest()
        >>> request.method, request.path = "GET", "/invitations/aB3dE5fG7hI9jK1mN3pQ5rS7"
        >>> RequestLogMiddleware.format_request(request)
        'GET /invitations/…'
        """
        return f"{request.method} {_PROOF.sub('…', request.path)}"
