"""A thousand browsers in one process: raw sockets with the least framing that works, so that they are no bottleneck."""

import asyncio
import json
import os
import select
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

_UPGRADE = (
    "GET /ws/live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Origin: http://{host}\r\nCookie: {cookie}\r\n\r\n"
)
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_AT_ONCE = 50


@dataclass
class Crowd:
    """Where to connect, and what was heard since `measuring`."""

    port: int
    host: str
    cookie: str
    history_s: int
    counting: bool = False
    heard_s: float = 0.0  # when what is being read arrived; 0 while nothing is measured
    latencies_s: list[float] = field(default_factory=list)
    frames: int = 0


class Browser(asyncio.Protocol):
    """One socket that watches one machine."""

    def __init__(self, crowd: Crowd, machine: str) -> None:
        self._crowd, self._machine = crowd, machine
        self._buffer = b""
        self._upgraded = False
        self.transport: Any = None
        self.ready = asyncio.get_running_loop().create_future()
        self.last_n = -1
        self.seen: set[int] = set()
        self.closed_with: int | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(_UPGRADE.format(host=self._crowd.host, cookie=self._crowd.cookie).encode())

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"closed with {self.closed_with} before the snapshot"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, end, buffer = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head[:200]
            self._upgraded = True
            watch = {"machines": [self._machine], "history_s": self._crowd.history_s}
            self._send(_TEXT, json.dumps({"watch": watch}).encode())
        self._buffer = self._frames(buffer)

    def _frames(self, data: bytes) -> bytes:
        at = 0
        while len(data) - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[at + 2 : start], "big")
            if len(data) < start + size:
                break
            self._heard(data[at] & 15, data[start : start + size])
            at = start + size
        return data[at:]

    def _heard(self, opcode: int, body: bytes) -> None:
        if opcode == _TEXT:
            self._text(body)
        elif opcode == _PING:
            self._send(_PONG, body)
        elif opcode == _CLOSE:
            self.closed_with = int.from_bytes(body[:2], "big")
            self.transport.close()

    def _text(self, body: bytes) -> None:
        if body.startswith(b'{"type":"readings"'):
            if self._crowd.heard_s:
                self._crowd.frames += 1
                self._crowd.latencies_s += [self._crowd.heard_s - float(sent) for sent in _column(body, b'"sent":[')]
            if self._crowd.counting:
                self.seen.update(int(float(n)) for n in _column(body, b'"n":['))
        elif body.startswith(b'{"type":"snapshot"'):
            if self._crowd.counting:
                self.seen.update(int(n) for n in json.loads(body)["metrics"].get("n", ()))
            if not self.ready.done():
                self.ready.set_result(time.monotonic())

    def _send(self, opcode: int, body: bytes) -> None:
        length = bytes([0x80 | len(body)]) if len(body) < 126 else b"\xfe" + len(body).to_bytes(2, "big")
        # A mask of zeros is a mask: the text stays what it is.
        self.transport.write(bytes([0x80 | opcode]) + length + bytes(4) + body)


def _column(body: bytes, name: bytes) -> list[bytes]:
    start = body.find(name)
    return body[start + len(name) : body.find(b"]", start)].split(b",") if start >= 0 else []


def run(pipe: Connection, crowd: Crowd) -> None:
    """A process that does what it is told: open, measure, reconnect, close."""
    asyncio.run(_serve(pipe, crowd))


async def _serve(pipe: Connection, crowd: Crowd) -> None:
    browsers: list[Browser] = []
    machines: list[str] = []
    while True:
        order, argument = await asyncio.to_thread(pipe.recv)
        if order == "open":
            machines = argument
            browsers = await _open(crowd, machines)
            pipe.send(len(browsers))
        elif order == "measure":
            pipe.send(_measure(crowd, browsers, argument))
        elif order == "reconnect":
            browsers, answer = await _reconnect(crowd, browsers, machines)
            pipe.send(answer)
        elif order == "close":
            for browser in browsers:
                browser.transport.abort()
            pipe.send(None)
        else:
            os._exit(0)


async def _open(crowd: Crowd, machines: list[str]) -> list[Browser]:
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(machine: str) -> Browser:
        async with room:
            browser = await _connect(crowd, machine)
            await browser.ready
            return browser

    return await asyncio.gather(*[one(machine) for machine in machines])


async def _connect(crowd: Crowd, machine: str) -> Browser:
    loop = asyncio.get_running_loop()
    _, browser = await loop.create_connection(lambda: Browser(crowd, machine), "127.0.0.1", crowd.port)
    return browser


def _measure(crowd: Crowd, browsers: list[Browser], seconds: float) -> tuple[list[float], int, float]:
    """Latencies of what arrives, frames, and CPU seconds of this process.

    Read without an event loop, and understood afterwards: a thousand real browsers do not wait for each other either.
    """
    arrivals: list[tuple[float, Browser, bytes]] = []
    cpu_s, until_s = time.process_time(), time.monotonic() + seconds
    with select.epoll() as ready:
        by_number = {browser.transport.get_extra_info("socket").fileno(): browser for browser in browsers}
        for number, browser in by_number.items():
            browser.transport.pause_reading()
            ready.register(number, select.EPOLLIN)
        while (left_s := until_s - time.monotonic()) > 0:
            for number, _ in ready.poll(left_s):
                arrivals.append((time.monotonic(), by_number[number], os.read(number, 65_536)))
    cpu_s = time.process_time() - cpu_s
    crowd.latencies_s, crowd.frames = [], 0
    for crowd.heard_s, browser, data in arrivals:
        browser.data_received(data)
    crowd.heard_s = 0.0
    for browser in browsers:
        browser.transport.resume_reading()
    return crowd.latencies_s, crowd.frames, cpu_s


async def _reconnect(
    crowd: Crowd, before: list[Browser], machines: list[str]
) -> tuple[list[Browser], tuple[float, float, int]]:
    """Everybody drops and comes back within a second: seconds until all have a chart, the median, charts with a gap."""
    crowd.counting = True
    await asyncio.sleep(1.0)
    for browser in before:
        browser.transport.abort()
    began_s = time.monotonic()
    waits_s: list[float] = []

    async def back(number: int) -> Browser:
        await asyncio.sleep(number / len(machines))
        asked_s = time.monotonic()
        browser = await _connect(crowd, machines[number])
        waits_s.append(await browser.ready - asked_s)
        return browser

    after = await asyncio.gather(*[back(number) for number in range(len(machines))])
    took_s = time.monotonic() - began_s
    await asyncio.sleep(3.0)
    crowd.counting = False
    gaps = sum(_has_gap(old.seen | new.seen) for old, new in zip(before, after, strict=True))
    return after, (took_s, sorted(waits_s)[len(waits_s) // 2], gaps)


def _has_gap(seen: set[int]) -> bool:
    return not seen or len(seen) != max(seen) - min(seen) + 1
