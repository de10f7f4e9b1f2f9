"""CSV as a download that begins at once and needs no memory for its length."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import islice
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from accounts.audit import audit_record
from common.units import UnitSystem
from telemetry.history import export
from telemetry.history.windows import Window
from telemetry.models import Machine
from tenants.context import FactoryNotFoundError, factory_current
from tenants.models import Factory


class CsvRenderer(BaseRenderer):
    """Lets `Accept: text/csv` be asked for; the view streams the rows itself, so only refusals come here."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return msgspec.json.encode(data)


def csv_response(
    request: Request,
    machine: Machine,
    metrics: list[str],
    window: Window,
    *,
    points: int | None,
    system: UnitSystem = UnitSystem.STORED,
) -> StreamingHttpResponse:
    """The window as a download: buckets at most `points` a metric, or with None every reading.

    Raises StoreUnavailableError before anything is sent.
    """
    factory = factory_current()
    if factory is None:
        raise FactoryNotFoundError(_("No factory is asked."))
    rows = _rows(factory, machine, metrics, window, points=points, system=system)
    # Whoever takes readings along is written down.
    audit_record(
        actor=request.user,
        action="readings.exported",
        target=machine.key,
        metrics=len(metrics),
        from_ms=window.from_ms,
        to_ms=window.to_ms,
    )
    stem = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in machine.key)
    return csv_download(request._request, rows, stem)


def csv_download(request: HttpRequest, rows: Iterator[str], stem: str) -> StreamingHttpResponse:
    """Pieces of text as a file of that name, sent as they are made; the first two before anything is sent."""
    # The first pieces are read here, while a refusal can still be a refusal.
    opening = list(islice(rows, 2))
    response = StreamingHttpResponse(
        _in_turn(opening, rows) if isinstance(request, ASGIRequest) else _chained(opening, rows),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="{stem}.csv"'
    return response


def _rows(
    factory: Factory,
    machine: Machine,
    metrics: list[str],
    window: Window,
    *,
    points: int | None,
    system: UnitSystem,
) -> Iterator[str]:
    from_ms, to_ms = window.from_ms, window.to_ms
    if points is None:
        return export.csv_raw(factory, machine, metrics, from_ms=from_ms, to_ms=to_ms, system=system)
    return export.csv_buckets(factory, machine, metrics, from_ms=from_ms, to_ms=to_ms, points=points, system=system)


def _chained(opening: list[str], rest: Iterator[str]) -> Iterator[str]:
    yield from opening
    yield from rest


async def _in_turn(opening: list[str], rest: Iterator[str]) -> AsyncIterator[str]:
    """The rows for a server that is asynchronous: one thread hop a slice, instead of all slices in memory."""
    for piece in opening:
        yield piece
    take = sync_to_async(partial(next, rest, None))
    while (piece := await take()) is not None:
        yield piece
