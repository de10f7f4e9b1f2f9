"""The ASGI handler: one thread a request, and every factory its own answers under load."""

import asyncio
from collections.abc import Callable, Iterator
from threading import current_thread
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from accounts.permissions import public_page
from factorypulse.threaded import THREADS, ThreadedHandler
from telemetry.history.csv_response import csv_download
from telemetry.models import Machine
from tenants.context import factory_context, factory_current
from tenants.models import Factory


@public_page
def _machines(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{list(Machine.objects.values_list('key', flat=True))} {current_thread().name}")


@public_page
def _stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(machine.key for machine in Machine.objects.iterator())


@public_page
def _download(request: HttpRequest) -> StreamingHttpResponse:
    factory = factory_current()
    assert factory is not None

    def rows() -> Iterator[str]:
        for _number in range(3):
            with factory_context(factory):
                yield "".join(Machine.objects.values_list("key", flat=True))

    return csv_download(request, rows(), "machines")


urlpatterns = [path("machines", _machines), path("stream", _stream), path("download", _download)]


@pytest.fixture
def plants(live_factories: Callable[..., Factory]) -> Iterator[list[Factory]]:
    made = [live_factories() for _number in range(2)]
    for factory in made:
        with factory_context(factory):
            Machine.objects.create(key=f"of-{factory.slug}")
    with override_settings(ROOT_URLCONF=__name__):
        yield made


async def _get(handler: ThreadedHandler, factory: Factory, route: str) -> str:
    scope = {
        "type": "http",
        "method": "GET",
        "path": route,
        "query_string": b"",
        "headers": [(b"host", f"{factory.slug}.localhost".encode())],
    }
    asking = ApplicationCommunicator(handler, scope)
    await asking.send_input({"type": "http.request", "body": b""})
    start = await asking.receive_output(timeout=20)
    assert start["status"] == 200
    body = b""
    while True:
        part: dict[str, Any] = await asking.receive_output(timeout=20)
        body += part.get("body", b"")
        if not part.get("more_body"):
            return body.decode()


async def test_many_at_once_get_their_own_factory_from_few_threads(plants: list[Factory]) -> None:
    handler = ThreadedHandler()
    asked = [plants[number % 2] for number in range(60)]
    answers = await asyncio.gather(*(_get(handler, factory, "/machines") for factory in asked))
    for factory, answer in zip(asked, answers, strict=True):
        assert answer.startswith(f"['of-{factory.slug}']")
    assert len({answer.split()[-1] for answer in answers}) <= THREADS
    await sync_to_async(handler.close)()


async def test_an_export_comes_whole_and_from_its_own_factory(plants: list[Factory]) -> None:
    handler = ThreadedHandler()
    answers = await asyncio.gather(*(_get(handler, factory, "/download") for factory in plants))
    assert answers == [3 * f"of-{factory.slug}" for factory in plants]
    await sync_to_async(handler.close)()


async def test_a_stream_reads_from_its_own_factory(plants: list[Factory]) -> None:
    handler = ThreadedHandler()
    for factory in plants:
        assert await _get(handler, factory, "/stream") == f"of-{factory.slug}"
    await sync_to_async(handler.close)()
