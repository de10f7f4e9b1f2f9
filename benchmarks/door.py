"""How fast readings become durable: MQTT QoS 1 at the door, PUBACK after the journal's commit and sync.

The door runs in its own process with the journal on this disk; keys are not checked and nothing is drained, so that the
figures are the door's own. The load generator shares the machine. Times are from just before a message is written to
its PUBACK. Run: `make bench NAME=door`.
"""

import asyncio
import json
import logging
import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "door.json"
SECONDS = 5.0
DEVICES = 20
BLOCK = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; None for a rate means as fast as it goes."""

    load: str
    messages_per_s: float
    readings_per_s: float
    ack_p50_ms: float
    ack_p99_ms: float
    door_cpu_us_per_message: float


def main() -> None:
    """Run every load, print the table, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        measure("1,000 messages/s", per_s=1_000, readings=1),
        measure("20,000 messages/s", per_s=20_000, readings=1),
        measure("as fast as it goes, single readings", per_s=None, readings=1),
        measure(f"as fast as it goes, blocks of {BLOCK}", per_s=None, readings=BLOCK),
    ]
    print("Durable when the acknowledgement left: yes, SQLite WAL with synchronous=FULL, group commit")
    print(f"{'load':<40}{'messages/s':>12}{'readings/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'door us/message':>17}")
    for row in rows:
        print(
            f"{row.load:<40}{row.messages_per_s:>12,.0f}{row.readings_per_s:>12,.0f}"
            f"{row.ack_p50_ms:>9.2f}{row.ack_p99_ms:>9.2f}{row.door_cpu_us_per_message:>17.1f}"
        )
    RESULT.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")


def measure(load: str, *, per_s: int | None, readings: int) -> Row:
    """One load against a fresh door on a fresh journal."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(dir=RESULT.parent) as directory:
        door = multiprocessing.get_context("spawn").Process(target=_door, args=(directory, theirs))
        door.start()
        latencies_s, elapsed_s = asyncio.run(_load(ours.recv(), per_s, readings))
        ours.send("stop")
        cpu_s = ours.recv()
        door.join()
    messages = len(latencies_s)
    return Row(
        load=load,
        messages_per_s=messages / elapsed_s,
        readings_per_s=messages * readings / elapsed_s,
        ack_p50_ms=float(np.percentile(latencies_s, 50)) * 1e3,
        ack_p99_ms=float(np.percentile(latencies_s, 99)) * 1e3,
        door_cpu_us_per_message=cpu_s / messages * 1e6,
    )


# --- the door's process ---


def _door(directory: str, parent: Connection) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.test")
    import django

    django.setup()
    asyncio.run(_door_main(directory, parent))


async def _door_main(directory: str, parent: Connection) -> None:
    from accounts.api_keys import VerifiedKey
    from telemetry.ingest import admission
    from telemetry.ingest.journal import Journal
    from telemetry.ingest.mqtt import MqttDoor
    from telemetry.ingest.rate import TokenBucket

    # There is no Valkey here to share the factory's rate by, which the product says once a second.
    logging.disable(logging.WARNING)
    admission._buckets.put("bench", TokenBucket(rate=1e9, burst=1e9))
    key = VerifiedKey("bench", "bench", "bench", frozenset({"ingest"}))
    journal = Journal(Path(directory))
    door = MqttDoor(journal, check_key=lambda _user, _password: key, gone_keys=lambda _keys: set())
    parent.send(await door.start("127.0.0.1", 0))
    before = _cpu_s()
    await asyncio.to_thread(parent.recv)
    parent.send(_cpu_s() - before)
    await door.stop()
    journal.close()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# --- the devices ---


async def _load(port: int, per_s: int | None, readings: int) -> tuple[list[float], float]:
    began = time.perf_counter()
    devices = [_device(port, number, per_s and per_s / DEVICES, readings) for number in range(DEVICES)]
    latencies = [latency for found in await asyncio.gather(*devices) for latency in found]
    return latencies, time.perf_counter() - began


async def _device(port: int, number: int, per_s: float | None, readings: int) -> list[float]:
    from telemetry.ingest.mqtt_wire import text_encode, varint_encode

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    credentials = text_encode(f"bench-{number}") + text_encode("bench") + text_encode("key")
    connect = text_encode("MQTT") + b"\x04\xc2\x00\x3c" + credentials
    writer.write(b"\x10" + varint_encode(len(connect)) + connect)
    await reader.readexactly(4)
    topic = text_encode(f"factories/bench/devices/M{number:02}/telemetry")
    sent: dict[int, float] = {}
    latencies: list[float] = []
    listening = asyncio.create_task(_listen(reader, sent, latencies))
    await _publish(writer, topic, sent, per_s, readings)
    while sent:  # noqa: ASYNC110  # an event a message would cost the generator more than it measures
        await asyncio.sleep(0.002)
    listening.cancel()
    writer.close()
    return latencies


async def _listen(reader: asyncio.StreamReader, sent: dict[int, float], latencies: list[float]) -> None:
    while True:
        data = await reader.readexactly(4)
        latencies.append(time.perf_counter() - sent.pop(int.from_bytes(data[2:])))


async def _publish(
    writer: asyncio.StreamWriter, topic: bytes, sent: dict[int, float], per_s: float | None, readings: int
) -> None:
    from telemetry.ingest.mqtt_wire import varint_encode

    began = time.perf_counter()
    count = 0
    while (now := time.perf_counter()) - began < SECONDS:
        due = int((now - began) * per_s) if per_s else count + 200 - len(sent)
        for _ in range(due - count):
            count += 1
            packet_id = count % 65_535 + 1
            body = topic + packet_id.to_bytes(2) + _payload(readings)
            sent[packet_id] = time.perf_counter()
            writer.write(b"\x32" + varint_encode(len(body)) + body)
        await writer.drain()
        await asyncio.sleep(0.001 if per_s else 0.0005)


def _payload(readings: int) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    if readings == 1:
        return b'{"timestamp":%d,"metrics":{"vibration":2.125}}' % now_ms
    times = b",".join(b"%d" % (now_ms - 10 * at) for at in range(readings))
    return b'{"timestamps":[%b],"metrics":{"vibration":[%b]}}' % (times, b",".join([b"2.125"] * readings))


if __name__ == "__main__":
    main()
