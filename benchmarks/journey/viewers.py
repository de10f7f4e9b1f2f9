"""The browsers: WebSocket clients that note when each reading reached them, in a process of their own.

A reading's timestamp is when it was due at the sender, so its age at arrival is the whole way.
"""

import asyncio
import base64
import math
import os
import re
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from benchmarks.journey.load import Float64Array
from benchmarks.journey.sender import percentile

_TIMES = re.compile(rb'"type":"readings"[^\]]*?"t":\[([0-9,]+)\]')


@dataclass(frozen=True, slots=True)
class Viewer:
    """One browser: where it connects and what it says first. host: the Host header."""

    port: int
    path: str
    host: str
    machines: tuple[str, ...]
    cookie: str = ""
    hello: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What viewers saw of a window. instants: points in time of watched machines, over all viewers.

    p50, p99: publish-to-browser of every instant; newest_*: of the newest in each frame, which leaves out the time that
    a reading waits for its frame because frames of a machine come ten times a second at most.
    """

    instants: int
    frames: int
    p50_ms: float
    p99_ms: float
    newest_p50_ms: float
    newest_p99_ms: float
    cpu_s: float
    open: int


NOTHING_SEEN = Seen(0, 0, math.nan, math.nan, math.nan, math.nan, 0.0, 0)


class _Socket(asyncio.Protocol):
    """A browser's end: just the frames a server sends."""

    def __init__(self, viewer: Viewer, taken: list[tuple[float, bytes]]) -> None:
        self._viewer, self._taken = viewer, taken
        self._data = bytearray()
        self._shaken = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        viewer = self._viewer
        lines = [
            f"GET {viewer.path} HTTP/1.1",
            f"Host: {viewer.host}",
            f"Origin: http://{viewer.host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            *([f"Cookie: {viewer.cookie}"] if viewer.cookie else []),
        ]
        transport.write("\r\n".join([*lines, "", ""]).encode())

    def data_received(self, data: bytes) -> None:
        now_ms = time.time() * 1000
        self._data += data
        if not self._shaken and not self._shake():
            return
        while (frame := self._next_frame()) is not None:
            opcode, payload = frame
            if opcode == 0x9:
                self._write(0xA, payload)
            elif opcode in {0x0, 0x1, 0x2}:
                self._taken.append((now_ms, payload))

    def _shake(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._data[:end]).split(b"\r\n")[0]
        del self._data[: end + 4]
        if b" 101 " not in status:
            self.opened.set_exception(ConnectionError(f"{self._viewer.path}: {status.decode()}"))
            return False
        self._shaken = self.is_open = True
        if self._viewer.hello:
            self._write(0x1, self._viewer.hello.encode())
        self.opened.set_result(None)
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        length, at = data[1] & 0x7F, 2
        if length >= 126:
            wide = 2 if length == 126 else 8
            if len(data) < 2 + wide:
                return None
            length, at = int.from_bytes(data[2 : 2 + wide]), 2 + wide
        if len(data) < at + length:
            return None
        frame = data[0] & 0x0F, bytes(data[at : at + length])
        del data[: at + length]
        return frame

    def _write(self, opcode: int, payload: bytes) -> None:
        """Clients mask; a mask of zeros leaves the payload as it is."""
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2)
        self._transport.write(bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("closed"))


def watch(viewers: list[Viewer], parent: Connection) -> None:
    """Open all sockets, tell the parent, and answer each (from_ms, to_ms) with what was Seen; None ends."""
    asyncio.run(_watch(viewers, parent))


async def _watch(viewers: list[Viewer], parent: Connection) -> None:
    loop = asyncio.get_running_loop()
    taken: list[tuple[float, bytes]] = []
    sockets = [_Socket(viewer, taken) for viewer in viewers]
    for viewer, one in zip(viewers, sockets, strict=True):
        await loop.create_connection(lambda one=one: one, "127.0.0.1", viewer.port)  # type: ignore[misc]
        await one.opened
    parent.send("ready")
    asked = asyncio.Event()
    loop.add_reader(parent.fileno(), asked.set)
    while True:
        await asked.wait()
        asked.clear()
        if not parent.poll():
            continue
        window = parent.recv()
        if window is None:
            return
        parent.send(_seen(taken, *window, sockets=sockets))
        taken.clear()


def _seen(taken: list[tuple[float, bytes]], from_ms: float, to_ms: float, *, sockets: list[_Socket]) -> Seen:
    ages: list[Float64Array] = [np.zeros(0)]
    newest: list[float] = []
    for at_ms, payload in taken:
        for found in _TIMES.finditer(payload):
            times = np.array(found[1].split(b","), dtype=np.int64)
            times = times[(times >= from_ms) & (times < to_ms)]
            if len(times):
                ages.append(np.asarray(at_ms - times, np.float64))
                newest.append(at_ms - float(times[-1]))
    every, last = np.concatenate(ages), np.array(newest)
    return Seen(
        instants=len(every),
        frames=len(last),
        p50_ms=percentile(every, 50),
        p99_ms=percentile(every, 99),
        newest_p50_ms=percentile(last, 50),
        newest_p99_ms=percentile(last, 99),
        cpu_s=time.process_time(),
        open=sum(one.is_open for one in sockets),
    )
