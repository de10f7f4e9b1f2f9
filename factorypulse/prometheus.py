"""`GET /metrics`: the node's figures for Prometheus, for whoever has METRICS_TOKEN; unset, for nobody."""

import hmac
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from common import problems
from common.node_figures import CONTENT_TYPE, figures_publish, figures_text
from telemetry.ingest.waiting import waiting_told

PATHS = frozenset({"/metrics", "/api/v1/metrics"})
ROLE = "web"


def web_figures_begin() -> None:
    """In a process that serves requests: other workers tell its figures too."""
    if settings.METRICS_TOKEN:
        figures_publish(settings.FIGURES_DIR, ROLE)


class PrometheusMiddleware:
    """Answers before a host names a factory: a scraper asks by address, and the figures are the node's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info not in PATHS:
            return self.get_response(request)
        request_id = uuid4().hex
        response = _answer(request, request_id)
        response["X-Request-ID"] = request_id
        response["Cache-Control"] = "no-store"
        return response


def _answer(request: HttpRequest, request_id: str) -> HttpResponse:
    if not _permitted(request):
        return _refusal(401, "not_authenticated", "Send METRICS_TOKEN as a bearer token.", request_id)
    if request.method not in {"GET", "HEAD"}:
        return _refusal(405, "method_not_allowed", "Figures are only read.", request_id)
    waiting_told()
    return HttpResponse(figures_text(settings.FIGURES_DIR, ROLE), content_type=CONTENT_TYPE)


def _permitted(request: HttpRequest) -> bool:
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = settings.METRICS_TOKEN
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _refusal(status: int, code: str, detail: str, request_id: str) -> HttpResponse:
    document = problems.problem(status=status, code=code, detail=detail, request_id=request_id)
    response = JsonResponse(document, status=status, content_type=problems.CONTENT_TYPE)
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="FactoryPulse metrics"'
    if status == 405:
        response["Allow"] = "GET, HEAD"
    return response
