"""Sockets: who gets in, in which factory they look, and how they are shut out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import Role, User
from common import clock
from tenants import tickets
from tenants.consumers import FactoryConsumer, sockets_close
from tenants.context import factory_context
from tenants.life import factory_mfa_require
from tenants.models import Factory
from tenants.provisioning import factory_delete
from tenants.session_life import session_begun
from tests.conftest import person_make


class Echo(FactoryConsumer):
    async def opened(self) -> None:
        await self.send_json({"factory": self.factory.slug, "people": await self.run_in_factory(_emails)})

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        await self.send_json(content)


def _emails() -> list[str]:
    return sorted(User.objects.values_list("email", flat=True))


@pytest.fixture
def stage(live_factories: Callable[..., Factory]) -> dict[str, Any]:
    """Two committed factories with a person each: sockets look from threads of their own."""
    here, there = live_factories(), live_factories()
    return {
        "here": here,
        "there": there,
        "anna": person_make(here, "anna@here.example", Role.OPERATOR),
        "otto": person_make(there, "otto@there.example", Role.OWNER),
    }


def _session(user: User, factory: Factory, *, begun: bool = False) -> str:
    with factory_context(factory):
        session = SessionStore()
        if begun:
            session_begun(session)
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "accounts.permissions.RoleBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
    return str(session.session_key)


def _second_factor(user: User, factory: Factory) -> None:
    with factory_context(factory):
        TOTP.activate(user, generate_totp_secret())


def _ticket(user: User, home: Factory, **changes: Any) -> str:
    content = {"factory": home.slug, "user_id": user.pk, "proof": user.get_session_auth_hash()[:16]}
    return tickets.ticket_make(**{**content, **changes})


def _socket(host: str, *, cookie: str = "", ticket: str = "", origin: str = "") -> WebsocketCommunicator:
    headers = [(b"host", f"{host}:8000".encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    return WebsocketCommunicator(Echo.as_asgi(), f"/ws/live?ticket={ticket}" if ticket else "/ws/live", headers=headers)


async def _greeting(socket: WebsocketCommunicator) -> Any:
    """What the socket says first: its greeting, or the code it is closed with."""
    connected, _protocol = await socket.connect(timeout=10)
    assert connected
    event = await socket.receive_output(timeout=10)
    if event["type"] == "websocket.close":
        return event["code"]
    await socket.disconnect()
    return event["text"]


async def test_a_signed_in_browser_looks_into_its_own_factory(stage: dict[str, Any]) -> None:
    cookie = await sync_to_async(_session)(stage["anna"], stage["here"])
    text = await _greeting(_socket(f"{stage['here'].slug}.localhost", cookie=cookie))
    assert "anna@here.example" in text
    assert "otto" not in text


async def test_a_session_of_one_factory_opens_no_socket_in_another(stage: dict[str, Any]) -> None:
    cookie = await sync_to_async(_session)(stage["otto"], stage["there"])
    assert await _greeting(_socket(f"{stage['here'].slug}.localhost", cookie=cookie)) == 4401


async def test_a_page_of_another_factory_can_not_use_this_ones_cookie(stage: dict[str, Any]) -> None:
    cookie = await sync_to_async(_session)(stage["anna"], stage["here"])
    host = f"{stage['here'].slug}.localhost"
    assert await _greeting(_socket(host, cookie=cookie, origin="http://sister.localhost:8000")) == 4401
    assert "anna@here.example" in await _greeting(_socket(host, cookie=cookie, origin=f"http://{host}:8000"))


@pytest.mark.parametrize("host", ["localhost", "nowhere.localhost"])
async def test_a_socket_without_a_factory_is_closed(stage: dict[str, Any], host: str) -> None:
    cookie = await sync_to_async(_session)(stage["anna"], stage["here"])
    assert await _greeting(_socket(host, cookie=cookie)) == 4401


async def test_a_ticket_opens_a_socket_on_the_factorys_host_and_on_the_public_one(stage: dict[str, Any]) -> None:
    ticket = _ticket(stage["anna"], stage["here"])
    for host in (f"{stage['here'].slug}.localhost", "localhost"):
        assert "anna@here.example" in await _greeting(_socket(host, ticket=ticket))


async def test_tickets_that_are_foreign_old_or_forged_open_nothing(
    stage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = f"{stage['here'].slug}.localhost"
    otto = _ticket(stage["otto"], stage["there"])
    renamed = _ticket(stage["otto"], stage["there"], factory=stage["here"].slug, proof="")
    for ticket in (otto, renamed, "forged", _ticket(stage["anna"], stage["here"], proof="0" * 16)):
        assert await _greeting(_socket(host, ticket=ticket)) == 4401
    good = _ticket(stage["anna"], stage["here"])
    monkeypatch.setattr(tickets, "LIFETIME_S", -1)
    assert await _greeting(_socket(host, ticket=good)) == 4401


async def test_a_shut_out_person_opens_no_socket(stage: dict[str, Any]) -> None:
    cookie = await sync_to_async(_session)(stage["anna"], stage["here"])

    def shut_out() -> None:
        with factory_context(stage["here"]):
            User.objects.filter(pk=stage["anna"].pk).update(is_active=False)

    await sync_to_async(shut_out)()
    assert await _greeting(_socket(f"{stage['here'].slug}.localhost", cookie=cookie)) == 4401


async def test_a_browser_that_nobody_used_for_too_long_opens_no_socket(
    stage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = await sync_to_async(_session)(stage["anna"], stage["here"], begun=True)
    host, now = f"{stage['here'].slug}.localhost", clock.now
    assert "anna@here.example" in await _greeting(_socket(host, cookie=cookie))
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(days=8))
    assert await _greeting(_socket(host, cookie=cookie)) == 4401


async def test_where_a_second_factor_is_required_nobody_watches_without_one(stage: dict[str, Any]) -> None:
    cookie = await sync_to_async(_session)(stage["anna"], stage["here"])
    host = f"{stage['here'].slug}.localhost"
    watching = _socket(host, cookie=cookie)
    await watching.connect(timeout=10)
    await watching.receive_from(timeout=10)
    await sync_to_async(factory_mfa_require)(stage["here"], required=True)
    assert (await watching.receive_output(timeout=10))["code"] == 4403
    assert await _greeting(_socket(host, cookie=cookie)) == 4401
    await sync_to_async(_second_factor)(stage["anna"], stage["here"])
    assert "anna@here.example" in await _greeting(_socket(host, cookie=cookie))


async def test_one_persons_open_sockets_can_be_closed(stage: dict[str, Any]) -> None:
    other = await sync_to_async(person_make)(stage["here"], "olaf@here.example", Role.VIEWER)
    host = f"{stage['here'].slug}.localhost"
    sockets = [_socket(host, ticket=_ticket(person, stage["here"])) for person in (stage["anna"], other)]
    for socket in sockets:
        await socket.connect(timeout=10)
        await socket.receive_from(timeout=10)
    await sync_to_async(sockets_close)(stage["here"].slug, user_id=stage["anna"].pk)
    assert (await sockets[0].receive_output(timeout=10))["code"] == 4403
    await sockets[1].send_json_to({"still": "here"})
    assert await sockets[1].receive_json_from(timeout=10) == {"still": "here"}
    await sockets[1].disconnect()


async def test_a_deleted_factorys_sockets_are_closed(live_factories: Callable[..., Factory]) -> None:
    factory = await sync_to_async(live_factories)()
    anna = await sync_to_async(person_make)(factory, "anna@here.example", Role.OPERATOR)
    socket = _socket(f"{factory.slug}.localhost", ticket=_ticket(anna, factory))
    await socket.connect(timeout=10)
    await socket.receive_from(timeout=10)
    await sync_to_async(factory_delete)(factory)
    assert (await socket.receive_output(timeout=10))["code"] == 4403
