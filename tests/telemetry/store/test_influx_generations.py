"""What is asked of InfluxDB 2.x and 3.x, which are not to be had here: a stand-in answers as their documents say."""

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx import InfluxReadingStore
from telemetry.store.influx_databases import ReadingsKeptError
from telemetry.store.influx_server import InfluxServer
from tenants.models import Factory

T0 = 1_790_000_000_000


@dataclass
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class StandIn:
    """Answers by the test's own rules and remembers what it was asked."""

    version: str
    answer: Callable[[Asked], tuple[int, Any]] = lambda _: (204, None)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked if asked.path != "/ping"]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    state = StandIn("v2.7.11")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            state.asked.append(Asked(self.command, address.path, query, dict(self.headers), body))
            status, answer = (204, None) if address.path == "/ping" else state.answer(state.asked[-1])
            encoded = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("X-Influxdb-Version", state.version)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        def log_message(self, *_args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def store_of(stand_in: StandIn) -> InfluxReadingStore:
    return InfluxReadingStore(InfluxServer(url=stand_in.url, token="secret", org="plants"))


def write(store: InfluxReadingStore, machine: Machine) -> None:
    batch = ReadingBatch([Series(machine.key, "vibration", np.array([T0]), np.array([2.5]))])
    store.write(batch, machines={machine.key: machine})


@pytest.fixture
def mixer(in_acme: Factory) -> Machine:
    return Machine.objects.create(key="M 1")


BUCKET = {"id": "b" * 16, "orgID": "0" * 16, "name": "factorypulse_f_acme", "retentionRules": []}


def v2(*, mappings: list[dict[str, Any]], buckets: list[dict[str, Any]]) -> Callable[[Asked], tuple[int, Any]]:
    """A 2.x server with these buckets and mappings."""

    def answer(asked: Asked) -> tuple[int, Any]:
        match asked.method, asked.path:
            case "GET", "/api/v2/buckets":
                return 200, {"buckets": buckets}
            case "POST", "/api/v2/buckets":
                buckets.append(BUCKET)
                return 201, BUCKET
            case "GET", "/api/v2/orgs":
                return 200, {"orgs": [{"id": "0" * 16, "name": "plants"}]}
            case "GET", "/api/v2/dbrps":
                return 200, {"content": mappings}
            case "POST", "/api/v2/dbrps":
                return 201, json.loads(asked.body)
            case "POST", "/api/v2/write":
                return (204, None) if buckets else (404, {"code": "not found", "message": "bucket not found"})
            case _:
                return 204, None

    return answer


def test_2x_gets_its_bucket_and_the_mapping_that_influxql_needs(stand_in: StandIn, mixer: Machine) -> None:
    stand_in.answer = v2(mappings=[], buckets=[])

    write(store_of(stand_in), mixer)

    written, marked = stand_in.asked[-2:]
    assert written.body == b"readings,machine=M\\ 1 vibration=2.5 1790000000000\n"
    assert written.query == {"org": "plants", "bucket": "factorypulse_f_acme", "precision": "ms"}
    assert written.headers["Authorization"] == "Token secret"
    assert marked.query == written.query
    assert re.fullmatch(rb"readings_touched,machine=M\\ 1 token=\d+i 1789999800000\n", marked.body)
    mapping = next(asked for asked in stand_in.asked if (asked.method, asked.path) == ("POST", "/api/v2/dbrps"))
    assert json.loads(mapping.body) == {
        "bucketID": BUCKET["id"],
        "orgID": BUCKET["orgID"],
        "database": "factorypulse_f_acme",
        "retention_policy": "autogen",
        "default": True,
    }


def test_2x_that_maps_by_itself_is_left_alone(stand_in: StandIn, mixer: Machine) -> None:
    known = {"id": "1" * 16, "bucketID": BUCKET["id"], "orgID": BUCKET["orgID"], "database": "factorypulse_f_acme"}
    stand_in.answer = v2(mappings=[{**known, "retention_policy": "autogen", "default": True}], buckets=[BUCKET])

    store = store_of(stand_in)
    write(store, mixer)
    write(store, mixer)

    assert "POST /api/v2/buckets" not in stand_in.paths()
    assert "POST /api/v2/dbrps" not in stand_in.paths()
    # Twice the readings, and each time the mark after them.
    assert stand_in.paths().count("POST /api/v2/write") == 4


def test_a_bucket_that_somebody_removed_is_made_again(stand_in: StandIn, mixer: Machine) -> None:
    buckets = [BUCKET]
    stand_in.answer = v2(mappings=[], buckets=buckets)
    store = store_of(stand_in)
    write(store, mixer)
    buckets.clear()

    write(store, mixer)

    assert stand_in.paths()[-1] == "POST /api/v2/write"
    assert buckets == [BUCKET]


def test_2x_deletes_by_predicate_and_the_bucket_with_the_factory(stand_in: StandIn, mixer: Machine) -> None:
    stand_in.answer = v2(mappings=[], buckets=[BUCKET])
    store = store_of(stand_in)

    store.delete_machine(mixer)
    store.delete_before(T0)
    store.delete_all()

    deletions = [json.loads(asked.body) for asked in stand_in.asked if asked.path == "/api/v2/delete"]
    measurements = ["readings", "readings_touched", "readings_hours", "readings_quarters", "readings_minutes"]
    machine, before = deletions[:5], deletions[5:]
    assert [one["predicate"] for one in machine] == [
        f'_measurement="{name}" AND machine="M 1"' for name in measurements
    ]
    assert [one["predicate"] for one in before] == [f'_measurement="{name}"' for name in measurements]
    # The mark of the ten minutes that are cut stays.
    assert [one["stop"][11:19] for one in before] == ["14:13:20", "14:10:00", "14:13:20", "14:13:20", "14:13:20"]
    assert f"DELETE /api/v2/buckets/{BUCKET['id']}" in stand_in.paths()


def test_2x_is_asked_in_influxql_with_all_statements_at_once(stand_in: StandIn, mixer: Machine) -> None:
    rows = {"name": "readings", "columns": ["time", "v"], "values": [[T0 + 1, 3], [T0, 2.5]]}
    stand_in.answer = lambda _: (200, {"results": [{"statement_id": 0, "series": [rows]}, {"statement_id": 1}]})

    found = store_of(stand_in).raw(mixer, ["vibration", "flow"], from_ms=T0, to_ms=T0 + 10, limit=2)

    assert [(part.t_ms.tolist(), part.values.tolist()) for part in found] == [([T0, T0 + 1], [2.5, 3.0]), ([], [])]
    asked = stand_in.asked[-1].form
    assert (asked["db"], asked["epoch"], asked["q"].count("SELECT")) == ("factorypulse_f_acme", "ms", 2)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"results": [{"statement_id": 0, "error": "database not found: factorypulse_f_acme"}]}),
        (200, {"results": [{"error": "default retention policy not set for: factorypulse_f_acme"}]}),
        (404, {"code": "not found", "message": "unable to find DBRP"}),
        (404, {"error": "database not found: factorypulse_f_acme"}),
    ],
)
def test_a_factory_that_stored_nothing_reads_as_empty(
    stand_in: StandIn, mixer: Machine, status: int, answer: Any
) -> None:
    stand_in.answer = lambda _: (status, answer)

    found = store_of(stand_in).raw(mixer, ["vibration", "flow"], from_ms=T0, to_ms=T0 + 10)

    assert [len(part) for part in found] == [0, 0]


@pytest.mark.parametrize("answer", ["<html>", {"results": [{"series": [{"columns": 3}]}]}])
def test_an_answer_that_is_none_is_the_server_s_trouble(stand_in: StandIn, mixer: Machine, answer: Any) -> None:
    stand_in.answer = lambda _: (200, answer)

    with pytest.raises(StoreUnavailableError):
        store_of(stand_in).raw(mixer, ["vibration"], from_ms=T0, to_ms=T0 + 10)


def test_3x_is_told_the_plan_s_days_before_its_first_write(stand_in: StandIn, mixer: Machine) -> None:
    stand_in.version = "3.2.1"
    store = store_of(stand_in)

    write(store, mixer)
    write(store, mixer)

    assert stand_in.paths() == ["POST /api/v3/configure/database", *["POST /api/v2/write"] * 4]
    made = json.loads(next(asked for asked in stand_in.asked if asked.path.startswith("/api/v3")).body)
    assert made == {"db": "factorypulse_f_acme", "retention_period": f"{90 * 24}h"}


def test_3x_takes_one_statement_a_request(stand_in: StandIn, mixer: Machine) -> None:
    stand_in.version = "3.2.1"
    stand_in.answer = lambda _: (200, {"results": [{"statement_id": 0}]})

    found = store_of(stand_in).raw(mixer, ["vibration", "flow"], from_ms=T0, to_ms=T0 + 10)

    assert [len(part) for part in found] == [0, 0]
    assert stand_in.paths() == ["GET /query", "GET /query"]
    assert all(";" not in asked.query["q"] for asked in stand_in.asked if asked.path == "/query")


def test_3x_keeps_a_machine_that_has_readings_and_says_so(stand_in: StandIn, mixer: Machine) -> None:
    stand_in.version = "3.2.1"
    rows = {"columns": ["time", "machine", "vibration"], "values": [[T0, "M 1", 2.5]]}
    stand_in.answer = lambda _: (200, {"results": [{"series": [rows]}]})

    with pytest.raises(ReadingsKeptError):
        store_of(stand_in).delete_machine(mixer)

    stand_in.answer = lambda _: (200, {"results": [{"statement_id": 0}]})
    store_of(stand_in).delete_machine(mixer)


def test_3x_drops_the_database_with_the_factory(stand_in: StandIn, in_acme: Factory) -> None:
    stand_in.version = "3.2.1"

    store_of(stand_in).delete_all()

    assert (stand_in.paths(), stand_in.asked[-1].query) == (
        ["DELETE /api/v3/configure/database"],
        {"db": "factorypulse_f_acme"},
    )


def test_a_body_that_is_too_large_goes_in_halves(stand_in: StandIn, mixer: Machine) -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        if asked.path == "/write" and asked.body.count(b"\n") > 3:
            return 413, {"error": "Request Entity Too Large"}
        return (200, {"results": [{}]}) if asked.path == "/query" else (204, None)

    stand_in.version, stand_in.answer = "1.6.7", answer
    t_ms = np.arange(T0, T0 + 10)
    batch = ReadingBatch([Series("M 1", "vibration", t_ms, t_ms / 2.0)])

    store_of(stand_in).write(batch, machines={"M 1": mixer})

    bodies = [asked.body for asked in stand_in.asked if asked.path == "/write" and asked.body.startswith(b"readings,")]
    taken = [body for body in bodies if body.count(b"\n") <= 3]
    assert b"".join(taken).count(b"\n") == 10
    assert len(set(b"".join(taken).splitlines())) == 10


def test_a_busy_server_is_asked_again_within_seconds(stand_in: StandIn, mixer: Machine) -> None:
    busy = iter([503, 429, 204, 204])
    stand_in.version = "2.7.1"
    ready = v2(mappings=[], buckets=[BUCKET])
    stand_in.answer = lambda asked: (next(busy), None) if asked.path == "/api/v2/write" else ready(asked)

    write(store_of(stand_in), mixer)

    assert stand_in.paths().count("POST /api/v2/write") == 4


@pytest.mark.parametrize("version", ["1.6.7", "2.7.11"])
def test_bodies_are_packed_where_they_travel(stand_in: StandIn, version: str) -> None:
    stand_in.version = version
    server = InfluxServer(url=stand_in.url, token="", org="plants")
    server._packs = True  # as over https, for which there is no server here

    assert server.write("acme", b"readings,machine=M01 n=1 1\n")

    assert stand_in.asked[-1].headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(stand_in.asked[-1].body) == b"readings,machine=M01 n=1 1\n"
