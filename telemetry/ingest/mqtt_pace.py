"""When a device is read from and written to, and for how long it may be silent: what every connection has to keep."""

import asyncio
from typing import TYPE_CHECKING

from accounts.api_keys import VerifiedKey
from telemetry.ingest.admission import rate_wait_s
from telemetry.ingest.mqtt_line import hung_up
from telemetry.ingest.mqtt_packets import V5, Packet, Reason

if TYPE_CHECKING:
    from telemetry.ingest.mqtt import MqttDoor

CONNECT_WITHIN_S = 10.0
_READ_WITHIN_S = 60.0  # a device that takes none of its PUBACKs for so long is dead, or means no good
_REST_AT_MOST_S = 5.0  # a device that hears nothing for much longer takes us for dead
# What is read at once: enough for any rate, and too little to hold up the other connections for long. A factory in debt
# to its rate gets as little as keeps its devices from taking us for dead, for it may have thousands.
READ_BYTES, _READ_IN_DEBT_BYTES = 16 * 1024, 2 * 1024


class PacedConnection(asyncio.BufferedProtocol):
    """One socket, listened to while nothing speaks against it. All on the event loop, which it never blocks.

    Who makes a protocol of it understands bytes (`data_received`) and packets (`_take`), and hangs up (`close`): these
    three are not made here, and asking this class for them is a mistake.
    """

    def __init__(self, door: "MqttDoor") -> None:
        self.door = door
        self.key: VerifiedKey | None = None
        self.version = 4
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._held_back: list[Packet] = []
        self._holding = False
        self._hears_bytes = 0
        self._pauses: set[str] = set()
        self._in_debt = False
        self._keep_alive_s = 0.0
        self._stalled_s = 0.0
        self._began_s = self._heard_s = door.loop.time()

    def data_received(self, data: bytes | memoryview) -> None:
        """Take what came, perhaps a part of a packet."""
        raise NotImplementedError

    def close(self, reason: Reason, text: str = "") -> None:
        """Say why, as far as it can be said, and hang up."""
        raise NotImplementedError

    def _take(self, packet: Packet) -> None:
        raise NotImplementedError

    # --- the event loop's side ---

    def get_buffer(self, sizehint: int) -> memoryview:
        # Asked by those alone who had to rest: the debt may be paid since.
        self._in_debt = self._in_debt and self._owes()
        return self.door.reading[:_READ_IN_DEBT_BYTES] if self._in_debt else self.door.reading

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self.door.reading[:nbytes])

    def pause_writing(self) -> None:
        self._stalled_s = self.door.loop.time()
        self._pause("writing")

    def resume_writing(self) -> None:
        self._resume("writing")

    # --- the door's side ---

    def rest(self, seconds: float) -> None:
        """Read nothing more for a while: the plan's rate is used up, and TCP passes that on to the device."""
        if "rate" not in self._pauses:
            self._in_debt = True
            self._pause("rate")
            self.door.loop.call_later(min(seconds, _REST_AT_MOST_S), self._rested)

    def overdue(self, now_s: float) -> bool:
        """Whether the device was silent for longer than it may be; while we don't listen, it can't speak."""
        if "writing" in self._pauses:
            return now_s - self._stalled_s > _READ_WITHIN_S
        if self._pauses:
            return False
        if self.key is None:
            # However busily it talks: a CONNECT that comes in drops must not hold a connection.
            return now_s - self._began_s > CONNECT_WITHIN_S
        return bool(self._keep_alive_s) and now_s - self._heard_s > self._keep_alive_s

    def _rested(self) -> None:
        if self._owes() and self._transport is not None and hung_up(self._transport):
            # What it left behind was never acknowledged, and would take hours to read at this rate.
            self.close(Reason.QUOTA_EXCEEDED, "gone before its factory's rate had room for what it sent")
        self._resume("rate")

    def _owes(self) -> bool:
        """Whether the factory has sent more than its rate has room for."""
        return self.key is not None and rate_wait_s(self.key.factory) > 0

    # --- reading and writing ---

    def _write(self, data: bytes, shorter: bytes = b"") -> None:
        """Say a packet, or its shorter form where the device takes no larger ones [MQTT-3.1.2-24]."""
        if self._transport is None or self.closed:
            return
        if self._hears_bytes and self.version == V5 and data[:1] != b"\x40" and len(data) > self._hears_bytes:
            data = shorter if len(shorter) <= self._hears_bytes else b""
        if data:
            self._transport.write(data)

    def _hold(self, why: str) -> None:
        """Read nothing more, and keep what was read already, until `_let_go`."""
        self._holding = True
        self._pause(why)

    def _let_go(self, why: str) -> None:
        self._holding = False
        waiting, self._held_back = self._held_back, []
        for packet in waiting:
            if self.closed:
                return
            self._take(packet)
        if not self._holding:
            self._resume(why)

    def _pause(self, why: str) -> None:
        if not self._pauses and self._transport is not None and not self.closed:
            self._transport.pause_reading()
        self._pauses.add(why)

    def _resume(self, why: str) -> None:
        if why not in self._pauses:
            return
        self._pauses.discard(why)
        if not self._pauses and self._transport is not None and not self.closed:
            self._heard_s = self.door.loop.time()
            self._transport.resume_reading()
