"""What tests of live sockets share: a committed plant, a publisher that ticks, a person's browser."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings

from accounts.models import User
from telemetry.live.consumers import LiveConsumer
from telemetry.live.hub import LivePublisher
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store.postgres import PostgresReadingStore
from tenants import tickets
from tenants.context import factory_context
from tenants.models import Factory


@dataclass
class Plant:
    """A committed factory with a person, two machines and a store."""

    factory: Factory
    person: User
    machines: dict[str, Machine]

    def store(self, *batches: ReadingBatch) -> None:
        with factory_context(self.factory):
            PostgresReadingStore().write(ReadingBatch.merged(batches), machines=self.machines)


def readings(times: list[int], metric: str = "vibration", machine: str = "M01") -> ReadingBatch:
    return ReadingBatch([Series(machine, metric, np.array(times, np.int64), np.array(times) % 1000 / 7.0)])


@asynccontextmanager
async def publishing() -> AsyncIterator[LivePublisher]:
    """A publisher that ticks as the drain lets it."""
    publisher = LivePublisher()

    async def tick() -> None:
        while True:
            await asyncio.to_thread(publisher.flush)
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    try:
        yield publisher
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


async def connected(plant: Plant) -> WebsocketCommunicator:
    """A socket with the ticket of the plant's person; it opens before it is known whose it is."""
    content = {"user_id": plant.person.pk, "proof": plant.person.get_session_auth_hash()[:16]}
    ticket = await sync_to_async(tickets.ticket_make)(factory=plant.factory.slug, **content)
    headers = [(b"host", f"{plant.factory.slug}.{settings.DOMAIN}".encode())]
    socket = WebsocketCommunicator(LiveConsumer.as_asgi(), f"/ws/live?ticket={ticket}", headers=headers)
    assert (await socket.connect(timeout=10))[0]
    return socket


@asynccontextmanager
async def browsing(plant: Plant) -> AsyncIterator[WebsocketCommunicator]:
    """An open socket of the plant's person, who is known and let in."""
    socket = await connected(plant)
    await socket.send_to(text_data="anybody there?")
    await heard(socket, "status")
    try:
        yield socket
    finally:
        await socket.disconnect()


async def watch(socket: WebsocketCommunicator, *machines: str, **more: Any) -> None:
    await socket.send_to(text_data=json.dumps({"watch": {"machines": list(machines), **more}}))


async def heard(socket: WebsocketCommunicator, kind: str, *, within_s: float = 5.0) -> dict[str, Any]:
    """The next message of a kind; what comes before is passed over."""
    async with asyncio.timeout(within_s):
        while True:
            message: dict[str, Any] = json.loads(await socket.receive_from(timeout=within_s))
            if message["type"] == kind:
                return message


async def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Poll with a deadline."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in threads
            await asyncio.sleep(0.01)


def shown(message: dict[str, Any], metric: str = "vibration") -> list[int]:
    column = message["metrics"].get(metric, [])
    return [t for t, value in zip(message["t"], column, strict=False) if value is not None]
