"""The only place that turns errors into HTTP: problem documents for programs, pages for people."""

import json
from collections.abc import Mapping
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response

from common.errors import DomainError
from common.problems import CONTENT_TYPE, problem
from factorypulse.json_parser import BodyTooLargeError
from tenants.refusals import refusal
from tenants.requests import is_api_path

_log = structlog.get_logger(__name__)

# The framework's own words for what went wrong, in ours.
_CODES: dict[type[exceptions.APIException], str] = {
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.AuthenticationFailed: "not_authenticated",
    exceptions.PermissionDenied: "not_permitted",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.Throttled: "too_many_requests",
    exceptions.ParseError: "malformed_json",
    exceptions.ValidationError: "invalid_input",
    BodyTooLargeError: "too_large",
}


def problem_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler: every refusal becomes a problem document; anything unforeseen is left to Django."""
    request = context["request"]
    if isinstance(error, DomainError):
        response = _response(request, status=error.status, code=error.code, detail=error.detail, errors=error.errors)
        _tell_when(response, error)
    elif isinstance(error, Http404):
        response = _response(request, status=404, code="not_found", detail=_("There is no such thing here."))
    elif isinstance(error, PermissionDenied):
        response = _response(request, status=403, code="not_permitted", detail=str(error) or _("You may not do this."))
    elif isinstance(error, exceptions.APIException):
        response = _framework_response(request, error)
    else:
        return None
    if response.status_code == 401 and not response.has_header("WWW-Authenticate"):
        response["WWW-Authenticate"] = 'Api-Key realm="FactoryPulse"'
    _log.info("request_refused", code=response.data["code"], status=response.status_code)
    return response


def _framework_response(request: Any, error: exceptions.APIException) -> Response:
    code = next((ours for kind, ours in _CODES.items() if isinstance(error, kind)), "error")
    if isinstance(error, exceptions.ValidationError):
        parts = list(_validation_errors(error.get_full_details()))
        detail = parts[0]["detail"] if len(parts) == 1 else _("Some of the input is wrong.")
        response = _response(request, status=error.status_code, code=code, detail=detail, errors=parts)
    else:
        response = _response(request, status=error.status_code, code=code, detail=str(error.detail))
    # DRF sets both on the error when it knows them.
    challenge, wait_s = getattr(error, "auth_header", None), getattr(error, "wait", None)
    if challenge:
        response["WWW-Authenticate"] = challenge
    if wait_s:
        response["Retry-After"] = str(round(wait_s))
    return response


def _validation_errors(details: Any, where: str = "") -> Any:
    """Flatten a serializer's nested errors into one mapping per offending field."""
    if isinstance(details, Mapping) and "message" in details and "code" in details:
        yield {"field": where or "body", "code": str(details["code"]), "detail": str(details["message"])}
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            yield from _validation_errors(inner, f"{where}.{name}" if where else str(name))
    else:
        for index, inner in enumerate(details):
            leaf = isinstance(inner, Mapping) and "message" in inner
            yield from _validation_errors(inner, where if leaf else f"{where}[{index}]")


def _response(request: Any, *, status: int, code: str, detail: str, errors: Any = ()) -> Response:
    document = problem(status=status, code=code, detail=detail, errors=errors, request_id=_request_id(request))
    return Response(document, status=status, content_type=CONTENT_TYPE)


def _tell_when(response: Any, error: DomainError) -> None:
    """A limit that passes by itself says when: an error may carry `retry_after_s`."""
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        response["Retry-After"] = str(max(1, round(retry_after_s)))


def _request_id(request: Any) -> str:
    return str(getattr(request, "request_id", ""))


class DomainErrorMiddleware(MiddlewareMixin):
    """Domain errors that a page or a plain API view let through become the page, or the problem, that says so."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DomainError):
            return None
        return domain_answer(request, error)


def domain_answer(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The page, or what programs read, that says what an error says."""
    _log.info("request_refused", code=error.code, status=error.status)
    response = _answer(request, status=error.status, code=error.code, detail=error.detail, errors=error.errors)
    _tell_when(response, error)
    allow = getattr(error, "allow", None)
    if allow:
        response["Allow"] = allow
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # says too much
    """handler400."""
    return _answer(request, status=400, code="bad_request", detail=_("This request can't be understood."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    detail = str(exception) or _("You may not do this.")
    return _answer(request, status=403, code="not_permitted", detail=detail)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # foreign and missing look the same
    """handler404."""
    return _answer(request, status=404, code="not_found", detail=_("There is nothing at this address."))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500."""
    detail = _("Something went wrong on our side. It has been logged; the request id finds it.")
    return _answer(request, status=500, code="server_error", detail=detail)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW."""
    detail = _("This page was open too long, or cookies are off. Reload it and try again.")
    return _answer(request, status=403, code="csrf_failed", detail=detail)


def _answer(request: HttpRequest, *, status: int, code: str, detail: str, errors: Any = ()) -> HttpResponse:
    if is_api_path(request.path):
        return refusal(request, status=status, code=code, detail=detail, errors=errors)
    document = problem(status=status, code=code, detail=detail, errors=errors, request_id=_request_id(request))
    # After a fault of ours nothing is taken for granted: no session, no person, no factory, no shared frame.
    template = "error.html" if status < 500 else "error_server.html"
    response = render(request if status < 500 else None, template, {"problem": document}, status=status)
    if request.headers.get("HX-Request") and request.method != "GET":
        # A part of a page is not replaced by the page of an error, so whoever pressed is told at the page's corner.
        response["HX-Trigger"] = json.dumps({"toast": {"text": str(detail), "level": "error"}})
    return response
