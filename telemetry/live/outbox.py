"""What a browser that reads too slowly has still to be told: bounded, newest wins. Pure."""

from collections import deque
from collections.abc import Sequence

# Two seconds of frames: a browser that is further behind is shown the present, not the past.
FRAMES_KEPT = 20
MESSAGES_KEPT = 200


class Packet:
    """The text of one message, shared by every socket it goes to, and the same as a WebSocket frame (RFC 6455, 5.2).

    >>> Packet(b"hello").framed
    b'\\x81\\x05hello'
    """

    __slots__ = ("_framed", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._framed = b""

    @property
    def framed(self) -> bytes:
        """Unfragmented, unmasked, as a server sends it."""
        if not self._framed:
            self._framed = _header(len(self.text)) + self.text
        return self._framed


def _header(size: int) -> bytes:
    if size < 126:
        return bytes((0x81, size))
    return b"\x81\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x81\x7f" + size.to_bytes(8, "big")


LAGGING = Packet(b'{"type":"status","code":"lagging"}')


class Outbox:
    """Messages leave in order, then readings, machine by machine."""

    __slots__ = ("_machines", "_messages", "dropped")

    def __init__(self) -> None:
        self._messages: deque[Packet] = deque(maxlen=MESSAGES_KEPT)
        self._machines: dict[str, deque[Packet]] = {}
        self.dropped = False

    def put(self, packet: Packet, machine: str = "") -> None:
        """Keep a message, or with a machine its readings of one tick."""
        waiting = self._messages
        if machine:
            waiting = self._machines.get(machine) or self._machines.setdefault(machine, deque(maxlen=FRAMES_KEPT))
        self.dropped |= len(waiting) == waiting.maxlen
        waiting.append(packet)

    def forget_readings(self) -> None:
        """The socket watches something else now."""
        self._machines.clear()

    def take(self) -> Sequence[Packet]:
        """All that waits, after a word of warning where something was left out."""
        taken = [*([LAGGING] if self.dropped else []), *self._messages]
        for waiting in self._machines.values():
            taken += waiting
        self._messages.clear()
        self._machines.clear()
        self.dropped = False
        return taken
