"""What the plan has no room for is refused at the door before it is acknowledged, and never what has a place."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError

from telemetry.equipment import machines_register
from telemetry.ingest import plan_room
from telemetry.ingest.drain import Drain
from telemetry.ingest.mqtt_keys import key_check, keys_gone
from telemetry.models import Machine, Metric, QuarantinedReading
from tenants.context import factory_context
from tenants.hosts import hosts_forget
from tenants.models import Plan
from tests.telemetry.ingest.test_equipment import batch

URL = "/api/v1/telemetry/ingest"


def test_the_places_that_are_left_go_to_who_comes_first_and_the_rest_is_refused(send_to_plan, door_journal, acme):
    send = send_to_plan(max_machines=2)
    readings = [{"machine": key, "metrics": {"a": 1.0}} for key in ("M01", "M02", "M03", "M03")]
    answer = send({"readings": readings})
    assert answer.status_code == 201
    assert answer.json()["accepted"] == 2
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [
        (2, "machine_limit"),
        (3, "machine_limit"),
    ]
    assert "room for 2 machines" in answer.json()["rejected"][0]["detail"]
    Drain(door_journal).drain_once("acme")
    with factory_context(acme):
        assert sorted(Machine.objects.values_list("key", flat=True)) == ["M01", "M02"]
        [row] = QuarantinedReading.objects.all()
        assert (row.source[:4], row.code, row.machine, row.count) == ("HTTP", "machine_limit", "", 2)


def test_a_body_without_any_place_is_refused_whole(send_to_plan, door_journal):
    send = send_to_plan(max_machines=1)
    assert send({"machine": "M01", "metrics": {"a": 1.0}}).status_code == 201
    answer = send({"machine": "M02", "metrics": {"a": 1.0}})
    assert (answer.status_code, answer.json()["code"]) == (400, "nothing_accepted")
    assert [one["code"] for one in answer.json()["errors"]] == ["machine_limit"]


def test_what_has_a_place_goes_on_while_its_neighbour_has_none(send_to_plan, door_journal, acme):
    with factory_context(acme):
        machines_register(batch(("M01", "a")))
    send = send_to_plan(max_metrics_per_machine=2, max_series=3)
    answer = send({"machine": "M01", "metrics": {"a": 1.0, "b": 1.0, "c": 1.0}})
    assert [(one["metric"], one["code"]) for one in answer.json()["rejected"]] == [("c", "metric_limit")]
    answer = send({"machine": "M02", "metrics": {"a": 1.0, "b": 1.0}})
    assert [(one["metric"], one["code"]) for one in answer.json()["rejected"]] == [("b", "series_limit")]


def test_a_bomb_of_names_is_one_cause_in_quarantine(send_to_plan, door_journal, acme):
    send = send_to_plan(max_metrics_per_machine=10)
    answer = send({"machine": "M01", "metrics": {f"m{n}": 1.0 for n in range(1_000)}})
    assert answer.json()["accepted"] == 10
    Drain(door_journal).drain_once("acme")
    with factory_context(acme):
        assert Metric.objects.count() == 10
        assert list(QuarantinedReading.objects.values_list("code", "machine", "count")) == [
            ("metric_limit", "M01", 990)
        ]


def test_a_machine_that_was_deleted_leaves_its_place_to_another(send_to_plan, door_journal, acme, monkeypatch):
    monkeypatch.setattr(plan_room._looked, "_fresh_s", 0.0)
    with factory_context(acme):
        machines_register(batch(("M01", "a")))
    send = send_to_plan(max_machines=1)
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 400
    with factory_context(acme):
        Machine.objects.all().delete()
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 201


def test_a_larger_plan_counts_from_the_next_look(send_to_plan, door_journal, acme, monkeypatch):
    monkeypatch.setattr(plan_room._looked, "_fresh_s", 0.0)
    send = send_to_plan(max_machines=1)
    assert send({"machine": "M01", "metrics": {"a": 1.0}}).status_code == 201
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 400
    send = send_to_plan(max_machines=2)
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 201


def test_a_promise_that_was_never_kept_is_given_to_another_later(send_to_plan, door_journal, monkeypatch):
    monkeypatch.setattr(plan_room._looked, "_fresh_s", 0.0)
    monkeypatch.setattr(plan_room, "_PROMISED_S", 0.0)
    send = send_to_plan(max_machines=1)
    assert send({"machine": "M01", "metrics": {"a": 1.0}}).status_code == 201
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 201, "the drain never registered the first"


def test_a_young_promise_outlives_a_look(send_to_plan, door_journal, acme, monkeypatch):
    monkeypatch.setattr(plan_room._looked, "_fresh_s", 0.0)
    send = send_to_plan(max_machines=2)
    assert send({"machine": "M01", "metrics": {"a": 1.0}}).status_code == 201
    with factory_context(acme):
        Machine.objects.create(key="made-by-an-admin")
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 400


def test_a_name_whose_times_are_all_refused_takes_nobodys_place(send_to_plan, door_journal):
    send = send_to_plan(max_machines=1)
    answer = send({"machine": "M01", "timestamp": 1_000, "metrics": {"a": 1.0}})
    assert [one["code"] for one in answer.json()["errors"]] == ["timestamp_too_old"]
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 201


def test_a_machine_made_in_the_place_of_another_is_let_in(send_to_plan, door_journal, acme, monkeypatch):
    monkeypatch.setattr(plan_room._looked, "_fresh_s", 0.0)
    send = send_to_plan(max_machines=1)
    with factory_context(acme):
        Machine.objects.create(key="M01")
        assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 400
        Machine.objects.all().delete()
        Machine.objects.create(key="M02")
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 201


def test_what_is_refused_for_long_is_looked_up_once_more(send_to_plan, door_journal, acme, monkeypatch):
    monkeypatch.setattr(plan_room._looked, "_fresh_s", 0.0)
    send = send_to_plan(max_machines=1)
    with factory_context(acme):
        Machine.objects.create(key="M01")
        assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 400
        Machine.objects.update(key="M02")
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 400, "no count tells of the change"
    monkeypatch.setattr(plan_room, "_PROMISED_S", 0.0)
    assert send({"machine": "M02", "metrics": {"a": 1.0}}).status_code == 201


def test_threads_together_give_away_no_more_places_than_there_are(acme):
    plan_room.room_learn(acme)
    room = plan_room.room_of("acme")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: room.take(f"M{n % 500}", "a"), range(4_000), chunksize=1))
    assert len(room.keys) == len(room.machines) == acme.plan.max_machines
    assert sum(refusal is None for refusal in found) == 8 * acme.plan.max_machines


def test_a_connected_device_meets_the_plan_too(acme, ingest_key, monkeypatch):
    key = key_check("acme", ingest_key)
    plan_room.rooms_forget()
    with factory_context(acme):
        machines_register(batch(("M01", "a")))
    assert keys_gone({key}) == set()
    assert plan_room.room_of("acme").has([("M01", "a")])


def test_while_the_database_is_away_everything_gets_a_place(acme, monkeypatch):
    def away(_factory):
        raise OperationalError("the server is away")

    monkeypatch.setattr(plan_room, "_look", away)
    plan_room.room_learn(acme)
    room = plan_room.room_of("acme")
    assert all(room.take(f"M{n}", "a") is None for n in range(30_000))
    assert len(room.keys) <= 20_000


def test_promises_are_bounded_by_the_plan(acme):
    plan_room.room_learn(acme)
    room = plan_room.room_of("acme")
    refused = [room.take(f"M{n}", "a") for n in range(10_000)]
    assert sum(found is None for found in refused) == acme.plan.max_machines
    assert len(room.keys) == acme.plan.max_machines


@pytest.fixture
def send_to_plan(api_client, ingest_key, acme):
    """Post bodies to a factory whose plan was just set to this."""

    def with_plan(**plan):
        Plan.objects.filter(pk=acme.plan.pk).update(**plan)
        hosts_forget()
        client = api_client(ingest_key)
        return lambda body: client.post_json(URL, body)

    return with_plan
