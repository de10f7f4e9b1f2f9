"""InfluxDB's clients, unchanged, feed a factory through the servers of production and of the trial."""

import base64
import gzip
import http.client
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from accounts.api_keys import api_key_create
from factorypulse.dev.ports import free_port
from telemetry.ingest.journal import READINGS, Journal
from telemetry.readings import ReadingBatch
from tenants.context import factory_context

ROOT = Path(__file__).resolve().parents[3]
NOW_MS = time.time_ns() // 1_000_000
SERVERS = {
    "granian": ["granian", "--interface", "wsgi", "--workers", "1", "--host", "127.0.0.1", "--port"],
    "daphne": ["daphne", "-b", "127.0.0.1", "-p"],
}
APPLICATIONS = {"granian": "factorypulse.wsgi:application", "daphne": "factorypulse.asgi:application"}


class Server:
    """A web process on the public host's name, where a key names its factory; and the journal it appends to."""

    def __init__(self, port, key, factory, journal):
        self.url, self.port, self.key = f"http://localhost:{port}", port, key
        self._factory, self._journal = factory, journal
        # The trial's. Production's stands behind a proxy that hands on whole requests.
        self.serves_alone = False

    def stored(self):
        """(machine, metric) -> {time: value} of the factory, as it stands on the disk now."""
        found = {}
        for entry in self._journal.read_after(0, max_bytes=10**8):
            assert entry.factory == self._factory
            if entry.kind != READINGS:
                continue
            for series in ReadingBatch.from_bytes(entry.body):
                column = zip(series.t_ms.tolist(), series.values.tolist(), strict=True)
                found.setdefault((series.machine, series.metric), {}).update(column)
        return found


@pytest.fixture(params=sorted(SERVERS))
def server(request, live_factory, process_environment, tmp_path):
    with factory_context(live_factory):
        key = api_key_create(name="telegraf", scopes=["ingest"])[1]
    port = free_port()
    command = [sys.executable, "-m", *SERVERS[request.param], str(port), APPLICATIONS[request.param]]
    environment = {**process_environment, "JOURNAL_DIR": str(tmp_path / "journal")}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_until_up(process, port, tmp_path / "log")
        journal = Journal(tmp_path / "journal")
        made = Server(port, key, live_factory.slug, journal)
        made.serves_alone = request.param == "daphne"
        yield made
        journal.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_up(process, port, log):
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/ping", timeout=5) as answer:
                assert answer.status == 204
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(log.read_text())


def points(count):
    return [
        Point("mill")
        .tag("machine", f"M{at % 3}")
        .field("vibration", 2.5 + at)
        .field("speed", at)
        .time(NOW_MS - at, "ms")
        for at in range(count)
    ]


def everything(count):
    wanted = {}
    for at in range(count):
        wanted.setdefault((f"M{at % 3}", "vibration"), {})[NOW_MS - at] = 2.5 + at
        wanted.setdefault((f"M{at % 3}", "speed"), {})[NOW_MS - at] = float(at)
    return wanted


def test_influxdb_client_and_telegraf_feed_a_factory(server):
    synchronously(server)
    in_batches(server)
    as_influxdb_1(server)
    as_telegraf_does(server)
    refused_in_words_that_clients_read(server)
    if server.serves_alone:
        while_others_send_in_drops(server)


def synchronously(server):
    with InfluxDBClient(url=server.url, token=server.key, org="any") as client:
        assert client.ping()
        client.write_api(write_options=SYNCHRONOUS).write(bucket="any", record=points(30))
    assert server.stored() == everything(30)


def in_batches(server):
    options = WriteOptions(batch_size=100, flush_interval=200)
    packing = InfluxDBClient(url=server.url, token=server.key, org="any", enable_gzip=True)
    with packing as client, client.write_api(write_options=options) as api:
        for point in points(450):
            api.write(bucket="any", record=point, write_precision=WritePrecision.NS)
    assert server.stored() == everything(450)


def as_influxdb_1(server):
    query = urllib.parse.urlencode({"db": "plant", "precision": "s", "u": "any", "p": server.key})
    seconds = NOW_MS // 1000
    with urllib.request.urlopen(f"{server.url}/write?{query}", f"a,machine=V1 x=1.5 {seconds}".encode()) as answer:
        assert answer.status == 204
    assert server.stored()["V1", "x"] == {seconds * 1000: 1.5}


def as_telegraf_does(server):
    """First it makes its database, then it sends what it packs while it packs: in chunks, without a length."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"telegraf:{server.key}".encode()).decode()}
    form = {**basic, "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection("localhost", server.port, timeout=30)
    connection.request("POST", "/query", "q=CREATE+DATABASE+%22telegraf%22", form)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"results": [{"statement_id": 0}]})
    packed = gzip.compress(b"\n".join(b"cpu,host=pc,machine=T1 load=%d %d" % (at, NOW_MS - at) for at in range(1000)))
    headers = {**basic, "Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
    chunks = iter([packed[:100], packed[100:]])
    connection.request("POST", "/write?db=telegraf&precision=ms", chunks, headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (204, b"")
    connection.close()
    assert server.stored()["T1", "load"] == {NOW_MS - at: float(at) for at in range(1000)}


def while_others_send_in_drops(server):
    """Headers and bodies that never end hold a connection each, and nobody else."""
    head = f"POST /write HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {server.key}\r\nContent-Length: 900000\r\n".encode()
    with ExitStack() as slow:
        for at in range(100):
            line = slow.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            line.sendall(head + (b"\r\na,machine=S1 x=" if at % 2 else b"X-Slow: "))
        synchronously_as(server, "S2")
    assert ("S1", "x") not in server.stored()


def synchronously_as(server, machine):
    record = Point("mill").tag("machine", machine).field("x", 1.0).time(NOW_MS, "ms")
    with InfluxDBClient(url=server.url, token=server.key, org="any") as client:
        client.write_api(write_options=SYNCHRONOUS).write(bucket="any", record=record)
    assert server.stored()[machine, "x"] == {NOW_MS: 1.0}


def refused_in_words_that_clients_read(server):
    stranger = InfluxDBClient(url=server.url, token=server.key + "x", org="any")
    with stranger as client, pytest.raises(ApiException) as unknown:
        client.write_api(write_options=SYNCHRONOUS).write(bucket="any", record=points(1))
    assert unknown.value.status == 401
    with InfluxDBClient(url=server.url, token=server.key, org="any") as client:
        record = [Point("a").tag("machine", "P1").field("x", 1.0).field("state", "on").time(NOW_MS, "ms")]
        with pytest.raises(ApiException) as partial:
            client.write_api(write_options=SYNCHRONOUS).write(bucket="any", record=record)
    assert partial.value.status == 400
    assert "partial write" in partial.value.message
    assert server.stored()["P1", "x"] == {NOW_MS: 1.0}
