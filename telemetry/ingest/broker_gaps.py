"""Finds out when a broker has lost what it should have kept for us: its queue was full, or it forgot our session.

MQTT tells neither. What can be seen: a session that is gone, and Mosquitto's own count of dropped messages, of all its
clients; it counts for us only when we were away, or so slow that the broker had to queue.
"""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import structlog

from common import clock

_log = structlog.get_logger(__name__)

_SAVE_EVERY_S = 5.0
# A broker tells its counts every ten seconds; what happened while we were away shows until then.
_LATE_S = 15.0
_FACTORIES = 1_000


class BrokerGaps:
    """What is known of our place at one broker, kept in a file beside the journal over restarts.

    factories: those that were heard by way of this broker, to be told of a gap.
    """

    def __init__(self, file: Path | None, *, broker: str) -> None:
        self._file, self._broker = file, broker
        self.factories: set[str] = set()
        self._heard_ms = 0
        self._dropped: int | None = None
        self._away_from_ms = 0
        self._ready_s = self._saved_s = clock.monotonic_s()
        self._load()

    def connected(self, *, session_present: bool) -> str:
        """The broker answers again; what to tell the factories, empty when nothing is known to be lost."""
        now_ms, self._away_from_ms = clock.now_ms(), self._heard_ms
        self._heard_ms, self._ready_s = now_ms, clock.monotonic_s()
        self.save()
        if session_present or not self._away_from_ms:
            return ""
        return f"The broker did not know us any more: what it was sent {_between(self._away_from_ms, now_ms)} is lost."

    def heard(self, *, dropped: int | None, strained: bool) -> str:
        """The connection lives. dropped: the broker's count; strained: it may have had to queue since the last call.

        Returns what to tell the factories, empty when nothing is known to be lost.
        """
        now_ms, told = clock.now_ms(), ""
        late = clock.monotonic_s() - self._ready_s < _LATE_S
        if dropped is not None and dropped != self._dropped:
            # A smaller count is that of a broker that has begun anew.
            before, self._dropped = self._dropped, dropped
            more = dropped - before if before is not None and dropped > before else dropped if before is not None else 0
            from_ms = self._away_from_ms if late and self._away_from_ms else self._heard_ms
            if more and (late or strained):
                span = _between(from_ms, now_ms)
                told = f"The broker's queue was full: it dropped {more:,} messages {span}, of this factory or others."
        self._heard_ms = now_ms
        if clock.monotonic_s() - self._saved_s > _SAVE_EVERY_S:
            self.save()
        return told

    def of_factory(self, slug: str) -> None:
        """A factory is heard by way of this broker."""
        if len(self.factories) < _FACTORIES:
            self.factories.add(slug)

    def save(self) -> None:
        """Not synced: a lost file costs the knowledge of one gap, no reading."""
        self._saved_s = clock.monotonic_s()
        if self._file is None:
            return
        kept = {
            "broker": self._broker,
            "heard_ms": self._heard_ms,
            "dropped": self._dropped,
            "factories": sorted(self.factories),
        }
        beside = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            beside.write_text(json.dumps(kept) + "\n", encoding="utf-8")
            beside.replace(self._file)

    def _load(self) -> None:
        if self._file is None or not self._file.exists():
            return
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["broker"] != self._broker:
                return
            self._heard_ms = int(kept["heard_ms"])
            self._dropped = None if kept["dropped"] is None else int(kept["dropped"])
            self.factories = set(map(str, kept["factories"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("broker_memory_unreadable", file=str(self._file), error=str(error))


def _between(from_ms: int, to_ms: int) -> str:
    return f"between {_moment(from_ms)} and {_moment(to_ms)}"


def _moment(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
