"""What the MQTT door has for all devices together, and who has to go when it runs short: never one that only works."""

from typing import TYPE_CHECKING

import structlog

from telemetry.ingest.mqtt_packets import Reason

if TYPE_CHECKING:
    from telemetry.ingest.mqtt_session import DeviceConnection

_log = structlog.get_logger(__name__)

UNFINISHED_BYTES = 128 * 1024 * 1024
# Ends of small packets that are still on the way are not worth counting: ten thousand of them are 40 MiB.
_SMALL_BYTES = 4 * 1024


class DoorRoom:
    """Connections of all factories, and bytes of packets that are not complete; everything on the event loop.

    most: connections at one time. A single factory gets half of them, so that its devices, connecting again and again
    under ever new names, can't shut the others out.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.connections: set[DeviceConnection] = set()
        self._newcomers: dict[DeviceConnection, None] = {}
        self._factories: dict[DeviceConnection, str] = {}
        self._counts: dict[str, int] = {}
        self._unfinished: dict[DeviceConnection, int] = {}
        self._unfinished_bytes = 0

    def enter(self, device: "DeviceConnection") -> bool:
        """Whether there is room for one more: whoever has been here longest without showing a key makes it."""
        if len(self.connections) >= self.most:
            _log.warning("device_room_full", peer=device.peer, connections=len(self.connections))
            if not self._newcomers:
                return False
            dawdler = next(iter(self._newcomers))
            del self._newcomers[dawdler]
            dawdler.close(Reason.SERVER_BUSY, "others wait, and no key was shown")
        self.connections.add(device)
        self._newcomers[device] = None
        return True

    def settle(self, device: "DeviceConnection", factory: str) -> bool:
        """A device has shown its key; whether its factory may have one more connection."""
        count = self._counts.get(factory, 0)
        if count >= max(1, self.most // 2):
            _log.warning("factory_has_too_many_connections", factory=factory, connections=count)
            return False
        self._newcomers.pop(device, None)
        self._factories[device] = factory
        self._counts[factory] = count + 1
        return True

    def leave(self, device: "DeviceConnection") -> None:
        """The socket is closed."""
        self.connections.discard(device)
        self._newcomers.pop(device, None)
        self._finish(device)
        factory = self._factories.pop(device, None)
        if factory is not None:
            self._counts[factory] -= 1
            if not self._counts[factory]:
                del self._counts[factory]

    def gather(self, device: "DeviceConnection", waiting_bytes: int, *, anew: bool) -> None:
        """A device's packet is not complete. anew: it is another one than before.

        Where all of them are too much, those that were begun first are given up: their devices send them again.
        """
        if anew:
            self._finish(device)
        if waiting_bytes <= _SMALL_BYTES:
            return
        self._unfinished_bytes += waiting_bytes - self._unfinished.get(device, 0)
        self._unfinished[device] = waiting_bytes
        while self._unfinished_bytes > UNFINISHED_BYTES:
            slowest = next(iter(self._unfinished))
            self._finish(slowest)
            slowest.close(Reason.SERVER_BUSY, "too many messages are unfinished, and this one was begun first")

    def _finish(self, device: "DeviceConnection") -> None:
        self._unfinished_bytes -= self._unfinished.pop(device, 0)
