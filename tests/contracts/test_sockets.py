"""What the contract says of `/ws/live` before the first message; what it says there: tests/telemetry/live."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from factorypulse.asgi import application
from tenants.models import Factory
from tenants.tickets import ticket_make
from tests.conftest import host_of, person_make

FactoryMaker = Callable[..., Factory]


def _socket(host: str, path: str, **headers: str) -> WebsocketCommunicator:
    given = {"host": host, **headers}
    return WebsocketCommunicator(application, path, headers=[(k.encode(), v.encode()) for k, v in given.items()])


async def _said(socket: WebsocketCommunicator) -> Any:
    """refused, a close code, or what the socket said first."""
    connected, _code = await socket.connect(timeout=10)
    if not connected:
        return "refused"
    await socket.send_to(text_data="nonsense")  # which an open socket answers
    event = await socket.receive_output(timeout=30)
    await socket.disconnect()
    return event.get("code", "open")


@pytest.fixture
async def way_in(live_factories: FactoryMaker) -> tuple[Factory, str]:
    factory = await sync_to_async(live_factories)()
    person = await sync_to_async(person_make)(factory, "pia@here.example", "viewer")
    proof = person.get_session_auth_hash()[:16]
    return factory, "/ws/live?ticket=" + ticket_make(factory=factory.slug, user_id=person.pk, proof=proof)


async def test_a_program_without_an_origin_comes_in_with_its_ticket(way_in: tuple[Factory, str]) -> None:
    factory, path = way_in
    assert await _said(_socket(host_of(factory), path)) == "open"
    assert await _said(_socket(host_of(factory), path, origin=f"http://{host_of(factory)}")) == "open"
    # On the public host the ticket names the factory.
    assert await _said(_socket(host_of(None), path)) == "open"


async def test_a_program_without_an_origin_and_a_ticket_hears_4401(way_in: tuple[Factory, str]) -> None:
    factory, _path = way_in
    assert await _said(_socket(host_of(factory), "/ws/live")) == 4401
    assert await _said(_socket(host_of(factory), "/ws/live?ticket=made-up")) == 4401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost.evil.example"])
async def test_a_foreign_page_is_refused_whatever_it_has(way_in: tuple[Factory, str], origin: str) -> None:
    factory, path = way_in
    assert await _said(_socket(host_of(factory), path, origin=origin)) == "refused"


async def test_an_address_that_is_none_is_refused_and_no_fault(way_in: tuple[Factory, str]) -> None:
    factory, path = way_in
    assert await _said(_socket(host_of(factory), path.replace("live", "elsewhere"))) == "refused"
