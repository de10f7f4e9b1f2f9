"""The open sockets of one factory in this process, and the one subscription to the channel layer that they share.

A channel per socket, as Channels has it, costs a subscription, a queue and a task each, and every message is unpacked
once per socket. Here a message of a factory arrives once per process and is handed on by plain calls.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import redis
import structlog
from channels.layers import get_channel_layer

_log = structlog.get_logger(__name__)

Event = Mapping[str, Any]


def sockets_group(slug: str) -> str:
    """The channel group that every process with open sockets of a factory is in."""
    return f"sockets.{slug}"


class Socket(Protocol):
    """What a room knows of a socket: it can be told to close."""

    def shut_out(self, user_id: int | None) -> None:
        """Close if it is this person's, or anybody's for None."""


class Room:
    """One factory's sockets here. `listeners` get events by type; events of types nobody listens to are dropped."""

    def __init__(self, slug: str, channel: str) -> None:
        self.slug = slug
        # Where an answer to somebody of this room is to be sent.
        self.channel = channel
        self.sockets: set[Socket] = set()
        self.listeners: dict[str, Callable[[Event], None]] = {"sockets.close": self._shut_out}

    def heard(self, event: Event) -> None:
        """Hand an event to whoever listens; what goes wrong there must not deafen the process."""
        listener = self.listeners.get(event["type"])
        if listener is None:
            return
        try:
            listener(event)
        except Exception:  # noqa: BLE001  # one event's trouble is not the next one's
            _log.exception("room_stumbled", factory=self.slug, kind=event["type"])

    def _shut_out(self, event: Event) -> None:
        for socket in list(self.sockets):
            socket.shut_out(event["user_id"])


class Rooms:
    """All rooms of one event loop; a factory is subscribed to while somebody is in its room."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self._channel = ""
        self._listening: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def enter(self, slug: str, socket: Socket) -> Room:
        """The factory's room, with this socket in it. Raises redis.RedisError or OSError when Valkey is away."""
        room = self._rooms.get(slug)
        if room is None:
            async with self._lock:
                room = self._rooms.get(slug) or await self._open(slug)
        room.sockets.add(socket)
        return room

    async def leave(self, room: Room, socket: Socket) -> None:
        """The last one out ends the subscription."""
        room.sockets.discard(socket)
        if room.sockets:
            return
        async with self._lock:
            if room.sockets or self._rooms.get(room.slug) is not room:
                return
            del self._rooms[room.slug]
            try:
                await get_channel_layer().group_discard(sockets_group(room.slug), self._channel)
            except (redis.RedisError, OSError) as error:
                _log.warning("room_left_unheard", factory=room.slug, error=str(error))
            await self._rest()

    async def _open(self, slug: str) -> Room:
        layer = get_channel_layer()
        if self._listening is None:
            self._channel = await layer.new_channel()
            self._listening = asyncio.create_task(self._listen(layer, self._channel))
        try:
            await layer.group_add(sockets_group(slug), self._channel)
        except (redis.RedisError, OSError):
            await self._rest()
            raise
        room = self._rooms[slug] = Room(slug, self._channel)
        return room

    async def _rest(self) -> None:
        """Without a room there is nothing to listen to."""
        if self._rooms or self._listening is None:
            return
        self._listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._listening
        self._listening = None

    async def _listen(self, layer: Any, channel: str) -> None:
        while True:
            event = await layer.receive(channel)
            # The group's messages carry their factory, an answer to this process too.
            room = self._rooms.get(event.get("factory", ""))
            if room is not None:
                room.heard(event)


_of_loop: "WeakKeyDictionary[asyncio.AbstractEventLoop, Rooms]" = WeakKeyDictionary()


def rooms() -> Rooms:
    """The rooms of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _of_loop.get(loop)
    if found is None:
        found = _of_loop[loop] = Rooms()
    return found
