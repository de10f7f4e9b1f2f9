"""A reading's whole journey with InfluxDB as the store: both doors, the real drain, and the API."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from accounts.api_keys import api_key_create
from factorypulse.dev.ports import free_port
from telemetry.ingest import http
from telemetry.ingest.journal import Journal
from telemetry.store import reading_store, reading_store_named
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of
from tests.telemetry.store.influx_process import Server, influx_server

ROOT = Path(__file__).resolve().parents[2]
START_MS = int(time.time() * 1000) - 3_600_000
PART = 150


def wait_until(happened: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def influx(tmp_path: Path, settings: Any) -> Iterator[Server]:
    """The store in use, of this process and of those it starts."""
    folder = tmp_path / "influxdb"
    folder.mkdir()
    server = influx_server(folder)
    server.start()
    settings.READING_STORE, settings.INFLUXDB_URL = "influxdb", server.url
    reading_store_named.cache_clear()
    yield server
    server.stop()
    reading_store_named.cache_clear()


@pytest.fixture
def plant(influx: Server, live_factories: Callable[..., Factory], settings: Any) -> Iterator[Factory]:
    """Deleted before InfluxDB stops: its readings go with it."""
    factory = live_factories()
    yield factory
    with factory_context(factory):
        reading_store().delete_all()
    settings.READING_STORE = "postgres"


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """What this process's HTTP door and the ingest process share."""
    journal = Journal(tmp_path / "journal")
    monkeypatch.setattr(http, "process_journal", lambda: journal)
    yield journal
    journal.close()


@pytest.fixture
def mqtt_port(influx: Server, journal: Journal, process_environment: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """The door of a real `manage.py ingest`; a real `manage.py drain` moves what it takes into InfluxDB."""
    port = free_port()
    environment = {
        **process_environment,
        "JOURNAL_DIR": str(tmp_path / "journal"),
        "READING_STORE": "influxdb",
        "INFLUXDB_URL": influx.url,
    }
    ingest, drain = ["ingest", "--mqtt-port", str(port)], ["drain"]
    with (tmp_path / "processes.log").open("wb") as log:
        processes = [
            subprocess.Popen([sys.executable, "manage.py", *words], cwd=ROOT, env=environment, stdout=log, stderr=log)
            for words in (ingest, drain)
        ]
    wait_until(lambda: processes[0].poll() is not None or listens(port), what="ingest does not listen")
    yield port
    for process in processes:
        process.send_signal(signal.SIGTERM)
    assert [process.wait(timeout=30) for process in processes] == [0, 0]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def post(client: FactoryClient, numbers: range) -> None:
    for number in numbers:
        metrics = {"n": number, "half": number / 2}
        answer = client.post_json(
            "/api/v1/telemetry/ingest", {"machine": "http", "timestamp": START_MS + number, "metrics": metrics}
        )
        assert answer.status_code == 201, answer.content


def publish(port: int, factory: str, key: str, numbers: range) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.username_pw_set(factory, key)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for number in numbers:
        body = json.dumps({"timestamp": START_MS + number, "metrics": {"n": number, "half": number / 2}})
        client.publish(f"factories/{factory}/devices/mqtt/telemetry", body, qos=1).wait_for_publish(timeout=20)
    client.disconnect()
    client.loop_stop()


def read_back(client: FactoryClient, machine: str) -> dict[str, list[tuple[int, float]]]:
    """Every page of raw readings that the API gives."""
    found: dict[str, list[tuple[int, float]]] = {}
    cursor = ""
    while True:
        path = f"/api/v1/telemetry/{machine}?from={START_MS}&to={START_MS + 10_000}&raw=true&limit=100{cursor}"
        page = client.get(path).json()
        for part in page["metrics"]:
            found.setdefault(part["metric"], []).extend(zip(part["t"], part["value"], strict=True))
        if not page["next"]:
            return {metric: sorted(readings) for metric, readings in found.items()}
        cursor = f"&cursor={page['next']}"


@pytest.mark.timeout(240)
def test_readings_of_both_doors_come_back_once_though_influxdb_was_killed_meanwhile(
    plant: Factory, influx: Server, journal: Journal, mqtt_port: int
) -> None:
    with factory_context(plant):
        key = api_key_create(name="device", scopes=["ingest", "read"])[1]
    client = FactoryClient(host=host_of(plant), HTTP_X_API_KEY=key)

    post(client, range(PART))
    publish(mqtt_port, plant.slug, key, range(PART))
    influx.kill()
    post(client, range(PART, 2 * PART))
    publish(mqtt_port, plant.slug, key, range(PART, 2 * PART))
    influx.start()
    # Devices that are not sure send again.
    post(client, range(2 * PART - 20, 3 * PART))
    publish(mqtt_port, plant.slug, key, range(2 * PART - 20, 3 * PART))
    wait_until(lambda: journal.factories() == [], what="the journal was not drained")

    for machine in ("http", "mqtt"):
        assert read_back(client, machine) == {
            "n": [(START_MS + number, float(number)) for number in range(3 * PART)],
            "half": [(START_MS + number, number / 2) for number in range(3 * PART)],
        }
    buckets = client.get(f"/api/v1/telemetry/http?from={START_MS}&to={START_MS + 10_000}&points=10").json()
    assert [sum(part["count"]) for part in buckets["metrics"]] == [3 * PART, 3 * PART]
