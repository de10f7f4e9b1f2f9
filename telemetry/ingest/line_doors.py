"""The doors of InfluxDB's clients, at the host's root: they post line protocol to a factory as to a database.

What they call database, retention policy, organisation or bucket says nothing here: the key names the factory.
"""

import base64
import binascii
from functools import partial
from typing import ClassVar

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from accounts.authentication import api_key_of
from accounts.permissions import INGEST, proves_key, public_page
from common import clock
from common.errors import DomainError, InvalidInputError
from telemetry.ingest.admission import Admitted
from telemetry.ingest.bodies import body_read
from telemetry.ingest.journal import process_journal
from telemetry.ingest.lines import lines_parse
from telemetry.ingest.refusals import sayable
from telemetry.ingest.sending import (
    MethodNotAllowedError,
    Sender,
    body_take,
    readings_take,
    rejections_told,
)

# The oldest InfluxDB that has both doors; clients ask for it to learn what they may send.
_VERSION = "1.8.10"
_BUILD = "FactoryPulse"
_UNITS_V1 = {
    "": "ns",
    "n": "ns",
    "ns": "ns",
    "u": "us",
    "us": "us",
    "µ": "us",
    "ms": "ms",
    "s": "s",
    "m": "m",
    "h": "h",
}
_UNITS_V2 = {"": "ns", "ns": "ns", "us": "us", "ms": "ms", "s": "s"}


class PartialWriteError(DomainError):
    """Some of a body was refused; the rest is on disk."""

    code: ClassVar[str] = "partial_write"


@csrf_exempt
@proves_key(INGEST)
def write_v1(request: HttpRequest) -> HttpResponse:
    """`POST /write?db=&rp=&precision=`, as InfluxDB 1.x has it."""
    return _write(request, _UNITS_V1)


@csrf_exempt
@proves_key(INGEST)
def write_v2(request: HttpRequest) -> HttpResponse:
    """`POST /api/v2/write?org=&bucket=&precision=`, as InfluxDB 1.8, 2.x and 3.x have it."""
    return _write(request, _UNITS_V2)


@csrf_exempt
@proves_key(INGEST)
def query(request: HttpRequest) -> HttpResponse:
    """`CREATE DATABASE`, with which Telegraf begins, does nothing and succeeds; there is no other query here."""
    Sender.of(request, key_shown(request))
    if request.method not in {"GET", "POST"}:
        raise MethodNotAllowedError("GET", "POST")
    asked = request.GET.get("q") or QueryDict(body_read(request, length=0, encoding="")).get("q") or ""
    if not str(asked).strip().upper().startswith("CREATE DATABASE"):
        raise InvalidInputError("Readings are asked for at /api/v1; only CREATE DATABASE is understood here.")
    return _marked(JsonResponse({"results": [{"statement_id": 0}]}))


@public_page
@require_safe
def ping(request: HttpRequest) -> HttpResponse:
    """204 with a version, as InfluxDB's."""
    return _marked(HttpResponse(status=204))


@public_page
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Whether this process answers, as InfluxDB's `/health` says it; `/health/ready` asks all that we stand on."""
    document = {"name": "factorypulse", "message": "ready for writes", "status": "pass", "checks": []}
    return _marked(JsonResponse({**document, "version": _VERSION}))


def key_shown(request: HttpRequest) -> str | None:
    """The raw key of a request: `Authorization: Token`, a Basic password, as everywhere else, or `p=`."""
    authorization: str = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _space, value = authorization.strip().partition(" ")
    if scheme.lower() == "token":
        return value.strip()
    if scheme.lower() == "basic":
        return _basic_password(value.strip())
    return api_key_of(request) or request.GET.get("p")


def _basic_password(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _write(request: HttpRequest, units: dict[str, str]) -> HttpResponse:
    sender = Sender.of(request, key_shown(request))
    if request.method != "POST":
        raise MethodNotAllowedError("POST")
    body = body_take(process_journal(), sender, request)
    asked = request.GET.get("precision", "")
    # What is no unit at this door is refused by the parser, and so counted like everything else that is refused.
    parse = partial(lines_parse, received_ms=clock.now_ms(), precision=units.get(asked, f"{asked} "))
    admitted = readings_take(process_journal(), sender, body, parse)
    if admitted.rejected:
        raise PartialWriteError(_told(admitted), errors=rejections_told(admitted))
    return _marked(HttpResponse(status=204))


def _told(admitted: Admitted) -> str:
    """The first refusal in a sentence. Telegraf's 1.x output sends for ever what is not called a partial write."""
    first = admitted.rejected[0]
    where = f"line {first.index + 1}" + (f", {sayable(first.metric, 80)}" if first.metric else "")
    return f"partial write: {where}: {first.detail} ({first.code}) dropped={len(admitted.rejected)}"


def _marked(response: HttpResponse) -> HttpResponse:
    response["X-Influxdb-Version"] = _VERSION
    response["X-Influxdb-Build"] = _BUILD
    return response
