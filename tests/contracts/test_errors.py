"""Every refusal of the API is a problem document, and every refusal of a page is a page."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from common.errors import ConflictError, LimitReachedError
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of


class _TakenError(ConflictError):
    code = "seat_taken"


class _BusyError(LimitReachedError):
    code = "busy"
    retry_after_s = 12.4


class _Body(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=3)
    rows = serializers.ListField(child=serializers.IntegerField())


RAISED: dict[str, Callable[[], Exception]] = {
    "domain": lambda: _TakenError("The seat is taken.", errors=[{"index": 3, "code": "twice", "detail": "Twice."}]),
    "busy": lambda: _BusyError("Too much."),
    "missing": lambda: Http404("secret table"),
    "denied": PermissionDenied,
    "throttled": lambda: exceptions.Throttled(wait=7),
    "media": lambda: exceptions.UnsupportedMediaType("text/html"),
    "fault": lambda: ZeroDivisionError("secret detail"),
}


class _Raises(APIView):
    permission_classes = ()

    def get(self, request: Request, what: str) -> Response:
        raise RAISED[what]()

    def post(self, request: Request, what: str) -> Response:
        body = _Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.data)


class _Closed(APIView):
    def get(self, request: Request) -> Response:
        return Response("open")


def _page(request: HttpRequest, what: str) -> HttpResponse:
    raise RAISED[what]()


urlpatterns = [
    path("api/v1/raises/<str:what>", _Raises.as_view()),
    path("api/v1/closed", _Closed.as_view()),
    path("page/<str:what>", _page),
    path("accounts/logout/", _page, name="account_logout"),
]
handler403 = "factorypulse.api_errors.forbidden"
handler404 = "factorypulse.api_errors.not_found"
handler500 = "factorypulse.api_errors.server_error"


@pytest.fixture
def client(acme: Factory, owner: User, client_for: Callable[..., FactoryClient]) -> Any:
    client = client_for(owner)
    client.raise_request_exception = False
    with override_settings(ROOT_URLCONF=__name__):
        yield client


def _problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    document: dict[str, Any] = response.json()
    assert set(document) == {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == response["X-Request-ID"]
    assert "secret" not in response.content.decode()
    return document


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("domain", 409, "seat_taken"),
        ("busy", 429, "busy"),
        ("missing", 404, "not_found"),
        ("denied", 403, "not_permitted"),
        ("throttled", 429, "too_many_requests"),
        ("media", 415, "unsupported_media_type"),
        ("fault", 500, "server_error"),
    ],
)
def test_what_an_api_view_raises_becomes_a_problem(client: FactoryClient, what: str, status: int, code: str) -> None:
    _problem(client.get(f"/api/v1/raises/{what}"), status, code)


def test_a_domain_error_keeps_its_sentence_and_its_parts(client: FactoryClient) -> None:
    document = _problem(client.get("/api/v1/raises/domain"), 409, "seat_taken")
    assert document["detail"] == "The seat is taken."
    assert document["errors"] == [{"index": 3, "code": "twice", "detail": "Twice."}]


def test_a_limit_that_passes_says_when(client: FactoryClient) -> None:
    assert client.get("/api/v1/raises/busy")["Retry-After"] == "12"
    assert client.get("/api/v1/raises/throttled")["Retry-After"] == "7"


def test_wrong_input_names_every_field(client: FactoryClient) -> None:
    document = _problem(
        client.post_json("/api/v1/raises/x", {"name": "long", "rows": [1, "two"]}), 400, "invalid_input"
    )
    assert {error["field"] for error in document["errors"]} == {"name", "rows.1"}
    missing = _problem(client.post_json("/api/v1/raises/x", {}), 400, "invalid_input")
    assert {error["code"] for error in missing["errors"]} == {"required"}


@pytest.mark.parametrize("body", ["{", "[1,", "\x00", '{"a": NaN', "[" * 100_000])
def test_a_body_that_is_no_json_is_malformed(client: FactoryClient, body: str) -> None:
    _problem(client.post("/api/v1/raises/x", body, content_type="application/json"), 400, "malformed_json")


def test_a_body_larger_than_the_api_needs_is_refused(client: FactoryClient) -> None:
    body = '{"name": "' + "x" * (1024 * 1024) + '"}'
    _problem(client.post("/api/v1/raises/x", body, content_type="application/json"), 413, "too_large")


def test_a_body_that_is_not_json_by_its_type_is_refused(client: FactoryClient) -> None:
    _problem(client.post("/api/v1/raises/x", "a=b", content_type="text/plain"), 415, "unsupported_media_type")


def test_a_wrong_method_and_an_unknown_path_are_problems(client: FactoryClient) -> None:
    _problem(client.delete("/api/v1/raises/domain"), 405, "method_not_allowed")
    _problem(client.get("/api/v1/no/such/thing"), 404, "not_found")


def test_a_view_that_does_not_say_who_may_use_it_refuses_even_the_owner(client: FactoryClient) -> None:
    _problem(client.get("/api/v1/closed"), 403, "not_permitted")
    stranger = FactoryClient(host=host_of("acme"))
    refused = stranger.get("/api/v1/closed")
    _problem(refused, 401, "not_authenticated")
    assert refused["WWW-Authenticate"].startswith("Api-Key")


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        ("domain", 409, "The seat is taken."),
        ("missing", 404, "Nothing here"),
        ("denied", 403, "Not allowed"),
        ("fault", 500, "Something went wrong"),
    ],
)
def test_what_a_page_raises_becomes_a_page(client: FactoryClient, what: str, status: int, words: str) -> None:
    response = client.get(f"/page/{what}")
    assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert words in response.content.decode()
    assert response["X-Request-ID"] in response.content.decode()
    assert "secret" not in response.content.decode()


def test_who_presses_a_button_of_a_part_is_told_at_the_pages_corner_what_is_wrong(client: FactoryClient) -> None:
    told = client.post("/page/domain", headers={"HX-Request": "true"})
    assert (told.status_code, json.loads(told["HX-Trigger"])) == (
        409,
        {"toast": {"text": "The seat is taken.", "level": "error"}},
    )
    # A part that only refreshes itself says nothing.
    assert "HX-Trigger" not in client.get("/page/domain", headers={"HX-Request": "true"})
