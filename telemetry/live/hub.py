"""From whoever has news to every process with open browsers of its factory: readings in ticks, the rest at once."""

import threading
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
import redis
import structlog

from common import clock
from telemetry.ingest import counted
from telemetry.live.recent import RecentReadings
from telemetry.live.ticks import by_machine, rows_pick
from telemetry.live.valkey import Ask, asks_read, channel_publish, group_publish, valkey
from telemetry.live.watched import Paces, Watched
from telemetry.readings import ReadingBatch
from tenants.rooms import sockets_group

_log = structlog.get_logger(__name__)

# Longer than the store usually lags behind, so that history and these seconds overlap.
RECENT_S = 5.0
_RECENT_BYTES = 24 * 1024**2
_ASKS_EVERY_S = 0.02
_RETRY_S = 1.0
# Browsers that could not be told of a gap for so long are not there any more.
_GAPS_EVERY_S, _GAPS_KEPT_S = 0.25, 60.0


def live_publish(slug: str, message: Mapping[str, Any], *, user_id: int | None = None) -> None:
    """Send one message of the live contract (alert, state, status, inbox) to every live socket of a factory.

    user_id: to that person's sockets alone.

    Synchronous, from any thread or process. Live news is a courtesy: when Valkey is away it is logged and dropped, and
    pages find the truth in PostgreSQL.
    """
    text = msgspec.json.encode(message).decode()
    try:
        event = {"type": "live.message", "factory": slug, "text": text, "user_id": user_id}
        group_publish(valkey(), sockets_group(slug), event)
        if message.get("code") == "history_current":
            # Whoever came while history was behind has a hole where the store had not been told yet.
            gap = {"type": "live.gap", "factory": slug, "until_s": clock.now().timestamp()}
            group_publish(valkey(), sockets_group(slug), gap)
    except redis.RedisError as error:
        _log.warning("live_message_dropped", factory=slug, kind=message.get("type"), error=str(error))


class LivePublisher:
    """The drain's way to the browsers. `add` what arrives, `flush` every few milliseconds.

    Rows stay as the journal has them until somebody watches a machine of their factory; those of other factories go no
    further than the last RECENT_S seconds kept for whoever begins to. `flush` is one thread's; the rest is thread-safe,
    and nothing raises because Valkey is away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent = RecentReadings(keep_s=RECENT_S, max_bytes=_RECENT_BYTES)
        self._fresh: dict[str, list[bytes]] = {}
        self._waiting: dict[str, dict[str, list[tuple[float, ReadingBatch]]]] = {}
        self._watched = Watched()
        self._paces = Paces()
        self._position = ""
        self._asks_s = 0.0
        self._quiet_until_s = 0.0
        # Factories whose readings were lost to browsers, and until when (epoch seconds).
        self._gaps: dict[str, float] = {}
        self._gaps_told_s = 0.0
        self._id = uuid.uuid4().hex[:8]
        self._counts: dict[str, int] = {}

    def add(self, factory_slug: str, batch: ReadingBatch) -> None:
        """Readings that just arrived, in order of arrival."""
        self.add_encoded(factory_slug, batch.to_bytes())

    def add_encoded(self, factory_slug: str, body: bytes) -> None:
        """The same as `ReadingBatch.to_bytes` has it: nothing is decoded unless somebody watches."""
        with self._lock:
            self._recent.add(factory_slug, body, at_s=clock.monotonic_s())
            self._fresh.setdefault(factory_slug, []).append(body)

    def gap(self, factory_slug: str) -> None:
        """Readings up to now did not come this way and are in the store: browsers are to look there."""
        with self._lock:
            self._gaps[factory_slug] = clock.now().timestamp()

    def flush(self) -> None:
        """Send what is due, and answer who began to watch."""
        now_s = clock.monotonic_s()
        if now_s < self._quiet_until_s:
            self._discard()
            return
        try:
            self._flush(now_s)
        except redis.RedisError as error:
            _log.warning("live_paused", error=str(error))
            self._quiet_until_s = now_s + _RETRY_S
            self._discard()

    def _discard(self) -> None:
        """Nobody can be reached: browsers fill the gap from history when they can again."""
        with self._lock:
            counted.LIVE_FRAMES_DROPPED.inc(len(self._fresh))
            lost = self._fresh.keys() | self._waiting.keys()
            self._gaps |= dict.fromkeys(lost, clock.now().timestamp())
            self._fresh.clear()
        self._waiting.clear()
        self._watched.forget()

    def _flush(self, now_s: float) -> None:
        asks: list[Ask] = []
        if now_s - self._asks_s >= _ASKS_EVERY_S:
            self._position, asks = asks_read(self._position)
            self._asks_s = now_s
        for ask in asks:
            self._watched.asked(ask)
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        for slug, machines in self._watched.of(fresh, now_s=now_s).items():
            if machines:
                waiting = self._waiting.setdefault(slug, {})
                for machine, batch in by_machine(rows_pick(fresh[slug], machines)).items():
                    waiting.setdefault(machine, []).append((now_s, batch))
        self._send(now_s, asks)

    def _send(self, now_s: float, asks: list[Ask]) -> None:
        pipe = valkey().pipeline(transaction=False)
        ticks = self._ticks(now_s)
        for slug, due in ticks.items():
            counted.LIVE_FRAMES.inc()
            count = self._counts[slug] = self._counts.get(slug, 0) + 1
            message = {"type": "live.readings", "factory": slug, "from": self._id, "n": count, "machines": due}
            group_publish(pipe, sockets_group(slug), message)
        told = self._tell_gaps(pipe, now_s)
        for ask in asks:
            channel_publish(pipe, ask.channel, self._answer(ask, now_s))
        if not len(pipe):
            return
        try:
            heard = pipe.execute()
        except redis.RedisError:
            with self._lock:
                self._gaps |= dict.fromkeys(ticks, clock.now().timestamp())
            raise
        self._note(list(ticks), told, heard)

    def _ticks(self, now_s: float) -> dict[str, dict[str, bytes]]:
        """Encoded readings of machines whose last frame is long enough ago, by factory."""
        ticks: dict[str, dict[str, bytes]] = {}
        for slug, waiting in list(self._waiting.items()):
            due = [machine for machine, parts in waiting.items() if self._may_leave(slug, machine, parts, now_s)]
            if due:
                ticks[slug] = {machine: _joined(waiting.pop(machine)) for machine in due}
            if not waiting:
                del self._waiting[slug]
        return ticks

    def _may_leave(self, slug: str, machine: str, parts: list[tuple[float, ReadingBatch]], now_s: float) -> bool:
        return self._paces.take(slug, machine, now_s=now_s, arrived_s=[arrived_s for arrived_s, _ in parts])

    def _tell_gaps(self, pipe: redis.Redis, now_s: float) -> dict[str, float]:
        if not self._gaps or now_s - self._gaps_told_s < _GAPS_EVERY_S:
            return {}
        self._gaps_told_s = now_s
        with self._lock:
            told = dict(self._gaps)
        for slug, until_s in told.items():
            group_publish(pipe, sockets_group(slug), {"type": "live.gap", "factory": slug, "until_s": until_s})
        return told

    def _note(self, sent: list[str], told: dict[str, float], heard: list[int]) -> None:
        """Who was told of a gap is done with; what nobody heard is one, for web processes that are coming back."""
        epoch_s = clock.now().timestamp()
        with self._lock:
            for slug, processes in zip(sent, heard, strict=False):
                if not processes:
                    self._gaps[slug] = epoch_s
            for (slug, until_s), processes in zip(told.items(), heard[len(sent) :], strict=False):
                if self._gaps.get(slug) == until_s and (processes or epoch_s - until_s > _GAPS_KEPT_S):
                    del self._gaps[slug]

    def _answer(self, ask: Ask, now_s: float) -> dict[str, Any]:
        with self._lock:
            found = self._recent.of(ask.factory_slug, set(ask.machines), since_s=now_s - RECENT_S)
        return {
            "type": "live.recent",
            "factory": ask.factory_slug,
            "number": ask.number,
            "machines": {machine: batch.to_bytes() for machine, batch in found.items()},
        }


def _joined(parts: list[tuple[float, ReadingBatch]]) -> bytes:
    return ReadingBatch.joined([batch for _, batch in parts]).to_bytes()
