"""One factory's live side in one web process: one message in per tick, one text out per machine and choice of metrics.

What a browser costs here is its place in a few sets. Reading history, asking publishers for the last seconds and
renewing watches are done once for all who want the same.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import structlog

from common import clock
from telemetry.live.asking import Asking
from telemetry.live.outbox import Packet
from telemetry.live.stream import Owner, Snapshot, Stream, Wire
from telemetry.live.watching import WatchSpec, beginning_read, machines_named
from telemetry.readings import ReadingBatch
from tenants.consumers import run_in_factory
from tenants.models import Factory
from tenants.rooms import Event, Room

_log = structlog.get_logger(__name__)

TRY_AGAIN_LATER = 1013
# A browser that takes nothing for so long is closed, and comes back when it can.
STALLED_S = 15.0
# One that was too slow gets what it missed from history, once it has kept up for a while, and not all the time.
_KEPT_UP_S, _REFILL_EVERY_S = 2.0, 30.0
_SWEEP_S = 0.5
# Reading history keeps a core busy; people's pages need the other.
_READERS = 4
# So many of one browser's snapshots are made at a time, so that a slow line is not flooded.
_AT_ONCE = 8


@dataclass(slots=True, eq=False)
class LiveViewer:
    """One open socket: where to send, what it watches, the machines that it may see (None for all), and whose it is."""

    owner: Owner
    wire: Wire
    user_id: int | None = None
    machines: frozenset[str] | None = None
    history_s: int = 0
    spec: WatchSpec | None = None
    streams: list[Stream] = field(default_factory=list)
    refilled_s: float = 0.0
    beginning: "asyncio.Task[None] | None" = None


class LiveRoom:
    """All live sockets of a factory in this process."""

    def __init__(self, room: Room, factory: Factory) -> None:
        self._factory = factory
        self._viewers: set[LiveViewer] = set()
        self._streams: dict[str, dict[tuple[str, ...] | None, Stream]] = {}
        self._counts: dict[str, int] = {}
        self._asking = Asking(factory.slug, room.channel)
        self._reading = asyncio.Semaphore(_READERS)
        self._making: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        room.listeners |= {
            "live.message": self._heard_message,
            "live.readings": self._heard_readings,
            "live.recent": self._heard_recent,
            "live.gap": self._heard_gap,
        }

    # --- browsers ---

    def enter(self, viewer: LiveViewer) -> None:
        """A socket opens; it is told of alerts and states from now on."""
        self._viewers.add(viewer)
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep_on())

    async def leave(self, viewer: LiveViewer) -> None:
        """A socket is gone."""
        self._viewers.discard(viewer)
        self._unwatch(viewer)
        if not self._viewers and self._sweeping is not None:
            sweeping, self._sweeping = self._sweeping, None
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping

    def watch(self, viewer: LiveViewer, spec: WatchSpec) -> None:
        """From now on it sees these machines, each from a snapshot on; those it saw already go on as they are."""
        if viewer.machines is not None:
            within = [key for key in spec.machines if key in viewer.machines]
            spec = WatchSpec(within, spec.metrics, spec.history_s)
        kept = _kept(viewer, spec)
        self._unwatch(viewer, keep=kept)
        viewer.spec, viewer.history_s = spec, spec.history_s
        new = [key for key in dict.fromkeys(spec.machines) if key not in kept]
        if new:
            viewer.beginning = asyncio.create_task(self._begin(viewer, new, spec))

    def _unwatch(self, viewer: LiveViewer, *, keep: Set[str] = frozenset()) -> None:
        if viewer.beginning is not None:
            viewer.beginning.cancel()
            viewer.beginning = None
        if not keep:
            viewer.wire.forget_readings()
        for stream in viewer.streams:
            if stream.machine not in keep and stream.leave(viewer):
                self._drop(stream)
        viewer.streams = [stream for stream in viewer.streams if stream.machine in keep]

    def _drop(self, stream: Stream) -> None:
        of_machine = self._streams.get(stream.machine, {})
        if of_machine.get(stream.metrics) is stream:
            del of_machine[stream.metrics]
        if not of_machine:
            self._streams.pop(stream.machine, None)

    async def _begin(self, viewer: LiveViewer, machines: Sequence[str], spec: WatchSpec) -> None:
        metrics = tuple(spec.metrics) if spec.metrics is not None else None
        for at in range(0, len(machines), _AT_ONCE):
            made = [self._begin_one(viewer, key, metrics) for key in machines[at : at + _AT_ONCE]]
            waiting = [task for task in made if task is not None]
            if len(machines) > _AT_ONCE and waiting:
                # A browser that leaves must not end a snapshot that others share, as gather would.
                await asyncio.wait(waiting)
                await self._taken(viewer)
        viewer.beginning = None

    def _begin_one(
        self, viewer: LiveViewer, machine: str, metrics: tuple[str, ...] | None
    ) -> "asyncio.Task[None] | None":
        stream = self._streams.setdefault(machine, {}).get(metrics)
        if stream is None:
            stream = self._streams[machine][metrics] = Stream(machine, metrics)
        viewer.streams.append(stream)
        snapshot = stream.enter(viewer, now_s=clock.monotonic_s())
        return self._make(snapshot) if snapshot is not None else None

    async def _taken(self, viewer: LiveViewer) -> None:
        while viewer.wire.busy_s(clock.monotonic_s()):  # noqa: ASYNC110  # of slow lines alone, and seldom
            await asyncio.sleep(0.05)

    # --- snapshots ---

    def _make(self, snapshot: Snapshot) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._made(snapshot))
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        return task

    async def _made(self, snapshot: Snapshot) -> None:
        """Without a hole and without a twin.

        Ticks are held back from the moment the watch is known. A reading that arrived before is in the publisher's last
        seconds or, if older, in the store by now; one that arrives later is in a tick.
        """
        stream = snapshot.stream
        try:
            just_before = await self._asking.just_before(stream.machine)
            async with self._reading:
                if not snapshot.viewers:
                    stream.forget(snapshot)  # all have gone, or ask anew
                    return
                beginning = await run_in_factory(
                    self._factory, beginning_read, stream.machine, stream.metrics, snapshot.history_s, just_before
                )
            snapshot.finish(beginning, now_s=clock.monotonic_s())
        except Exception:  # noqa: BLE001  # the task's edge: browsers come back and begin anew
            _log.exception("live_snapshot_failed", factory=self._factory.slug, machine=stream.machine)
            stream.forget(snapshot)
            for viewer in snapshot.viewers:
                viewer.owner.close_soon(TRY_AGAIN_LATER)

    # --- from the factory ---

    def _heard_message(self, event: Event) -> None:
        """An alert, a state or a status, for everybody who may see its machine; an inbox's news, for its person."""
        packet = Packet(event["text"].encode())
        about: frozenset[str] | None = None
        only = event.get("user_id")
        for viewer in self._viewers:
            if only is not None:
                if viewer.user_id != only:
                    continue
            elif viewer.machines is not None:
                about = machines_named(packet.text) if about is None else about
                if not about <= viewer.machines:
                    continue
            viewer.wire.send(packet)

    def _heard_readings(self, event: Event) -> None:
        """A publisher's tick: whatever anybody watches, wherever."""
        publisher, count = event["from"], event["n"]
        missed = publisher in self._counts and count != self._counts[publisher] + 1
        self._counts[publisher] = count
        for key, tick in event["machines"].items():
            streams = self._streams.get(key)
            if streams:
                batch = ReadingBatch.from_bytes(tick)
                for stream in streams.values():
                    stream.tick(batch)
        if missed:
            self._begin_again(before_s=clock.monotonic_s())

    def _heard_recent(self, event: Event) -> None:
        """A publisher's answer: what arrived just before somebody began to watch."""
        late = self._asking.answered(event["number"], event["machines"])
        # A second publisher, whose answer came after the first one's: its seconds go the way of ticks.
        for key, tick in late.items():
            for stream in self._streams.get(key, {}).values():
                stream.tick_late(ReadingBatch.from_bytes(tick))

    def _heard_gap(self, event: Event) -> None:
        """Ticks were lost until then: new snapshots fill the gap from history."""
        ago_s = max(0.0, clock.now().timestamp() - event["until_s"])
        self._begin_again(before_s=clock.monotonic_s() - ago_s)

    def _begin_again(self, *, before_s: float) -> None:
        now_s = clock.monotonic_s()
        for stream in self._all_streams():
            for snapshot in stream.restart(now_s=now_s, before_s=before_s):
                self._make(snapshot)

    def _all_streams(self) -> Iterable[Stream]:
        return [stream for of_machine in self._streams.values() for stream in of_machine.values()]

    # --- now and then ---

    async def _sweep_on(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            try:
                await self._sweep()
            except Exception:  # noqa: BLE001  # the task's edge: without it, watches would end
                _log.exception("live_sweep_failed", factory=self._factory.slug)

    async def _sweep(self) -> None:
        now_s = clock.monotonic_s()
        for stream in self._all_streams():
            stream.age(now_s)
        for viewer in list(self._viewers):
            if viewer.wire.busy_s(now_s) > STALLED_S:
                _log.info("live_socket_stalled", factory=self._factory.slug)
                viewer.owner.close_soon(TRY_AGAIN_LATER)
            elif viewer.wire.lagged_s and self._may_refill(viewer, now_s):
                viewer.wire.lagged_s, viewer.refilled_s = 0.0, now_s
                if viewer.spec is not None:
                    self.watch(viewer, viewer.spec)
        await self._asking.renew(list(self._streams))

    def _may_refill(self, viewer: LiveViewer, now_s: float) -> bool:
        kept_up = not viewer.wire.busy_s(now_s) and now_s - viewer.wire.lagged_s > _KEPT_UP_S
        return kept_up and now_s - viewer.refilled_s > _REFILL_EVERY_S


def _kept(viewer: LiveViewer, spec: WatchSpec) -> Set[str]:
    """Machines that a changed watch need not begin anew: a page that scrolls keeps what it still shows.

    The same watch once more asks for everything again: so a browser finds out whether anybody still answers.
    """
    old = viewer.spec
    if old is None or old.metrics != spec.metrics or old.history_s != spec.history_s or old.machines == spec.machines:
        return frozenset()
    return frozenset(stream.machine for stream in viewer.streams).intersection(spec.machines)


_of_room: "WeakKeyDictionary[Room, LiveRoom]" = WeakKeyDictionary()


def live_room(room: Room, factory: Factory) -> LiveRoom:
    """The live side of a factory's room."""
    found = _of_room.get(room)
    if found is None:
        found = _of_room[room] = LiveRoom(room, factory)
    return found
