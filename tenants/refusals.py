"""How a program is refused: a problem document, or InfluxDB's own shape where its clients ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from common.influx_errors import header_text, influx_error, speaks_influx
from common.problems import CONTENT_TYPE, problem


def refusal(
    request: HttpRequest, *, status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()
) -> HttpResponse:
    """The answer of an API path that says no."""
    if speaks_influx(request.path):
        response = JsonResponse(influx_error(request.path, status=status, detail=detail, errors=errors), status=status)
        response["X-Influxdb-Error"] = header_text(detail)
        challenge = "Token"
    else:
        request_id = str(getattr(request, "request_id", ""))
        document = problem(status=status, code=code, detail=detail, errors=errors, request_id=request_id)
        response = JsonResponse(document, status=status, content_type=CONTENT_TYPE)
        challenge = "Api-Key"
    if status == 401:
        response["WWW-Authenticate"] = f'{challenge} realm="FactoryPulse"'
    return response
