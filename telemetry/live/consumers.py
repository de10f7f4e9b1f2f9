"""The socket `/ws/live`: one person's browser watching some machines of one factory."""

import asyncio
from typing import Any

import msgspec
import redis
import structlog

from accounts.permissions import VIEW, permits
from accounts.reach import Reach, reach_of
from telemetry.live.outbox import Packet
from telemetry.live.room import TRY_AGAIN_LATER, LiveRoom, LiveViewer, live_room
from telemetry.live.watching import WatchMessage
from telemetry.live.wire import close_frame_send, wire_of
from telemetry.reach import machine_keys_within
from tenants.consumers import NOT_PERMITTED, FactoryConsumer

_log = structlog.get_logger(__name__)

# Only sockets of people who are restricted to a part of the plant ask again.
_RECHECK_EVERY_S = 10.0
_decoder = msgspec.json.Decoder(WatchMessage)


class LiveConsumer(FactoryConsumer):
    """See "WebSocket" in the API documentation for the messages; the factory's `LiveRoom` sends them."""

    _live: LiveRoom | None = None
    _rechecking: "asyncio.Task[None] | None" = None
    _viewer: LiveViewer

    async def connect(self) -> None:
        try:
            await super().connect()
        except (redis.RedisError, OSError) as error:
            _log.warning("live_socket_refused", error=str(error))
            await self.close(code=TRY_AGAIN_LATER)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        if code != TRY_AGAIN_LATER or not close_frame_send(self.base_send, code):
            await super().close(code=code, reason=reason)

    async def opened(self) -> None:
        if not await self.run_in_factory(permits, self.user, VIEW):
            await self.close(code=NOT_PERMITTED)
            return
        reach = reach_of(self.user)
        self._viewer = LiveViewer(self, wire_of(self.base_send), self._user_id)
        if reach is not None:
            self._viewer.machines = await self.run_in_factory(machine_keys_within, reach)
            self._rechecking = asyncio.create_task(self._recheck(reach))
        self._live = live_room(self.room, self.factory)
        self._live.enter(self._viewer)

    async def _recheck(self, reach: Reach) -> None:
        """A machine came to a line or left it: the browser begins anew with what it may see now."""
        while True:
            await asyncio.sleep(_RECHECK_EVERY_S)
            if await self.run_in_factory(machine_keys_within, reach) != self._viewer.machines:
                self.close_soon(TRY_AGAIN_LATER)
                return

    async def closed(self, code: int) -> None:
        if self._rechecking is not None:
            self._rechecking.cancel()
        if self._live is not None:
            await self._live.leave(self._viewer)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        if self._live is None:
            return
        try:
            message = _decoder.decode(text_data or b"")
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            told = {"type": "status", "code": "invalid_message", "detail": str(error)[:200]}
            self._viewer.wire.send(Packet(msgspec.json.encode(told)))
            return
        self._live.watch(self._viewer, message.watch)
