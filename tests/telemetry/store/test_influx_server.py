"""The InfluxDB gateway against servers of both kinds, and against answers that no server here gives."""

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from telemetry.readings import ReadingBatch, Series
from telemetry.store import influxql
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx_server import InfluxServer
from telemetry.store.line_protocol import bodies
from tests.telemetry.store.influx_process import victoria_running

LINE = b"readings,machine=M01 vibration=2.5 1790000000123"


@pytest.fixture(scope="module")
def victoria_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with victoria_running(tmp_path_factory.mktemp("victoria")) as url:
        yield url


def test_a_1_6_server_is_written_to_without_v2(influx_url: str) -> None:
    server = InfluxServer(url=influx_url, token="user:password", org="")
    assert server.version == (1, 6)
    assert not server.has_v2_writes
    server.execute("", influxql.create_database("plant one"))
    assert server.write("plant one", LINE)
    [table] = server.query("plant one", ["SELECT vibration FROM readings"])
    assert table.values == [[1790000000123, 2.5]]


def test_a_server_with_v2_is_written_to_by_the_client_library(victoria_url: str) -> None:
    server = InfluxServer(url=victoria_url, token="token", org="plants")
    server.__dict__["version"] = (2, 7)  # this server does not say, and takes v2 writes
    t_ms, values = np.array([1790000000123, 1790000000124]), np.array([2.5, 1e-7])
    names = ("vibration", "flow per/h")
    for body in bodies(ReadingBatch([Series("M 01,x", name, t_ms, values) for name in names])):
        assert server.write("acme", body)
    with urllib.request.urlopen(f"{victoria_url}/internal/force_flush", timeout=10):
        pass
    asked = urllib.parse.urlencode({"match[]": '{machine="M 01,x"}', "start": 1789999999, "end": 1790000001})
    with urllib.request.urlopen(f"{victoria_url}/api/v1/export?{asked}", timeout=10) as answer:
        exported = {part["metric"]["__name__"]: part for part in map(json.loads, answer.read().splitlines())}
    assert {name: (part["timestamps"], part["values"]) for name, part in exported.items()} == {
        f"readings_{name}": (t_ms.tolist(), values.tolist()) for name in names
    }


class _Answers(BaseHTTPRequestHandler):
    """Answers any write with what the test has chosen."""

    status, body = 204, b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(type(self).body)))
        self.end_headers()
        self.wfile.write(type(self).body)

    def log_message(self, *_args: object) -> None:
        """Silence."""


@pytest.fixture
def odd_server() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("version", [(1, 6), (2, 7)])
@pytest.mark.parametrize(("status", "body"), [(401, b"{}"), (400, b'{"error":"bad"}'), (500, b""), (503, b"busy")])
def test_readings_are_kept_back_whatever_the_server_dislikes(
    odd_server: str, version: tuple[int, int], status: int, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Answers, "status", status)
    monkeypatch.setattr(_Answers, "body", body)
    server = InfluxServer(url=odd_server, token="t", org="o")
    server.__dict__["version"] = version
    with pytest.raises(StoreUnavailableError):
        server.write("acme", LINE)


@pytest.mark.parametrize("version", [(1, 6), (2, 7)])
def test_readings_older_than_the_server_keeps_are_no_reason_to_wait(
    odd_server: str, version: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Answers, "status", 400)
    monkeypatch.setattr(
        _Answers, "body", b'{"code":"x","error":"partial write: points beyond retention policy dropped=1"}'
    )
    server = InfluxServer(url=odd_server, token="t", org="o")
    server.__dict__["version"] = version
    assert server.write("acme", LINE)


def test_several_metrics_of_a_factory_that_stored_nothing_are_empty(influx_url: str) -> None:
    server = InfluxServer(url=influx_url, token="", org="")
    statements = ['SELECT "a" FROM "readings"', 'SELECT "b" FROM "readings"']
    assert [table.values for table in server.query("factorypulse_nobody", statements)] == [[], []]
