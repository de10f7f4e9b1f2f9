"""Faults 19 to 21: a browser that stalls, all browsers at once, and a Valkey that restarts or forgets."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

from common import clock
from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.valkey import EmbeddedValkey
from telemetry.live import room
from telemetry.live.valkey import valkey
from telemetry.readings import ReadingBatch, Series
from tenants import tickets
from tests.telemetry.live.stage import Plant, browsing, heard, publishing, readings, shown, until, watch

ROOT = Path(__file__).resolve().parents[3]


# --- 19: a stalled socket ---


@contextmanager
def daphne(environment: dict[str, str], log: Path) -> Iterator[int]:
    """The web process as production runs it for sockets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    words = [
        sys.executable,
        "-m",
        "daphne",
        "-v",
        "0",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "factorypulse.asgi:application",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                assert process.poll() is None, log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait()


class RawBrowser:
    """A WebSocket that reads only when it is told to, with little room for what it has not read."""

    def __init__(self, plant: Plant, port: int) -> None:
        proof = plant.person.get_session_auth_hash()[:16]
        ticket = tickets.ticket_make(factory=plant.factory.slug, user_id=plant.person.pk, proof=proof)
        host = f"{plant.factory.slug}.{settings.DOMAIN}"
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        self.socket.sendall(
            f"GET /ws/live?ticket={ticket} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Origin: http://{host}\r\n\r\n".encode()
        )
        assert b" 101 " in self.file.readline()
        while self.file.readline().strip():
            pass
        self.send(1, b'{"watch": {"machines": ["M01"], "history_s": 3600}}')

    def send(self, opcode: int, body: bytes) -> None:
        self.socket.sendall(bytes((0x80 | opcode, 0x80 | len(body))) + bytes(4) + body)

    def message(self) -> dict[str, Any] | None:
        """The next message; None when the server has closed."""
        while head := self.file.read(2):
            size = head[1]
            if size >= 126:
                size = int.from_bytes(self.file.read(2 if size == 126 else 8))
            body = self.file.read(size)
            if head[0] & 15 == 1:
                found: dict[str, Any] = json.loads(body)
                return found
            if head[0] & 15 == 9:
                self.send(10, body)
            if head[0] & 15 == 8:
                return None
        return None

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Messages up to the one that is waited for."""
        messages = []
        while (message := self.message()) is not None:
            messages.append(message)
            if condition(message):
                return messages
        raise AssertionError("closed before it came")


def block(first_ms: int, number: int) -> ReadingBatch:
    """A frame's worth of many readings: about 20 kB of text."""
    times = first_ms + number * 600 + np.arange(600)
    return ReadingBatch([Series("M01", "vibration", times, np.sqrt(times.astype(float)))])


@pytest.mark.timeout(180)
async def test_a_stalled_browser_gets_the_newest_and_then_the_gap_and_a_dead_one_is_closed(
    plant: Plant, process_environment: dict[str, str], tmp_path: Path
) -> None:
    first_ms = clock.now_ms() - 600_000
    with daphne(process_environment, tmp_path / "web.log") as port:
        stalled = await asyncio.to_thread(RawBrowser, plant, port)
        dead = await asyncio.to_thread(RawBrowser, plant, port)
        async with publishing() as publisher:
            for browser in (stalled, dead):
                await asyncio.to_thread(browser.until, lambda message: message["type"] == "state")
            for number in range(80):  # 1.5 MB, of which a connection takes some hundred kB
                publisher.add(plant.factory.slug, block(first_ms, number))
                await sync_to_async(plant.store, thread_sensitive=False)(block(first_ms, number))
                await asyncio.sleep(0.1)
            newest = first_ms + 80 * 600 - 1

            def is_newest(message: dict[str, Any]) -> bool:
                return message["type"] == "readings" and message["t"][-1] == newest

            messages = await asyncio.to_thread(stalled.until, is_newest)
            assert {"type": "status", "code": "lagging"} in messages
            assert sum(message["type"] == "readings" for message in messages) < 80
            # Once it keeps up, the gap is filled from history.
            messages = await asyncio.to_thread(stalled.until, lambda message: message["type"] == "snapshot")
            assert messages[-1]["t"][0] == first_ms
            assert messages[-1]["t"][-1] == newest
            assert await asyncio.to_thread(_ends, dead)


def _ends(browser: RawBrowser) -> bool:
    """Whether the server closes it, read or not: what was sent before is read first."""
    deadline = time.monotonic() + room.STALLED_S + 20
    while time.monotonic() < deadline:
        # Nothing is read until the server has let go: its side of the connection is gone then.
        if not _established(browser.socket):
            return True
        time.sleep(0.1)
    return False


def _established(open_socket: socket.socket) -> bool:
    info = open_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return info[0] == 1


# --- 20: everybody comes back at once ---


async def test_browsers_that_come_back_together_share_one_snapshot_and_have_no_gap(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = room.beginning_read

    def counted(machine: str, *arguments: Any) -> Any:
        reads.append(machine)
        return read(machine, *arguments)

    monkeypatch.setattr(room, "beginning_read", counted)
    start, sent = clock.now_ms(), []
    async with publishing() as publisher, AsyncExitStack() as stack:

        async def produce() -> None:
            for step in range(100):
                publisher.add(plant.factory.slug, readings([start + step]))
                await sync_to_async(plant.store, thread_sensitive=False)(readings([start + step]))
                sent.append(start + step)
                await asyncio.sleep(0.01)

        producing = asyncio.create_task(produce())
        await until(lambda: len(sent) >= 20)
        sockets = await asyncio.gather(*[stack.enter_async_context(browsing(plant)) for _ in range(20)])
        for one in sockets:
            await watch(one, "M01")
        for one in sockets:
            seen = shown(await heard(one, "snapshot"))
            while start + 99 not in seen:
                seen += shown(await heard(one, "readings"))
            assert len(seen) == len(set(seen)), "shown twice"
            assert sorted(seen) == [start + step for step in range(100)]
        await producing
    assert len(reads) < 10


# --- 21: Valkey restarted or flushed ---


@asynccontextmanager
async def own_valkey(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey that nobody else needs, in place of the tests' own."""
    choices = ServiceChoices.fresh()
    server = EmbeddedValkey(
        folder, port=choices.valkey_port, password=choices.valkey_password, log=folder / "valkey.log"
    )
    await asyncio.to_thread(server.launch)
    await asyncio.to_thread(server.wait_ready)
    layer = RedisPubSubChannelLayer(hosts=[{"address": server.url(0), "socket_timeout": None}])
    with monkeypatch.context() as patched:
        patched.setattr(settings, "REDIS_URL", server.url(0))
        patched.setitem(channel_layers.backends, "default", layer)
        valkey.cache_clear()
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)
    valkey.cache_clear()


@pytest.mark.timeout(120)
async def test_live_goes_on_without_a_gap_when_valkey_restarts(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now_ms()
    async with own_valkey(tmp_path, monkeypatch) as server, publishing() as publisher, browsing(plant) as browser:
        await watch(browser, "M01")
        await heard(browser, "snapshot")
        await asyncio.to_thread(server.stop)
        publisher.add(plant.factory.slug, readings([now]))
        await sync_to_async(plant.store)(readings([now]))
        await until(lambda: not publisher._fresh)
        await asyncio.to_thread(server.launch)
        await asyncio.to_thread(server.wait_ready)
        assert shown(await heard(browser, "snapshot", within_s=20)) == [now]
        publisher.add(plant.factory.slug, readings([now + 1]))
        assert shown(await heard(browser, "readings", within_s=20)) == [now + 1]


async def test_a_flushed_valkey_makes_no_gap(plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now_ms()
    async with own_valkey(tmp_path, monkeypatch), publishing() as publisher, browsing(plant) as browser:
        await watch(browser, "M01")
        await heard(browser, "snapshot")
        publisher.add(plant.factory.slug, readings([now]))
        assert shown(await heard(browser, "readings")) == [now]
        await asyncio.to_thread(valkey().flushall)
        publisher._watched._read_s.clear()  # as after its second: it asks a Valkey that knows of nobody
        publisher.add(plant.factory.slug, readings([now + 1]))
        assert shown(await heard(browser, "readings")) == [now + 1]
