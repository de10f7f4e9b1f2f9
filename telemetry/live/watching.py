"""What a browser may ask to see, and how its snapshot is read."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from common import clock
from common.times import rfc3339
from telemetry.equipment import machine_state
from telemetry.live.frames import frame_encode, frame_of, frame_thinned, shown_of
from telemetry.live.outbox import Packet
from telemetry.live.stream import Beginning
from telemetry.models import Machine
from telemetry.readings import ReadingBatch
from telemetry.store import reading_store
from telemetry.store.base import StoreUnavailableError

# A snapshot is for drawing: more instants than a wide screen has pixels only cost time.
SNAPSHOT_ROWS = 5_000
_READINGS_PER_METRIC = 50_000
# As many of a metric's newest readings as may still be on their way as a tick.
_OVERLAP_READINGS = 5_000
_AHEAD_MS = 86_400_000


class WatchSpec(msgspec.Struct):
    """The `watch` a browser sends."""

    machines: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=200)]
    metrics: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=200)] | None = None
    history_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 300


class WatchMessage(msgspec.Struct):
    """The one message a browser may send."""

    watch: WatchSpec


class _About(msgspec.Struct):
    machine: str = ""


class _Told(msgspec.Struct):
    type: str
    machine: str = ""
    alert: _About | None = None


_NOBODYS = "\x00"  # no machine is called so


def machines_named(text: bytes) -> frozenset[str]:
    """Which machines a message is about; what is about none and is no status is about one that nobody may see.

    >>> machines_named(b'{"type":"alert","alert":{"machine":"M01"}}'), machines_named(b'{"type":"status"}')
    (frozenset({'M01'}), frozenset())
    """
    told = _told_decoder.decode(text)
    named = told.machine or (told.alert.machine if told.alert else "")
    if named or told.type != "status":
        return frozenset({named or _NOBODYS})
    return frozenset()


_told_decoder = msgspec.json.Decoder(_Told)


def beginning_read(
    machine_key: str, metrics: tuple[str, ...] | None, history_s: int, just_before: Sequence[bytes]
) -> Beginning:
    """A snapshot and the machine's state, as they are told; inside the factory.

    just_before: ticks of what arrived last, which may not be in the store yet. While the store is away they are all.
    """
    told, history, state = [], ReadingBatch(), None
    try:
        history, state = history_read(machine_key, metrics, history_s)
    except StoreUnavailableError:
        told.append(_packet({"type": "status", "code": "history_delayed"}))
    late = [ReadingBatch.from_bytes(tick) for tick in just_before]
    frame = frame_of(machine_key, [history, *late], metrics=metrics)
    drawn = frame_thinned(frame, rows=SNAPSHOT_ROWS)
    told.append(Packet(frame_encode("snapshot", drawn, thinned=drawn is not frame)))
    if state is not None:
        told.append(_packet(state))
    return Beginning(told, shown_of(frame, newest=_OVERLAP_READINGS))


def _packet(message: dict[str, Any]) -> Packet:
    return Packet(msgspec.json.encode(message))


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
