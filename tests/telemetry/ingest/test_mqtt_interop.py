"""Clients that others wrote at the MQTT door: mosquitto_pub, paho, mqtt.js, in both versions, plain and over TLS."""

import asyncio
import json
import os
import shutil
import ssl
import threading
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from telemetry.ingest.mqtt import MqttDoor
from tests.telemetry.ingest.mosquitto import certificate_make
from tests.telemetry.ingest.mqtt_line import TOPIC, check_key, values

ROOT = Path(__file__).resolve().parents[3]
VERSIONS = pytest.mark.parametrize("version", [4, 5])
ENCRYPTED = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


def missing(what, how):
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing: {how}")
    pytest.skip(f"{what} is not installed: {how}")


@pytest.fixture
async def doors(journal, tmp_path):
    """`await doors(tls)` opens a door; its `certificate` is what a client has to trust."""
    opened = []

    async def open_door(tls):
        door = MqttDoor(journal, check_key=check_key, gone_keys=lambda keys: set())
        context = door.certificate = None
        if tls:
            door.certificate, key = certificate_make(tmp_path)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(door.certificate, key)
        door.port = await door.start("127.0.0.1", 0, tls=context)
        opened.append(door)
        return door

    yield open_door
    for door in opened:
        await door.stop()


def numbers(journal):
    return [value for *_, metric, value in values(journal) if metric == "n"]


async def breaking(door, client, *, times=5):
    """Cut all connections again and again while a client publishes; returns what it returns."""
    publishing = asyncio.ensure_future(client)
    for _ in range(times):
        await asyncio.wait([publishing], timeout=0.1)
        for device in list(door.room.connections):
            device._transport.abort()
    return await asyncio.wait_for(publishing, 60)


async def run(program, *arguments, stdin=b""):
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    _, told = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode == 0, told.decode()


# --- mosquitto_pub ---


async def mosquitto_pub(door, version, *arguments, stdin=b""):
    program = shutil.which("mosquitto_pub") or missing("mosquitto_pub", "Debian's package mosquitto-clients")
    trust = ["--cafile", str(door.certificate)] if door.certificate else []
    who = ["-h", "localhost", "-p", str(door.port), "-V", f"{version}", "-u", "mill", "-P", "key", "-t", TOPIC]
    await run(program, *who, *trust, *arguments, stdin=stdin)


@VERSIONS
@ENCRYPTED
@pytest.mark.parametrize("qos", ["0", "1"])
async def test_mosquitto_pub_sends_lines(doors, journal, version, tls, qos):
    door = await doors(tls)
    lines = "".join(f'{{"metrics": {{"n": {n}}}}}\n' for n in range(200))
    await mosquitto_pub(door, "311" if version == 4 else "5", "-q", qos, "-l", stdin=lines.encode())
    await asyncio.sleep(0 if qos == "1" else 0.2)  # nobody says when QoS 0 has arrived
    assert numbers(journal) == list(range(200))


@VERSIONS
@ENCRYPTED
async def test_mosquitto_pub_sends_a_file_as_large_as_a_body_may_be(doors, journal, tmp_path, version, tls):
    door = await doors(tls)
    file = tmp_path / "large.json"
    file.write_bytes(b'{"metrics": {"n": 1}}' + b" " * (1024 * 1024 - 21))
    await mosquitto_pub(door, "311" if version == 4 else "5", "-q", "1", "-f", str(file))
    assert numbers(journal) == [1]


# --- paho ---


def paho_client(door, version, *, clean=True):
    options = {"clean_session": clean} if version == 4 else {}
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="paho", protocol=version, **options)
    client.username_pw_set("mill", "key")
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    client._reconnect_min_delay = 0.05  # its own least is a second, for each of the breaks
    client._reconnect_max_delay = 0.05
    client._reconnect_delay = 0.05
    if door.certificate:
        client.tls_set(ca_certs=str(door.certificate))
    options = {"clean_start": clean} if version == 5 else {}
    client.connect("localhost", door.port, **options)
    return client


def paho_publish(door, version, *, count, clean=True):
    client, left = paho_client(door, version, clean=clean), set(range(1, count + 1))
    acknowledged = threading.Event()

    def on_publish(_client, _data, mid, _reason, _properties):
        left.discard(mid)
        if not left:
            acknowledged.set()

    client.on_publish = on_publish
    client.loop_start()
    try:
        for n in range(count):
            client.publish(TOPIC, json.dumps({"metrics": {"n": n}}), qos=1)
        assert acknowledged.wait(50), f"{len(left)} messages were not acknowledged"
    finally:
        client.disconnect()
        client.loop_stop()


@VERSIONS
@ENCRYPTED
async def test_paho_sends_by_its_thread(doors, journal, version, tls):
    door = await doors(tls)
    await asyncio.to_thread(paho_publish, door, version, count=300)
    assert sorted(numbers(journal)) == list(range(300))


@VERSIONS
@ENCRYPTED
async def test_paho_whose_line_breaks_again_and_again_has_everything_stored_once(doors, journal, version, tls):
    door = await doors(tls)
    publishing = asyncio.to_thread(paho_publish, door, version, count=1_500, clean=False)
    await breaking(door, publishing)
    assert sorted(numbers(journal)) == list(range(1_500))


# --- mqtt.js ---


async def mqttjs(door, version, *, count, clean=True):
    node = shutil.which("node") or missing("node", "Node.js 20 or newer")
    if not (ROOT / "node_modules" / "mqtt").is_dir():
        missing("mqtt.js", "npm ci")
    ca = door.certificate.read_text() if door.certificate else ""
    url = f"{'mqtts' if ca else 'mqtt'}://localhost:{door.port}"
    wanted = {"url": url, "version": version, "topic": TOPIC, "count": count, "ca": ca, "clean": clean}
    await run(node, "tests/telemetry/ingest/mqttjs_publish.mjs", json.dumps(wanted))


@VERSIONS
@ENCRYPTED
async def test_mqtt_js_sends(doors, journal, version, tls):
    door = await doors(tls)
    await mqttjs(door, version, count=300)
    assert numbers(journal) == list(range(300))


@VERSIONS
async def test_mqtt_js_whose_line_breaks_again_and_again_has_everything_stored_once(doors, journal, version):
    door = await doors(tls=False)
    await breaking(door, mqttjs(door, version, count=500, clean=False))
    assert sorted(numbers(journal)) == list(range(500))
