"""One machine as some browsers of this process see it, and the snapshots they begin with. Each text is made once.

A stream is a machine and a choice of metrics. A browser enters it by a snapshot; who comes within the next second
shares that snapshot and is told what followed. Ticks are held back while a snapshot is made, and afterwards lose what
it had already.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from telemetry.live.frames import Frame, frame_batch, frame_encode, frame_of, frame_of_tick, frame_without
from telemetry.live.outbox import Packet
from telemetry.readings import Int64Array, ReadingBatch

# Who comes within this time of a snapshot shares it.
SHARED_S = 1.0
# Later than this, what was in a snapshot can't arrive as a tick any more.
_OVERLAP_S = 10.0
# Ticks held back while a snapshot is made, or kept for who shares it: with 10 a second, half a minute.
_HELD = 300


class Wire(Protocol):
    """Sends, or keeps the newest; lagged_s: when something was last left out (monotonic), 0 if never."""

    lagged_s: float

    def send(self, packet: Packet, machine: str = "") -> None:
        """Send or keep a message, or with a machine its readings of one tick; never waits."""

    def busy_s(self, now_s: float) -> float:
        """How long nothing has left although something waits."""

    def forget_readings(self) -> None:
        """Drop readings that wait: the socket watches something else now."""


class Owner(Protocol):
    """A socket's consumer, as a viewer knows it."""

    def close_soon(self, code: int) -> None:
        """Close the socket."""


class Viewer(Protocol):
    """A browser, as streams know it: its socket, the way out to it, and how much history it asked for."""

    owner: Owner
    wire: Wire
    history_s: int


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a snapshot has to say. shown: times of each metric's newest readings in it."""

    packets: Sequence[Packet]
    shown: Mapping[str, Int64Array]


class Snapshot:
    """A beginning, from when it is asked for until nothing that follows can repeat it."""

    def __init__(self, stream: "Stream", history_s: int, *, now_s: float) -> None:
        self.stream, self.history_s, self.asked_s = stream, history_s, now_s
        self.viewers: set[Viewer] = set()
        self.made = False
        self._held: list[Frame] = []
        self._made_s = now_s
        self._shown: Mapping[str, Int64Array] = {}
        self._shown_to_ms = 0
        # What everybody who shares it gets at once; None when it is too old to be shared.
        self._said: list[Packet] | None = None

    @property
    def shared(self) -> bool:
        """Whether one more may enter by it."""
        return not self.made or self._said is not None

    def enter(self, viewer: Viewer) -> None:
        """One more begins here."""
        self.viewers.add(viewer)
        for packet in self._said or ():
            viewer.wire.send(packet)

    def finish(self, beginning: Beginning, *, now_s: float) -> None:
        """It is made: tell it, and what was held back meanwhile."""
        self.made, self._made_s, self._shown = True, now_s, beginning.shown
        self._shown_to_ms = max((int(times[-1]) for times in beginning.shown.values() if len(times)), default=0)
        self._said = list(beginning.packets)
        for viewer in self.viewers:
            for packet in self._said:
                viewer.wire.send(packet)
        held, self._held = self._held, []
        if held:
            self.tick(frame_of(self.stream.machine, [frame_batch(frame) for frame in held]), None)

    def tick(self, frame: Frame, packet: Packet | None) -> None:
        """Readings that follow; packet: the frame as everybody else gets it, None to have one made."""
        if not self.made:
            self._held.append(frame)
            del self._held[:-_HELD]
            return
        if int(frame.t_ms[0]) <= self._shown_to_ms:
            frame, packet = frame_without(frame, self._shown), None
            if not len(frame.t_ms):
                return
        packet = packet or Packet(frame_encode("readings", frame))
        for viewer in self.viewers:
            viewer.wire.send(packet, frame.machine)
        if self._said is not None:
            self._said = [*self._said, packet] if len(self._said) < _HELD else None

    def age(self, now_s: float) -> bool:
        """Whether it is over."""
        if self.made and now_s - self._made_s > SHARED_S:
            self._said = None
        return self.made and now_s - self._made_s > _OVERLAP_S


class Stream:
    """See the module. `viewers` are those whose snapshot is past."""

    def __init__(self, machine: str, metrics: tuple[str, ...] | None) -> None:
        self.machine, self.metrics = machine, metrics
        self.viewers: set[Viewer] = set()
        self.snapshots: list[Snapshot] = []

    def tick(self, tick: ReadingBatch) -> None:
        """A tick of the machine: one text for all."""
        frame = frame_of_tick(self.machine, tick, metrics=self.metrics)
        if not len(frame.t_ms):
            return
        packet = Packet(frame_encode("readings", frame))
        for viewer in self.viewers:
            viewer.wire.send(packet, self.machine)
        for snapshot in self.snapshots:
            snapshot.tick(frame, packet)

    def tick_late(self, tick: ReadingBatch) -> None:
        """Seconds of a second publisher, for those who begin: the others have had them."""
        frame = frame_of_tick(self.machine, tick, metrics=self.metrics)
        for snapshot in self.snapshots if len(frame.t_ms) else ():
            snapshot.tick(frame, None)

    def forget(self, snapshot: Snapshot) -> None:
        """It will not be made."""
        if snapshot in self.snapshots:
            self.snapshots.remove(snapshot)

    def enter(self, viewer: Viewer, *, now_s: float) -> Snapshot | None:
        """Begin to watch; a snapshot that has now to be made, or None when there is one."""
        for snapshot in self.snapshots:
            if snapshot.history_s == viewer.history_s and snapshot.shared:
                snapshot.enter(viewer)
                return None
        return self._begin([viewer], viewer.history_s, now_s=now_s)

    def leave(self, viewer: Viewer) -> bool:
        """Watch no more; whether nobody is left."""
        self.viewers.discard(viewer)
        for snapshot in self.snapshots:
            snapshot.viewers.discard(viewer)
        return not self.viewers and not any(snapshot.viewers for snapshot in self.snapshots)

    def restart(self, *, now_s: float, before_s: float) -> list[Snapshot]:
        """Ticks were lost: everybody who began before (monotonic) begins again. The snapshots to be made."""
        again, self.viewers = self.viewers, set()
        for old in [snapshot for snapshot in self.snapshots if snapshot.asked_s < before_s]:
            again |= old.viewers
            old.viewers.clear()
            self.snapshots.remove(old)
        lengths = {viewer.history_s for viewer in again}
        return [self._begin([one for one in again if one.history_s == s], s, now_s=now_s) for s in lengths]

    def age(self, now_s: float) -> None:
        """Let go of snapshots that are over."""
        for snapshot in [snapshot for snapshot in self.snapshots if snapshot.age(now_s)]:
            self.viewers |= snapshot.viewers
            self.snapshots.remove(snapshot)

    def _begin(self, viewers: Iterable[Viewer], history_s: int, *, now_s: float) -> Snapshot:
        snapshot = Snapshot(self, history_s, now_s=now_s)
        snapshot.viewers.update(viewers)
        self.snapshots.append(snapshot)
        return snapshot
