"""The HTTP door: `POST /api/v1/telemetry/ingest`."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api_keys import VerifiedKey
from accounts.authentication import ApiKeyAuthentication
from accounts.permissions import INGEST, requires
from common import clock
from common.errors import DomainError, InvalidInputError
from common.problems import CONTENT_TYPE, problem
from telemetry.ingest import api_shapes, payloads
from telemetry.ingest.admission import Admitted, RateLimitedError, admit, body_check, plan_learn, rate_check
from telemetry.ingest.bodies import body_read, media_check
from telemetry.ingest.doors import readings_append, refusals_append, whole_refused
from telemetry.ingest.idempotency import Answer, Once
from telemetry.ingest.journal import JournalBusyError, process_journal
from telemetry.ingest.refusals import PayloadError, excerpt, grouped, sayable

_COMMIT_WITHIN_S = 15.0
# A body of 10,000 bad values is told in the first of them; all are counted in quarantine.
_REJECTIONS_TOLD = 1_000


class NothingAcceptedError(InvalidInputError):
    """Every reading of the body was refused; `errors` says why."""

    code: ClassVar[str] = "nothing_accepted"


class IngestView(APIView):
    """Take readings and answer once they are on disk."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (requires(INGEST),)
    # The body is read here, bounded and inflated; DRF's parsers must not touch it.
    parser_classes = ()

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
        caller = _Caller.of(request)
        try:
            rate_check(caller.factory)
            body = _body(request)
            body_check(caller.factory, len(body))
        except (PayloadError, RateLimitedError) as error:
            whole_refused(process_journal(), caller.factory, error, source=caller.source)
            raise
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return _response(_answer(caller, body, clock.now_ms()))
        once = Once(caller.factory, key, body)
        return _response(once.claim() or _answer_once(caller, body, once))


@dataclass(frozen=True, slots=True)
class _Caller:
    factory: str
    source: str
    request_id: str

    @classmethod
    def of(cls, request: Request) -> "_Caller":
        key: VerifiedKey = request.auth  # type: ignore[assignment]  # ApiKeyAuthentication alone lets anybody in here
        plan_learn(request.tenant)  # type: ignore[attr-defined]  # FactoryMiddleware's
        return cls(key.factory, f"HTTP {key.prefix}", str(getattr(request, "request_id", "")))


def _body(request: Request) -> bytes:
    media_check(request.headers.get("Content-Type", ""))
    length = request.headers.get("Content-Length", "")
    return body_read(
        request._request,
        length=int(length) if length.isdecimal() else 0,
        encoding=request.headers.get("Content-Encoding", ""),
    )


def _answer_once(caller: _Caller, body: bytes, once: Once) -> Answer:
    try:
        answer = _answer(caller, body, once.received_ms)
    except BaseException:
        once.release()
        raise
    once.keep(answer)
    return answer


def _answer(caller: _Caller, body: bytes, received_ms: int) -> Answer:
    """Refusals that the same body always meets are answers too, so that an Idempotency-Key keeps them."""
    journal = process_journal()
    try:
        parsed = payloads.parse(body, received_ms=received_ms)
        admitted = admit(parsed, factory_slug=caller.factory, now_ms=clock.now_ms())
    except PayloadError as error:
        whole_refused(journal, caller.factory, error, source=caller.source, body=body)
        return _refused(caller, error)
    refusals = grouped(admitted.rejected, source=caller.source, payload=excerpt(body) if admitted.rejected else "")
    refusals_append(journal, caller.factory, refusals)
    if not admitted.batch.series:
        detail = _("None of these readings could be accepted.")
        return _refused(caller, NothingAcceptedError(detail, errors=_told(admitted)))
    _wait_for(readings_append(journal, caller.factory, admitted.batch))
    answer = {"accepted": len(admitted.batch), "rejected": _told(admitted), "request_id": caller.request_id}
    return Answer(201, msgspec.json.encode(answer))


def _wait_for(committed: "Future[int]") -> None:
    try:
        committed.result(timeout=_COMMIT_WITHIN_S)
    except TimeoutError as error:
        raise JournalBusyError(_("The disk is slow; send it again.")) from error


def _refused(caller: _Caller, error: DomainError) -> Answer:
    document = problem(
        status=error.status, code=error.code, detail=error.detail, errors=error.errors, request_id=caller.request_id
    )
    return Answer(error.status, msgspec.json.encode(document))


def _response(answer: Answer) -> HttpResponse:
    kind = "application/json" if answer.status < 400 else CONTENT_TYPE
    return HttpResponse(answer.body, status=answer.status, content_type=kind)


def _told(admitted: Admitted) -> list[dict[str, Any]]:
    # A refused name may be anything; JSON can't carry a lone surrogate.
    return [
        {"index": one.index, "metric": sayable(one.metric, 80), "code": one.code, "detail": one.detail}
        for one in admitted.rejected[:_REJECTIONS_TOLD]
    ]
