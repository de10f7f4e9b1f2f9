"""The socket `/ws/live`: one person's browser watching some machines of one factory."""

from typing import Any

import msgspec
import redis
import structlog

from accounts.permissions import VIEW, permits
from telemetry.live.outbox import Packet
from telemetry.live.room import TRY_AGAIN_LATER, LiveRoom, LiveViewer, live_room
from telemetry.live.watching import WatchMessage
from telemetry.live.wire import close_frame_send, wire_of
from tenants.consumers import NOT_PERMITTED, FactoryConsumer

_log = structlog.get_logger(__name__)

_decoder = msgspec.json.Decoder(WatchMessage)


class LiveConsumer(FactoryConsumer):
    """See "WebSocket" in the API documentation for the messages; the factory's `LiveRoom` sends them."""

    _live: LiveRoom | None = None
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
        self._live = live_room(self.room, self.factory)
        self._viewer = LiveViewer(self, wire_of(self.base_send))
        self._live.enter(self._viewer)

    async def closed(self, code: int) -> None:
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
