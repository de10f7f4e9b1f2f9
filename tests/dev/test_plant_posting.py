"""The simulated devices at their doors: they wait when told to, catch up after an outage, and backfill only the gap."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from factorypulse.dev.plant.backfill import WEEK_MS, BackfillPlan, run_backfill
from factorypulse.dev.plant.bodies import column_block, flat, listed, single
from factorypulse.dev.plant.config import PlantConfig, PlantConfigError
from factorypulse.dev.plant.devices import Device
from factorypulse.dev.plant.doors import DoorClosedError, HttpDoor, Receipt
from factorypulse.dev.plant.line import food_line, record
from factorypulse.dev.plant.progress import Progress

START_MS = 1_795_262_400_000


class Ingest(BaseHTTPRequestHandler):
    """Answers what the test planned, 201 after that, and keeps what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.seen.append((self.path, dict(self.headers), json.loads(body), self.client_address))
        status, headers, answer = (
            server.planned.pop(0) if server.planned else (201, {}, {"accepted": 1, "rejected": []})
        )
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(encoded))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *args):
        """Keep the test's output quiet."""


@pytest.fixture
def ingest():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ingest)
    server.seen, server.planned = [], []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def config(ingest):
    return PlantConfig("demo", "fp_demo_key", f"http://demo.localhost:{ingest.server_port}", "127.0.0.1", 1883)


class ListDoor:
    """Takes everything, except while it is shut."""

    def __init__(self):
        self.bodies, self.shut = [], False

    def send(self, body):
        if self.shut:
            raise DoorClosedError("shut")
        self.bodies.append(json.loads(body))
        return Receipt()

    def close(self):
        self.bodies.append("closed")


def test_a_device_keeps_its_connection_and_names_its_factory_by_key(ingest, config):
    door = HttpDoor(config)
    door.send(b'{"machine": "M01"}')
    door.send(b'{"machine": "M02"}')
    (path, headers, body, first), (_, _, _, second) = ingest.seen
    assert (path, headers["Authorization"], body) == (
        "/api/v1/telemetry/ingest",
        "Api-Key fp_demo_key",
        {"machine": "M01"},
    )
    assert headers["Host"].startswith("demo.localhost:")
    assert first == second
    door.close()


def test_refused_readings_are_counted_and_not_sent_again(ingest, config):
    refusal = {"index": 0, "metric": "x", "code": "not_finite", "detail": "no number"}
    ingest.planned.append((400, {}, {"code": "nothing_accepted", "errors": [refusal]}))
    assert HttpDoor(config).send(b"{}") == Receipt(1, "not_finite: no number")


def test_too_many_requests_says_how_long_to_wait(ingest, config):
    ingest.planned.append((429, {"Retry-After": "7"}, {"code": "rate_limited"}))
    with pytest.raises(DoorClosedError, match="429 rate_limited") as caught:
        HttpDoor(config).send(b"{}")
    assert caught.value.retry_after_s == 7.0


def test_an_unreachable_server_is_a_closed_door():
    config = PlantConfig("demo", "key", "http://127.0.0.1:1", "127.0.0.1", 1)
    with pytest.raises(DoorClosedError):
        HttpDoor(config).send(b"{}")


def test_backfill_posts_every_reading_once_in_spite_of_a_429(ingest, config, tmp_path):
    ingest.planned.append((429, {"Retry-After": "0.1"}, {"code": "rate_limited"}))
    machine = food_line()[3]
    plan = BackfillPlan(fine_ms=60_000, coarse_ms=3_600_000, block_readings=120, readings_per_s=1e9)
    progress = Progress(tmp_path / "p.json", factory="demo")
    posted = run_backfill([machine], HttpDoor(config), progress, plan=plan, start_ms=START_MS, stop=threading.Event())
    instants = [t for _, _, body, _ in ingest.seen[1:] for t in body["timestamps"]]
    assert ingest.seen[0][2] == ingest.seen[1][2]
    assert len(instants) == len(set(instants)) == posted / 4
    assert [t for t in instants if t >= START_MS - 60_000] == list(range(START_MS - 60_000, START_MS, 1000))
    assert min(instants) <= START_MS - 3_600_000 + 300_000


def test_a_second_start_fills_only_the_gap(tmp_path):
    machine, file = food_line()[3], tmp_path / "p.json"
    plan = BackfillPlan(readings_per_s=1e9)
    first = Progress(file, factory="demo")
    first.backfilled(machine.key, START_MS, done=True)
    first.sent(machine.key, START_MS + 5000)
    first.save()
    door, again = ListDoor(), Progress(file, factory="demo")
    run_backfill([machine], door, again, plan=plan, start_ms=START_MS + 9000, stop=threading.Event())
    assert door.bodies[0]["timestamps"] == [START_MS + 6000, START_MS + 7000, START_MS + 8000]
    assert len(door.bodies) == 1
    assert Progress(file, factory="another").covered_to(machine.key) is None


def test_live_readings_do_not_hide_a_backfill_that_was_cut_short(tmp_path):
    progress = Progress(tmp_path / "p.json", factory="demo")
    progress.backfilled("M01", START_MS - 1000)
    progress.sent("M01", START_MS + 5000)
    progress.save()
    assert Progress(tmp_path / "p.json", factory="demo").covered_to("M01") == START_MS - 1000


def test_a_torn_progress_file_costs_a_backfill_and_nothing_else(tmp_path):
    (tmp_path / "p.json").write_text('{"factory": "de')
    assert Progress(tmp_path / "p.json", factory="demo").covered_to("M01") is None


def test_the_whole_week_lies_within_the_window_that_is_accepted():
    assert WEEK_MS < 7 * 86_400_000 - 600_000


def test_after_an_outage_a_device_posts_what_it_missed_in_one_block(tmp_path):
    machine, door = food_line()[0], ListDoor()
    progress = Progress(tmp_path / "p.json", factory="demo")
    device = Device(machine, door, progress, start_ms=START_MS, stop=threading.Event(), body=single)
    device._post_due(START_MS + 10)
    door.shut = True
    with pytest.raises(DoorClosedError):
        device._post_due(START_MS + 1010)
    door.shut = False
    device._post_due(START_MS + 4010)
    assert door.bodies[0]["timestamp"] == START_MS
    assert door.bodies[1]["timestamps"] == [START_MS + 1000, START_MS + 2000, START_MS + 3000, START_MS + 4000]
    assert device.posted == 25


def test_the_pump_sends_vibration_in_blocks_of_10_ms_and_the_rest_beside(tmp_path):
    pump, door = food_line()[6], ListDoor()
    device = Device(
        pump,
        door,
        Progress(tmp_path / "p.json", factory="demo"),
        start_ms=START_MS,
        stop=threading.Event(),
        body=single,
    )
    device._post_due(START_MS + 245)
    block, beside = door.bodies
    assert block["timestamps"] == list(range(START_MS, START_MS + 241, 10))
    assert set(block["metrics"]) == {"vibration_mm_s"}
    assert len(beside["metrics"]) == 4
    assert "vibration_mm_s" not in beside["metrics"]


def test_every_dialect_says_the_same():
    recording = record(food_line()[0], from_ms=START_MS, to_ms=START_MS + 1000)
    told = (recording.machine, recording.t_ms, recording.columns)
    values = {name: column[0] for name, column in recording.columns.items()}
    assert json.loads(single(*told)) == {"machine": "M01-mixer", "timestamp": START_MS, "metrics": values}
    assert json.loads(flat(*told)) == {"equipment_id": "M01-mixer", "timestamp": START_MS, **values}
    assert json.loads(listed(*told))["readings"] == [json.loads(single(*told))]
    assert json.loads(column_block(*told))["metrics"] == {name: [value] for name, value in values.items()}


def test_a_configuration_that_lacks_something_says_what(tmp_path):
    file = tmp_path / "plant.json"
    file.write_text('{"factory": "demo"}')
    with pytest.raises(PlantConfigError, match="api_key"):
        PlantConfig.read(file)
    config = PlantConfig("demo", "key", "http://localhost:8000", "127.0.0.1", 1883)
    config.write(file)
    assert PlantConfig.read(file) == config
    assert file.stat().st_mode & 0o077 == 0
