"""The HTTP door: `POST /api/v1/telemetry/ingest`."""

from functools import partial
from typing import ClassVar

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.authentication import ApiKeyAuthentication, api_key_of
from accounts.permissions import INGEST, requires
from common import clock
from common.errors import DomainError, InvalidInputError
from common.problems import CONTENT_TYPE, problem
from telemetry.ingest import api_shapes, payloads
from telemetry.ingest.arrivals import Arrivals, arrivals_of
from telemetry.ingest.bodies import media_check
from telemetry.ingest.idempotency import Answer, Once
from telemetry.ingest.journal import process_journal
from telemetry.ingest.refusals import PayloadError
from telemetry.ingest.sending import (
    MethodNotAllowedError,
    Sender,
    body_take,
    readings_take,
    rejections_told,
)


class NothingAcceptedError(InvalidInputError):
    """Every reading of the body was refused; `errors` says why."""

    code: ClassVar[str] = "nothing_accepted"


@csrf_exempt
def ingest(request: HttpRequest) -> HttpResponse:
    """Take readings in any of the four shapes and answer once they are on disk."""
    sender = Sender.of(request, api_key_of(request))
    if request.method != "POST":
        raise MethodNotAllowedError("POST")
    body = body_take(process_journal(), sender, request, check=media_check)
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return _response(_answer(sender, body, clock.now_ms(), arrivals=arrivals_of(sender.factory)))
    once = Once(sender.factory, key, body)
    return _response(once.claim() or _answer_once(sender, body, once))


def _answer_once(sender: Sender, body: bytes, once: Once) -> Answer:
    try:
        answer = _answer(sender, body, once.received_ms)
    except BaseException:
        once.release()
        raise
    once.keep(answer)
    return answer


def _answer(sender: Sender, body: bytes, received_ms: int, *, arrivals: Arrivals | None = None) -> Answer:
    """Refusals that the same body always meets are answers too, so that an Idempotency-Key keeps them.

    arrivals: left out, readings without a time get the same ones however often the body comes.
    """
    parse = partial(payloads.parse, received_ms=received_ms, arrivals=arrivals)
    try:
        admitted = readings_take(process_journal(), sender, body, parse)
    except PayloadError as error:
        return _refused(sender, error)
    if not admitted.batch:
        detail = _("None of these readings could be accepted.")
        return _refused(sender, NothingAcceptedError(detail, errors=rejections_told(admitted)))
    answer = {
        "accepted": len(admitted.batch),
        "rejected": rejections_told(admitted),
        "request_id": sender.request_id,
    }
    return Answer(201, msgspec.json.encode(answer))


def _refused(sender: Sender, error: DomainError) -> Answer:
    document = problem(
        status=error.status, code=error.code, detail=error.detail, errors=error.errors, request_id=sender.request_id
    )
    return Answer(error.status, msgspec.json.encode(document))


def _response(answer: Answer) -> HttpResponse:
    kind = "application/json" if answer.status < 400 else CONTENT_TYPE
    return HttpResponse(answer.body, status=answer.status, content_type=kind)


class IngestView(APIView):
    """The door as the API's documentation describes it; requests go straight to `ingest`."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (requires(INGEST),)

    def dispatch(self, request: HttpRequest) -> HttpResponse:
        """Past the framework's machinery, which costs more than the door's own work."""
        return ingest(request)

    @extend_schema(
        operation_id="telemetry_ingest",
        summary="Send readings",
        description=api_shapes.DESCRIPTION,
        request={"application/json": api_shapes.REQUEST},
        examples=api_shapes.EXAMPLES,
        parameters=[
            OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Same key, same answer."),
            OpenApiParameter("Content-Encoding", str, OpenApiParameter.HEADER, enum=["gzip", "zstd"]),
        ],
        responses={
            201: OpenApiResponse(api_shapes.ANSWER, description="Everything accepted is on disk."),
            **{
                status: OpenApiResponse(api_shapes.PROBLEM, description=text)
                for status, text in api_shapes.REFUSALS.items()
            },
        },
    )
    def post(self, request: Request) -> HttpResponse:
        """Readings in any of the four shapes."""
        raise NotImplementedError("dispatch goes to `ingest`")
