"""From whoever has news to every open browser of a factory: readings coalesced, alerts and states at once."""

import threading
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import redis
import structlog

from common import clock
from telemetry.ingest import counted
from telemetry.live.recent import RecentReadings, sort_by_machine
from telemetry.live.valkey import (
    Ask,
    asks_read,
    channel_publish,
    group_publish,
    valkey,
    watched_read,
)
from telemetry.readings import ReadingBatch, Series

_log = structlog.get_logger(__name__)

# A machine's readings leave at most this often; the first after a quiet moment leaves with the next tick.
FRAME_INTERVAL_S = 0.1
# Longer than the store usually lags behind, so that history and these seconds overlap.
RECENT_S = 5.0
_RECENT_READINGS = 500_000
_WATCHED_FRESH_S = 1.0
_RETRY_S = 1.0
# Web processes need a moment, too, to find Valkey again.
_RESUBSCRIBED_S = 2.0


def live_group(slug: str) -> str:
    """The channel group of a factory's live sockets."""
    return f"live.{slug}"


def live_publish(slug: str, message: Mapping[str, Any]) -> None:
    """Send one message of the live contract (alert, state, status) to every live socket of a factory.

    Synchronous, from any thread or process. Live news is a courtesy: when Valkey is away it is logged and dropped, and
    pages find the truth in PostgreSQL.
    """
    try:
        group_publish(
            valkey(), live_group(slug), {"type": "live.message", "text": msgspec.json.encode(message).decode()}
        )
    except redis.RedisError as error:
        _log.warning("live_message_dropped", factory=slug, kind=message.get("type"), error=str(error))


class LivePublisher:
    """The drain's way to the browsers. `add` what arrives, `flush` every tick (20 ms is a good one).

    Readings of machines that nobody watches go no further than the last RECENT_S seconds kept for whoever begins to.
    Thread-safe; never raises because Valkey is away.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent = RecentReadings(keep_s=RECENT_S, max_readings=_RECENT_READINGS)
        self._fresh: dict[str, list[ReadingBatch]] = {}
        self._waiting: dict[str, dict[str, list[Series]]] = {}
        self._sent_s: dict[tuple[str, str], float] = {}
        self._watched: dict[str, tuple[float, set[str]]] = {}
        self._position = ""
        self._quiet_until_s = 0.0
        # Factories whose readings were lost to browsers, and when these can be told.
        self._gaps: set[str] = set()
        self._gaps_told_s = 0.0
        self._id = uuid.uuid4().hex[:8]
        self._count = 0

    def add(self, factory_slug: str, batch: ReadingBatch) -> None:
        """Readings that just arrived, in order of arrival."""
        with self._lock:
            self._recent.add(factory_slug, batch, at_s=clock.monotonic_s())
            self._fresh.setdefault(factory_slug, []).append(batch)

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
            self._gaps_told_s = self._quiet_until_s + _RESUBSCRIBED_S
            self._discard()

    def _discard(self) -> None:
        """Nobody can be reached: browsers fill the gap from history when they can again."""
        with self._lock:
            counted.LIVE_FRAMES_DROPPED.inc(len(self._fresh))
            self._gaps.update(self._fresh)
            self._fresh.clear()
        self._gaps.update(self._waiting)
        self._waiting.clear()
        self._watched.clear()

    def _flush(self, now_s: float) -> None:
        self._position, asks = asks_read(self._position)
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        watched = self._watched_by(fresh.keys(), asks, now_s)
        for slug, batches in fresh.items():
            waiting = self._waiting.setdefault(slug, {}) if watched[slug] else {}
            for batch in batches:
                sort_by_machine(batch, watched[slug], into=waiting)
        self._send(now_s, asks)

    def _watched_by(self, slugs: Iterable[str], asks: list[Ask], now_s: float) -> dict[str, set[str]]:
        stale = [slug for slug in slugs if now_s - self._watched.get(slug, (-1e9, None))[0] > _WATCHED_FRESH_S]
        if stale:
            read = watched_read(stale, now_s=clock.now().timestamp())
            self._watched.update({slug: (now_s, machines) for slug, machines in read.items()})
        for ask in asks:
            if ask.factory_slug in self._watched:
                self._watched[ask.factory_slug][1].update(ask.machines)
        return {slug: self._watched[slug][1] for slug in slugs}

    def _send(self, now_s: float, asks: list[Ask]) -> None:
        pipe = valkey().pipeline(transaction=False)
        for slug in list(self._waiting):
            due = self._due(slug, now_s)
            if due:
                self._count += 1
                counted.LIVE_FRAMES.inc()
                number = f"{self._id}-{self._count}"
                group_publish(pipe, live_group(slug), {"type": "live.readings", "id": number, "machines": due})
        if self._gaps and now_s >= self._gaps_told_s:
            for slug in self._gaps:
                group_publish(pipe, live_group(slug), {"type": "live.gap"})
            self._gaps.clear()
        for ask in asks:
            channel_publish(pipe, ask.channel, self._answer(ask, now_s))
        if len(pipe):
            pipe.execute()

    def _due(self, slug: str, now_s: float) -> dict[str, bytes]:
        """Encoded readings of the factory's machines whose last frame is long enough ago."""
        waiting = self._waiting[slug]
        due: dict[str, bytes] = {}
        for machine in list(waiting):
            # A tick that comes a hair early must not cost the machine a whole tick.
            if now_s - self._sent_s.get((slug, machine), -1e9) >= FRAME_INTERVAL_S - 0.005:
                due[machine] = _encoded(waiting.pop(machine))
                self._sent_s[slug, machine] = now_s
        if not waiting:
            del self._waiting[slug]
        self._forget_old(now_s)
        return due

    def _forget_old(self, now_s: float) -> None:
        if len(self._sent_s) > 10_000:
            self._sent_s = {key: at for key, at in self._sent_s.items() if now_s - at < FRAME_INTERVAL_S}

    def _answer(self, ask: Ask, now_s: float) -> dict[str, Any]:
        with self._lock:
            found = self._recent.of(ask.factory_slug, set(ask.machines), since_s=now_s - RECENT_S)
        return {
            "type": "live.recent",
            "number": ask.number,
            "machines": {machine: _encoded(parts) for machine, parts in found.items()},
        }


def _encoded(parts: list[Series]) -> bytes:
    return ReadingBatch.merged([ReadingBatch(parts)]).to_bytes()
