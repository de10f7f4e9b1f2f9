"""The socket `/ws/live`: one person's browser watching some machines of one factory."""

import asyncio
import contextlib
import itertools
from collections import OrderedDict
from typing import Any

import msgspec
import redis
import structlog

from accounts.permissions import VIEW, permits
from common import clock
from telemetry.live.frames import frame_encode
from telemetry.live.hub import live_group
from telemetry.live.outbox import Due, Outbox
from telemetry.live.valkey import WATCH_TTL_S, Ask, watch_ask, watch_renew
from telemetry.live.watching import Watched, WatchMessage, WatchSpec, history_read
from telemetry.readings import ReadingBatch
from telemetry.store.base import StoreUnavailableError
from tenants.consumers import NOT_PERMITTED, FactoryConsumer

_log = structlog.get_logger(__name__)

TRY_AGAIN_LATER = 1013
# How long a snapshot waits for the seconds before it; without a running ingest there are none.
_RECENT_WAIT_S = 0.5
_STALLED_S = 15.0
_RENEW_S = WATCH_TTL_S / 3

_decoder = msgspec.json.Decoder(WatchMessage)
# Sockets of this process that watch the same share the text of a frame.
_TEXTS_KEPT = 512
_texts: OrderedDict[tuple[str, str, tuple[str, ...] | None], str] = OrderedDict()


class LiveConsumer(FactoryConsumer):
    """See "WebSocket" in the API documentation for the messages.

    Two tasks beside the channel's own loop: one sends, so that a slow browser holds up nobody and nothing piles up; one
    makes snapshots and renews the watch.
    """

    async def connect(self) -> None:
        try:
            await super().connect()
        except (redis.RedisError, OSError) as error:
            _log.warning("live_socket_refused", error=str(error))
            await self.close(code=TRY_AGAIN_LATER)

    async def opened(self) -> None:
        if not await self.run_in_factory(permits, self.user, VIEW):
            await self.close(code=NOT_PERMITTED)
            return
        self._outbox = Outbox()
        self._awake = asyncio.Event()
        self._spec: WatchSpec | None = None
        self._watched: dict[str, Watched] = {}
        self._recent: asyncio.Future[dict[str, bytes]] | None = None
        self._numbers = itertools.count(1)
        self._number = 0
        self._watching: asyncio.Task[None] | None = None
        await self.channel_layer.group_add(live_group(self.factory.slug), self.channel_name)
        self._sending = asyncio.create_task(self._send_on())

    async def closed(self, code: int) -> None:
        for task in (getattr(self, "_sending", None), getattr(self, "_watching", None)):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.channel_layer.group_discard(live_group(self.factory.slug), self.channel_name)

    # --- from the browser ------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        if getattr(self, "_sending", None) is None:
            return
        try:
            message = _decoder.decode(text_data or b"")
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            self._say({"type": "status", "code": "invalid_message", "detail": str(error)[:200]})
            return
        await self._watch(message.watch)

    async def _watch(self, spec: WatchSpec) -> None:
        if self._watching is not None:
            self._watching.cancel()
        spec.machines = list(dict.fromkeys(spec.machines))
        self._spec = spec
        metrics = tuple(spec.metrics) if spec.metrics is not None else None
        self._outbox.forget_readings()
        self._watched = {key: Watched(key, metrics) for key in spec.machines}
        self._number = next(self._numbers)
        self._recent = asyncio.get_running_loop().create_future()
        self._watching = asyncio.create_task(self._watch_on(spec, self._number, self._recent))

    async def _watch_on(self, spec: WatchSpec, number: int, recent: "asyncio.Future[dict[str, bytes]]") -> None:
        try:
            await self._begin(spec, number, recent)
            while True:
                await asyncio.sleep(_RENEW_S)
                await self._renew(spec)
        except Exception:  # noqa: BLE001  # the task's edge: the browser comes back and begins anew
            _log.exception("live_watch_failed", factory=self.factory.slug)
            await self.close(code=TRY_AGAIN_LATER)

    async def _begin(self, spec: WatchSpec, number: int, recent: "asyncio.Future[dict[str, bytes]]") -> None:
        """Snapshots without a hole and without a twin.

        Ticks are held back from the moment the watch is known. A reading that arrived before is in the publisher's last
        seconds or, if older, in the store by now; one that arrives later is in a tick. All three are merged, and ticks
        that follow lose what the snapshot had.
        """
        ask = Ask(self.factory.slug, self.channel_name, number, spec.machines)
        try:
            await asyncio.to_thread(watch_ask, ask, now_s=clock.now().timestamp())
            async with asyncio.timeout(_RECENT_WAIT_S):
                just_before = await recent
        except (TimeoutError, redis.RedisError):
            just_before = {}
        for key in spec.machines:
            await self._snapshot(key, spec, just_before.get(key))

    async def _snapshot(self, key: str, spec: WatchSpec, just_before: bytes | None) -> None:
        history, state = ReadingBatch(), None
        try:
            history, state = await self.run_in_factory(history_read, key, spec.metrics, spec.history_s)
        except StoreUnavailableError:
            self._say({"type": "status", "code": "history_delayed"})
        self._say_text(frame_encode("snapshot", self._watched[key].snapshot(history, just_before)))
        if state is not None:
            self._say(state)

    async def _renew(self, spec: WatchSpec) -> None:
        try:
            await asyncio.to_thread(watch_renew, self.factory.slug, spec.machines, now_s=clock.now().timestamp())
        except redis.RedisError as error:
            _log.warning("live_watch_not_renewed", error=str(error))

    # --- from the factory ------------------------------------------------------------------------------------------

    async def live_message(self, event: dict[str, Any]) -> None:
        """An alert, a state or a status, for everybody."""
        self._say_text(event["text"])

    async def live_readings(self, event: dict[str, Any]) -> None:
        """A tick of the publisher: readings of whatever anybody watches."""
        for key, encoded in event["machines"].items():
            watched = self._watched.get(key)
            if watched is not None and not watched.hold(encoded):
                self._outbox.put_readings(key, identity=event["id"], encoded=encoded)
        self._awake.set()

    async def live_recent(self, event: dict[str, Any]) -> None:
        """A publisher's answer to `watch_ask`: what arrived just before."""
        if event["number"] != self._number:
            return
        if self._recent is not None and not self._recent.done():
            self._recent.set_result(event["machines"])
            return
        # A second publisher, whose answer came after the first one's: its seconds go the way of ticks.
        await self.live_readings({"id": "", "machines": event["machines"]})

    async def live_gap(self, event: dict[str, Any]) -> None:
        """Ticks were lost while Valkey was away: a new snapshot fills the gap from history."""
        if self._spec is not None:
            await self._watch(self._spec)

    # --- to the browser --------------------------------------------------------------------------------------------

    def _say(self, message: dict[str, Any]) -> None:
        self._say_text(msgspec.json.encode(message).decode())

    def _say_text(self, text: str) -> None:
        self._outbox.put_text(text)
        self._awake.set()

    async def _send_on(self) -> None:
        try:
            while True:
                await self._sleep()
                for text in self._due_texts():
                    async with asyncio.timeout(_STALLED_S):
                        await self.send(text_data=text)
        except TimeoutError:
            _log.info("live_socket_stalled", factory=self.factory.slug)
            await self.close(code=TRY_AGAIN_LATER)
        except Exception:  # noqa: BLE001  # the task's edge: servers differ in what they raise for a closed socket
            _log.info("live_socket_gone", factory=self.factory.slug, exc_info=True)

    async def _sleep(self) -> None:
        """Until something may leave."""
        wait_s = self._outbox.wait_s(clock.monotonic_s())
        if wait_s == 0:
            await asyncio.sleep(0)  # a busy socket shares the loop with the others
            return
        self._awake.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._awake.wait(), wait_s)

    def _due_texts(self) -> list[str]:
        texts = self._outbox.take_texts()
        if self._outbox.dropped:
            self._outbox.dropped = False
            texts.append('{"type":"status","code":"lagging"}')
        for due in self._outbox.take_due(clock.monotonic_s()):
            text = self._frame_text(due)
            if text:
                texts.append(text)
        return texts

    def _frame_text(self, due: Due) -> str:
        """The frame's JSON; empty when the browser has all of it already."""
        watched = self._watched.get(due.machine)
        if watched is None:
            return ""
        key = (due.identity, due.machine, watched.metrics)
        shared = bool(due.identity) and not watched.overlaps
        if shared and key in _texts:
            return _texts[key]
        frame = watched.frame(due.batches)
        text = frame_encode("readings", frame) if len(frame.t_ms) else ""
        if shared:
            _texts[key] = text
            while len(_texts) > _TEXTS_KEPT:
                _texts.popitem(last=False)
        return text
