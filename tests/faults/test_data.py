"""Bad, late and repeated data through both doors of real processes: what is good is kept once, the rest is told."""

import json
import socket
import time
from contextlib import closing
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import Sum

from benchmarks.checker import stored_read
from benchmarks.ledger import Stream
from telemetry.models import Metric, QuarantinedReading
from tenants.context import factory_context
from tenants.provisioning import factory_create, factory_delete
from tests.conftest import person_make
from tests.faults.conftest import plant_make
from tests.faults.processes import wait_until
from tests.telemetry.ingest import mqtt_client

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def plant(django_db_blocker, process_environment, tmp_path_factory):
    """A committed factory that stays for all tests of this file."""
    with django_db_blocker.unblock():
        factory = factory_create(slug=f"live-{uuid4().hex[:12]}", name="Data")
        yield plant_make(factory, tmp_path_factory.mktemp("data"), process_environment)
        factory_delete(factory)
        connection.set_schema_to_public()


@pytest.fixture(scope="module")
def ingest(plant):
    """The ingest side over it."""
    made = plant.ingest()
    made.start()
    yield made
    made.kill()


@pytest.fixture
def doors(plant, ingest, http_door, live_factories):
    """Both ways in, by name: each takes a machine and bodies, and answers what the door said to each."""
    client, _ = http_door()

    def http(_machine, bodies):
        url = "/api/v1/telemetry/ingest"
        return [client.generic("POST", url, body, content_type="application/json") for body in bodies]

    def mqtt(machine, bodies):
        topic = f"factories/{plant.factory.slug}/devices/{machine}/telemetry"
        with closing(socket.create_connection(("127.0.0.1", ingest.port), timeout=20)) as line:
            line.sendall(mqtt_client.connect(user=plant.factory.slug, password=plant.key, client_id="data"))
            assert line.recv(4) == b"\x20\x02\x00\x00"
            for number, body in enumerate(bodies, 1):
                line.sendall(mqtt_client.publish(topic, body, packet_id=number))
                assert line.recv(4) == b"\x40\x02" + number.to_bytes(2, "big")
        return [None] * len(bodies)

    return {"http": http, "mqtt": mqtt}


def body(machine, t_ms, metrics):
    return json.dumps({"machine": machine, "timestamp": t_ms, "metrics": metrics}).encode()


def values(plant, machine, metric="n"):
    return stored_read(
        Stream(machine, metric, start_ms=int(time.time() * 1000) - 8 * 24 * HOUR_MS), factory=plant.factory
    )


def refused(plant, machine):
    """Codes of what is in quarantine for a machine, by metric."""
    with factory_context(plant.factory):
        rows = QuarantinedReading.objects.filter(machine=machine)
        return {(row.metric, row.code) for row in rows}


def test_what_is_sent_again_by_any_door_is_there_once(plant, doors):
    now_ms = int(time.time() * 1000)
    bodies = [body("AGAIN", now_ms - 1_000 * at, {"n": at}) for at in range(50)]
    for name in ("http", "mqtt", "http"):
        doors[name]("AGAIN", bodies)
    plant.drained()
    found = values(plant, "AGAIN")
    assert found.values.tolist() == list(range(49, -1, -1))
    assert found.counted == 50


def test_what_comes_an_hour_late_is_stored_in_its_place_and_rewinds_nothing(plant, doors):
    now_ms = int(time.time() * 1000)
    late = [body("LATE", now_ms - HOUR_MS - 1_000 * at, {"n": at}) for at in range(20)]
    doors["mqtt"]("LATE", [body("LATE", now_ms, {"n": 1000})])
    plant.drained()
    newest = last_of(plant, "LATE")
    doors["mqtt"]("LATE", late[:10])
    doors["http"]("LATE", late[10:])
    plant.drained()
    found = values(plant, "LATE")
    assert sorted(found.t_ms.tolist()) == found.t_ms.tolist()
    assert found.values.tolist() == [*range(19, -1, -1), 1000]
    wait_until(lambda: last_of(plant, "LATE") == newest, within_s=5)


def last_of(plant, machine):
    """The newest reading as lists and tiles show it."""
    with factory_context(plant.factory):
        metric = wait_until(
            lambda: Metric.objects.filter(machine__key=machine, name="n", last_at__isnull=False).first()
        )
        return metric.last_at, metric.last_value


def test_wrong_times_are_quarantined_with_a_reason_that_admins_see(plant, doors, client_for):
    now_ms = int(time.time() * 1000)
    wrong = {
        "future": (now_ms + HOUR_MS, "timestamp_in_future"),
        "ancient": (now_ms - 400 * 24 * HOUR_MS, "timestamp_too_old"),
        "seconds": (now_ms // 1000, "timestamp_too_old"),
    }
    for machine, (t_ms, code) in wrong.items():
        answer = doors["http"](machine, [body(machine, t_ms, {"n": 1})])[0]
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == code
        doors["mqtt"](machine, [body(machine, t_ms, {"n": 1})])
    plant.drained()
    for machine, (_, code) in wrong.items():
        assert refused(plant, machine) == {("n", code)}
        assert not len(values(plant, machine).t_ms)
    admin = person_make(plant.factory, "adam.admin@live.example", "admin")
    page = client_for(admin).get("/quarantine").content.decode()
    for machine in wrong:
        assert machine in page
    assert "milliseconds" in page


# As bytes: Python's own encoder would not write some of them.
BAD = {
    "nan": (b"NaN", "not_finite"),
    "infinity": (b"Infinity", "not_finite"),
    "huge": (b"1e999", "not_finite"),
    "yes": (b"true", "not_a_number"),
    "text": (b'"72.3"', "not_a_number"),
    "nothing": (b"null", "not_a_number"),
    "long": (b"123456789012345678901234567890", "out_of_range"),
    "list": (b"[1]", "not_a_number"),
}


@pytest.mark.parametrize("door", ["http", "mqtt"])
def test_a_value_that_is_no_reading_is_refused_alone(plant, doors, door):
    now_ms, mixed, bad = int(time.time() * 1000), f"mixed-{door}", f"bad-{door}"
    metrics = b", ".join(b'"%b": %b' % (name.encode(), value) for name, (value, _) in BAD.items())
    whole = b'{"machine": "%b", "timestamp": %d, "metrics": {%b, "good": 2.5}}' % (mixed.encode(), now_ms, metrics)
    single = b'{"machine": "%b", "timestamp": %d, "metrics": {"n": %b}}'
    alone = [single % (bad.encode(), now_ms, value) for value, _ in BAD.values()]
    answers = doors[door](mixed, [whole])
    doors[door](bad, alone)
    plant.drained()
    assert values(plant, mixed, "good").values.tolist() == [2.5]
    told = refused(plant, mixed)
    assert {metric for metric, _ in told} == set(BAD)
    assert not len(values(plant, bad).t_ms)
    if door == "http":
        assert answers[0].status_code == 201
        assert {one["metric"]: one["code"] for one in answers[0].json()["rejected"]} == dict(told)


def test_ten_thousand_new_names_are_capped_counted_and_cost_the_known_ones_nothing(plant, doors):
    now_ms = int(time.time() * 1000)
    doors["mqtt"]("BOMB", [body("BOMB", now_ms, {"n": 1})])
    plant.drained()
    bombs = [body("BOMB", now_ms, {f"bomb-{at}-{name}": 1 for name in range(1_000)}) for at in range(10)]
    doors["mqtt"]("BOMB", bombs)
    doors["mqtt"]("BOMB", [body("BOMB", now_ms + 1, {"n": 2})])
    plant.drained()
    assert values(plant, "BOMB").values.tolist() == [1, 2]
    most = plant.factory.plan.max_metrics_per_machine
    with factory_context(plant.factory):
        assert Metric.objects.filter(machine__key="BOMB").count() == most
        told = QuarantinedReading.objects.filter(code="metric_limit").aggregate(total=Sum("count"))["total"]
    assert told == 10_001 - most
