"""What is made to fill memory is refused by code, and memory stays where it was; the bounds are generous."""

import asyncio
import gzip
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from accounts.api_keys import api_key_create
from telemetry.ingest.mqtt_wire import varint_encode
from tenants.context import factory_context
from tests.telemetry.ingest import mqtt_client as device
from tests.telemetry.ingest.mosquitto import free_port
from tests.telemetry.ingest.mqtt_line import Line

ROOT = Path(__file__).resolve().parents[3]
MEGABYTE = 1024 * 1024
DEEP = b'{"machine": "M01", "metrics": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BODIES = {
    "ten_megabytes": (b" " * (10 * MEGABYTE), "", {413}),
    "gzip_bomb": (gzip.compress(bytes(200 * MEGABYTE), 9), "gzip", {413}),
    "gzip_in_gzip": (gzip.compress(gzip.compress(bytes(200 * MEGABYTE), 9)), "gzip", {400}),
    "zstd_bomb": (zstandard.compress(bytes(200 * MEGABYTE)), "zstd", {413}),
    "deep": (DEEP, "", {400}),
    "deep_in_gzip": (gzip.compress(DEEP), "gzip", {400}),
    "bad_utf_8": (b'{"machine": "M01", "metrics": {"\xff": 1}}', "", {400}),
    "nul": (b'{"machine": "M\x0001", "metrics": {"a": 1}}', "", {400}),
    "nul_escaped": (b'{"machine": "M\\u000001", "metrics": {"a\\u0000": 1}}', "", {400}),
    "digits": (b'{"machine": "M01", "metrics": {"a": ' + b"9" * 900_000 + b"}}", "", {400}),
    "no_end": (b'{"machine": "M01", "metrics": {"a": "' + b"a" * 900_000, "", {400}),
}


@pytest.mark.parametrize("bomb", BODIES)
def test_a_bomb_at_the_http_door_is_refused_by_code_and_memory_stays_flat(bomb, api_client, ingest_key, door_journal):
    body, encoding, states = BODIES[bomb]
    client = api_client(ingest_key)
    extra = {"HTTP_CONTENT_ENCODING": encoding} if encoding else {}
    post = lambda sent: client.generic("POST", "/api/v1/telemetry/ingest", sent, "application/json", **extra)  # noqa: E731
    post(b"{}")  # what is imported at first use is none of the bomb's
    tracemalloc.start()
    try:
        answer = post(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code in states, answer.content[:300]
    assert peak < 48 * MEGABYTE


class Ingest:
    """`manage.py ingest` as a process, and the most memory it ever had."""

    def __init__(self, environment, log):
        self.port = free_port()
        command = [sys.executable, "manage.py", "ingest", "--mqtt-port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    @property
    def most_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the kernel tells no VmHWM")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


@pytest.fixture
def ingest(live_factory, process_environment, tmp_path):
    if not Path("/proc/self/status").exists():
        pytest.skip("there is no /proc here that tells a process's memory")
    with factory_context(live_factory):
        key = api_key_create(name="bomber", scopes=["ingest"])[1]
    environment = {**process_environment, "JOURNAL_DIR": str(tmp_path / "journal")}
    with (tmp_path / "ingest.log").open("wb") as log:
        process = Ingest(environment, log)
        process.slug, process.key = live_factory.slug, key
        yield process
        process.stop()
    if os.environ.get("CI"):
        print((tmp_path / "ingest.log").read_text()[-2000:])


async def entered(ingest, name):
    async with asyncio.timeout(60):
        while True:
            try:
                line = await Line.open(ingest)
                break
            except OSError:
                await asyncio.sleep(0.1)
    await line.say(device.connect(version=5, user=ingest.slug, password=ingest.key, client_id=name))
    assert (await line.hear())[3] == 0
    return line


async def reasons(ingest, topic):
    """How the door answers each bomb: a PUBACK (0x40), or the reason of its DISCONNECT."""
    bodies = {name: body for name, (body, encoding, _) in BODIES.items() if not encoding and len(body) <= MEGABYTE}
    told = {}
    for name, body in bodies.items():
        line = await entered(ingest, name)
        await line.say(device.publish(topic, body, version=5))
        told[name] = (await line.hear())[0]
    line = await entered(ingest, "ten_megabytes")
    await line.say(b"\x32" + varint_encode(10 * MEGABYTE))
    told["ten_megabytes"] = (await line.hear())[2]
    return told


async def halves(ingest, topic, *, lines):
    """Many devices that each leave a large message unfinished."""
    started = device.publish(topic, b"{" + b" " * (MEGABYTE - 100), version=5)[: MEGABYTE // 2]
    opened = [await entered(ingest, f"half-{n}") for n in range(lines)]
    for line in opened:
        await line.say(started)
    return opened


async def test_bombs_at_the_mqtt_door_cost_their_sender_alone_and_memory_stays_flat(ingest):
    topic = f"factories/{ingest.slug}/devices/M01/telemetry"
    bystander = await entered(ingest, "bystander")
    await bystander.say(device.publish(topic, b'{"metrics": {"a": 1}}', version=5))
    assert await bystander.hear() == b"\x40\x02\x00\x01"
    before = ingest.most_bytes
    told = await reasons(ingest, topic)
    assert told.pop("ten_megabytes") == 0x95
    assert set(told.values()) == {0x40}, told
    opened = await halves(ingest, topic, lines=20)
    await bystander.say(device.publish(topic, b'{"metrics": {"a": 2}}', version=5, packet_id=2))
    assert await bystander.hear() == b"\x40\x02\x00\x02"
    assert ingest.most_bytes - before < 96 * MEGABYTE
    for line in [*opened, bystander]:
        line.writer.transport.abort()
