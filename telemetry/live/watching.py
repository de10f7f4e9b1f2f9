"""What one socket asked to see, and the snapshot it begins with."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from common import clock
from common.times import rfc3339
from telemetry.equipment import machine_state
from telemetry.live.frames import Frame, frame_of, frame_thinned, frame_without, shown_of
from telemetry.models import Machine
from telemetry.readings import Int64Array, ReadingBatch
from telemetry.store import reading_store

# A snapshot is for drawing: more instants than a wide screen has pixels only cost time.
SNAPSHOT_ROWS = 5_000
_READINGS_PER_METRIC = 50_000
# Later than this, what was in the snapshot can't arrive as a frame any more.
_OVERLAP_S = 10.0
_OVERLAP_READINGS = 5_000
# Ticks held back while a snapshot is made; with 10 a second, half a minute.
_HELD = 300
_AHEAD_MS = 86_400_000


class WatchSpec(msgspec.Struct):
    """The `watch` a browser sends."""

    machines: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=200)]
    metrics: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=200)] | None = None
    history_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 300


class WatchMessage(msgspec.Struct):
    """The one message a browser may send."""

    watch: WatchSpec


@dataclass(slots=True)
class Watched:
    """One machine a socket watches. Until its snapshot has left, ticks are held back for it."""

    machine: str
    metrics: tuple[str, ...] | None
    held: list[bytes] | None = field(default_factory=list)
    shown: dict[str, Int64Array] = field(default_factory=dict)
    shown_until_s: float = 0.0

    def hold(self, encoded: bytes) -> bool:
        """Keep a tick for the snapshot; False when the snapshot has left and ticks go straight on."""
        if self.held is None:
            return False
        self.held.append(encoded)
        del self.held[:-_HELD]
        return True

    def snapshot(self, history: ReadingBatch, recent: bytes | None) -> Frame:
        """History, the seconds before and the ticks held, each reading once; from here on ticks go straight on."""
        late = [ReadingBatch.from_bytes(encoded) for encoded in ([recent] if recent else []) + (self.held or [])]
        frame = frame_of(self.machine, [history, *late], metrics=self.metrics)
        self.held = None
        self.shown = shown_of(frame, newest=_OVERLAP_READINGS)
        self.shown_until_s = clock.monotonic_s() + _OVERLAP_S
        return frame_thinned(frame, rows=SNAPSHOT_ROWS)

    @property
    def overlaps(self) -> bool:
        """Whether a tick may still carry what the snapshot has shown."""
        if self.shown and clock.monotonic_s() > self.shown_until_s:
            self.shown = {}
        return bool(self.shown)

    def frame(self, encoded: Sequence[bytes]) -> Frame:
        """Ticks as one frame, less what the snapshot has shown."""
        frame = frame_of(self.machine, [ReadingBatch.from_bytes(one) for one in encoded], metrics=self.metrics)
        return frame_without(frame, self.shown) if self.overlaps else frame


def history_read(
    machine_key: str, metrics: Sequence[str] | None, history_s: int
) -> tuple[ReadingBatch, dict[str, Any]]:
    """A machine's last readings and its state as a message; inside the factory. Raises StoreUnavailableError.

    A machine that has not sent anything yet has no readings and the state "unknown": it may be watched all the same.
    """
    machine = Machine.objects.filter(key=machine_key).first()
    if machine is None:
        return ReadingBatch(), _state_message(machine_key, "unknown", None)
    seen = machine.last_seen_at
    state = _state_message(machine.key, machine_state(machine, clock.now()), rfc3339(seen) if seen else None)
    names = list(machine.metrics.order_by("name").values_list("name", flat=True))
    now_ms = clock.now_ms()
    wanted = [name for name in names if metrics is None or name in metrics]
    series = reading_store().raw(
        machine,
        wanted if history_s else [],
        from_ms=now_ms - history_s * 1000,
        # Clocks of devices run ahead a little; what admission let in is shown.
        to_ms=now_ms + _AHEAD_MS,
        limit=_READINGS_PER_METRIC,
    )
    return ReadingBatch([part for part in series if len(part)]), state


def _state_message(machine: str, state: str, last_seen_at: str | None) -> dict[str, Any]:
    # Health is detection's word, a floor above: null says that this message does not know it.
    return {"type": "state", "machine": machine, "state": state, "health": None, "last_seen_at": last_seen_at}
