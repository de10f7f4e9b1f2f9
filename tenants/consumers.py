"""Sockets inside a factory: who asks is settled before the first message, and every query runs in its schema."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import redis
import structlog
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth import get_user as session_user
from django.http import HttpRequest
from django.utils.module_loading import import_string

from tenants.context import factory_context
from tenants.hosts import factory_of_host, factory_of_slug, is_public_host
from tenants.models import Factory
from tenants.rooms import Room, rooms, sockets_group
from tenants.session_life import session_over
from tenants.tickets import ticket_read

_log = structlog.get_logger(__name__)
T = TypeVar("T")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Floors above leave here what else a person has to have before a socket is theirs; asked inside the factory.
lets_in: list[Callable[[Any], bool]] = []

NOT_SIGNED_IN = 4401
NOT_PERMITTED = 4403


def sockets_close(slug: str, *, user_id: int | None = None) -> None:
    """Close the factory's open sockets, or one person's there, because it or they may no longer look.

    Call after the commit. While Valkey is away no message reaches a socket, so there is nothing to keep from anybody.
    """
    send = async_to_sync(get_channel_layer().group_send)
    try:
        send(sockets_group(slug), {"type": "sockets.close", "factory": slug, "user_id": user_id})
    except (redis.RedisError, OSError) as error:
        _log.warning("sockets_not_closed", factory=slug, user_id=user_id, error=str(error))


async def run_in_factory(factory: Factory, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a function that touches the database in a thread, inside the factory."""

    def within() -> T:
        with factory_context(factory):
            return work(*args, **kwargs)

    result: T = await database_sync_to_async(within, thread_sensitive=False)()
    return result


class FactoryConsumer(AsyncJsonWebsocketConsumer):
    """Base of every socket: `self.factory` and, while `opened()` runs, `self.user` are set.

    The factory comes from the Host; the person from that factory's session cookie, or from `?ticket=`, which on the
    public host also names the factory. A stranger's socket is closed with 4401. Subclasses override `opened`,
    `receive_json` and `closed`, and reach the database by `run_in_factory` alone. What the factory says comes through
    `self.room`; there is no channel of the socket's own.
    """

    factory: Factory
    user: Any
    room: Room
    _entered = False

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One task a socket, which sleeps until the browser says something."""
        self.scope, self.base_send = scope, send
        with contextlib.suppress(StopConsumer):
            while True:
                await self.dispatch(await receive())

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' own would first look for old database connections, in a thread; `run_in_factory` does that."""
        if message["type"] == "websocket.receive":
            await self.websocket_receive(message)
        elif message["type"] == "websocket.connect":
            await self.websocket_connect(message)
        else:
            await self.disconnect(message["code"])
            raise StopConsumer

    async def connect(self) -> None:
        """Settle who asks. Accepts first, because a close code reaches the browser only on an open socket.

        And because a server that is asked by a thousand at once would refuse those it can't look up within 5 s.
        """
        await self.accept()
        found = await database_sync_to_async(self._identify, thread_sensitive=False)()
        if found is None:
            await self.close(code=NOT_SIGNED_IN)
            return
        self.factory, self.user = found
        self._user_id = self.user.pk
        self.room = await rooms().enter(self.factory.slug, self)
        self._entered = True
        with structlog.contextvars.bound_contextvars(factory=self.factory.slug):
            await self.opened()
        # A socket stays for hours, and a thousand of them are a web process: what only opening needed is let go of.
        self.user = None
        self.scope["headers"].clear()

    async def disconnect(self, code: int) -> None:
        if not self._entered:
            return
        await self.closed(code)
        await rooms().leave(self.room, self)

    async def opened(self) -> None:
        """The socket is open and its person known."""

    async def closed(self, code: int) -> None:
        """The socket is gone; called only after `opened`."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        if self._entered:
            await super().receive(text_data=text_data, bytes_data=bytes_data, **kwargs)

    async def run_in_factory(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function that touches the database in a thread, inside this socket's factory."""
        return await run_in_factory(self.factory, work, *args, **kwargs)

    def shut_out(self, user_id: int | None) -> None:
        """Somebody took away the right to look: see `sockets_close` above."""
        if user_id in {None, self._user_id}:
            self.close_soon(NOT_PERMITTED)

    def close_soon(self, code: int) -> None:
        """Close from code that can't wait."""
        self._closing = asyncio.ensure_future(self.close(code=code))

    def _cookie_of_own_page(self) -> str:
        """The cookie, unless a page of another host opened the socket: browsers send it along for sister hosts too."""
        origin = _header(self.scope, b"origin")
        own = not origin or urlsplit(origin).netloc.lower() == _header(self.scope, b"host").lower()
        return _header(self.scope, b"cookie") if own else ""

    def _identify(self) -> tuple[Factory, Any] | None:
        host = _header(self.scope, b"host").partition(":")[0]
        ticket = ticket_read(parse_qs(self.scope["query_string"].decode("latin-1")).get("ticket", [""])[0])
        named = factory_of_slug(ticket[0]) if ticket else None
        factory = named if is_public_host(host) else factory_of_host(host)
        if factory is None or factory.shut:
            return None
        with factory_context(factory):
            user = _user_of_ticket(ticket, factory) if ticket else _user_of_cookie(self._cookie_of_own_page(), factory)
            if user is not None and not all(lets(user) for lets in lets_in):
                return None
        return (factory, user) if user is not None else None


def _user_of_ticket(ticket: tuple[str, int, str], factory: Factory) -> Any:
    slug, user_id, proof = ticket
    if slug != factory.slug:
        return None
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    return user if user is not None and user.get_session_auth_hash()[: len(proof)] == proof and proof else None


def _user_of_cookie(header: str, factory: Factory) -> Any:
    """The person of a session cookie, checked as pages check it (backend, password hash, the session's time)."""
    try:
        cookie = SimpleCookie(header).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return None
    if cookie is None:
        return None
    request = HttpRequest()
    request.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(cookie.value)
    if SESSION_KEY not in request.session:
        return None
    user = session_user(request)
    if not user.is_authenticated or not user.is_active:
        return None
    lasts = getattr(user, "wall_only", False) or not session_over(request.session, idle_s=factory.idle_minutes * 60)
    return user if lasts else None


def _header(scope: dict[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
