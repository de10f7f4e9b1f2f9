"""The way out to one browser. Only this module knows the server below ASGI.

ASGI's `send` tells nobody that a browser is slow: daphne keeps what it is given in a buffer without a bound. So under
daphne the same ready-made bytes go to each connection's own transport, and what it can't take waits in a bounded
outbox. Elsewhere `send` is used, one message at a time.
"""

import asyncio
import contextlib
import functools
import socket
from typing import Any

from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import tcp

from common import clock
from telemetry.live.outbox import Outbox, Packet
from telemetry.live.stream import Wire

# What the kernel holds unsent: more would only be older news when it arrives.
_UNSENT_BYTES = 128 * 1024
_TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


def wire_of(send: Any) -> Wire:
    """The way out behind an ASGI `send`."""
    protocol = _daphne(send)
    transport = getattr(protocol, "transport", None)
    if isinstance(transport, tcp.Connection) and not transport.TLS:
        return DaphneWire(protocol, transport)
    return AsgiWire(send)


def close_frame_send(send: Any, code: int) -> bool:
    """Begin to close with any code; False where that is to be done by `send`.

    The library below daphne refuses 1013 (try again later), which RFC 6455's registry has had since.
    """
    protocol = _daphne(send)
    if protocol is None or protocol.state != WebSocketProtocol.STATE_OPEN:
        return False
    protocol.sendCloseFrame(code=code, isReply=False)
    return True


def _daphne(send: Any) -> Any:
    protocol = send.args[0] if isinstance(send, functools.partial) and send.args else None
    return protocol if isinstance(protocol, WebSocketProtocol) else None


class DaphneWire:
    """A connection of daphne's, as a Twisted producer while something waits."""

    __slots__ = ("_outbox", "_protocol", "_since_s", "_transport", "lagged_s")

    def __init__(self, protocol: Any, transport: Any) -> None:
        self._protocol, self._transport = protocol, transport
        self._outbox: Outbox | None = None
        self._since_s = 0.0
        self.lagged_s = 0.0
        if transport.producer is not None:  # the HTTP channel, which has nothing more to say after the upgrade
            transport.unregisterProducer()
        # The request's text and headers, three times over, which nobody reads again in the hours a socket stays.
        protocol.http_request_data, protocol.http_headers, protocol.request.headers = b"", {}, {}
        with contextlib.suppress(OSError):
            transport.socket.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT_BYTES)

    def send(self, packet: Packet, machine: str = "") -> None:
        if not self._since_s:
            self._write(packet.framed)
            return
        if self._outbox is None:
            self._outbox = Outbox()
        self._outbox.put(packet, machine)
        if self._outbox.dropped:
            self.lagged_s = clock.monotonic_s()

    def busy_s(self, now_s: float) -> float:
        return now_s - self._since_s if self._since_s else 0.0

    def forget_readings(self) -> None:
        if self._outbox is not None:
            self._outbox.forget_readings()

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if not transport.connected or transport.disconnecting or self._protocol.state != WebSocketProtocol.STATE_OPEN:
            return
        if not self._buffered():
            # A write through the reactor costs two more system calls and a turn of the loop.
            written = transport.writeSomeData(data)
            if not isinstance(written, int):
                transport.abortConnection()
                return
            if written == len(data):
                return
            data = data[written:]
        transport.write(data)
        self._since_s = clock.monotonic_s()
        transport.registerProducer(self, False)  # a pull producer is asked whenever the buffer is empty

    def _buffered(self) -> bool:
        return bool(self._transport.dataBuffer) or bool(self._transport._tempDataBuffer)

    def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
        """The connection has taken all."""
        if self._buffered():
            return  # merely registered
        self._transport.unregisterProducer()
        self._since_s = 0.0
        if self._outbox is not None:
            data = b"".join([packet.framed for packet in self._outbox.take()])
            self._outbox = None
            self._write(data)

    def pauseProducing(self) -> None:  # noqa: N802
        """Of push producers only."""

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is gone."""
        self._outbox = None


class AsgiWire:
    """Any other server: one message at a time by `send`."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._outbox = Outbox()
        self._sending: asyncio.Task[None] | None = None
        self._since_s = 0.0
        self.lagged_s = 0.0

    def send(self, packet: Packet, machine: str = "") -> None:
        self._outbox.put(packet, machine)
        if self._outbox.dropped:
            self.lagged_s = clock.monotonic_s()
        if self._sending is None:
            self._since_s = clock.monotonic_s()
            self._sending = asyncio.ensure_future(self._send_on())

    def busy_s(self, now_s: float) -> float:
        return now_s - self._since_s if self._sending is not None else 0.0

    def forget_readings(self) -> None:
        self._outbox.forget_readings()

    async def _send_on(self) -> None:
        try:
            while packets := self._outbox.take():
                for packet in packets:
                    await self._send({"type": "websocket.send", "text": packet.text.decode()})
                    self._since_s = clock.monotonic_s()
        except Exception:  # noqa: BLE001  # servers differ in what they raise for a closed socket
            self._outbox = Outbox()
        finally:
            self._sending = None
