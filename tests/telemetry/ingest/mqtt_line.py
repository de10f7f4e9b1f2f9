"""A device's raw connection to the MQTT door, and what the journal has of it."""

import asyncio

from accounts.api_keys import KeyInvalidError, KeyOfOtherFactoryError, VerifiedKey
from telemetry.ingest.journal import READINGS, REFUSALS
from telemetry.ingest.refusals import refusals_decode
from telemetry.readings import ReadingBatch
from tests.telemetry.ingest import mqtt_client as device

TOPIC = "factories/mill/devices/M01/telemetry"
GOOD = b'{"metrics": {"vibration": 2.1}}'


def check_key(user, password):
    if password == "foreign":
        raise KeyOfOtherFactoryError("This key belongs to another factory.")
    if not password.startswith("key"):
        raise KeyInvalidError("This key is not valid.")
    return VerifiedKey(user, "prefix12", "test", frozenset({"ingest"}))


class Line:
    """A raw connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, door, greeting=b"", *, answer=b""):
        line = cls(*await asyncio.open_connection("127.0.0.1", door.port))
        await line.say(greeting)
        if answer:
            assert (await line.hear())[: len(answer)] == answer
        return line

    async def say(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self):
        """One packet, or b"" at the end."""
        async with asyncio.timeout(10):
            try:
                head = await self.reader.readexactly(2)
                return head + await self.reader.readexactly(head[1])
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return b""


ACCEPTED_311 = b"\x20\x02\x00\x00"


async def connected(door, **options):
    version = options.get("version", 4)
    answer = ACCEPTED_311 if version == 4 else b"\x20"
    return await Line.open(door, device.connect(**options), answer=answer)


def stored(journal, kind=READINGS):
    return [entry for entry in journal.read_after(0, max_bytes=10**8) if entry.kind == kind]


def values(journal):
    return [
        (entry.factory, s.machine, s.metric, value)
        for entry in stored(journal)
        for s in ReadingBatch.from_bytes(entry.body)
        for value in s.values.tolist()
    ]


def refused(journal):
    return [r for entry in stored(journal, REFUSALS) for r in refusals_decode(entry.body)]
