"""The HTTP door: each answer of the contract, and nothing answered before it is on disk."""

import gzip
import json
import threading
import zlib

import pytest
import zstandard

from common import clock
from telemetry.ingest import admission, doors
from telemetry.ingest.journal import READINGS, REFUSALS
from telemetry.ingest.payloads import MAX_BYTES, MAX_READINGS
from telemetry.ingest.refusals import refusals_decode
from telemetry.readings import ReadingBatch

PATH = "/api/v1/telemetry/ingest"
GOOD = {"machine": "M01", "metrics": {"vibration": 2.1, "temperature": 71.3}}


@pytest.fixture
def send(api_client, ingest_key, door_journal):
    client = api_client(ingest_key)

    def send(body, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = headers.pop("content_type", "application/json")
        return client.post(PATH, raw, content_type=kind, headers=headers)

    return send


def stored(journal, kind=READINGS):
    return [entry for entry in journal.read_after(0, max_bytes=10**8) if entry.kind == kind]


def values(journal):
    return {
        (entry.factory, s.machine, s.metric): s.values.tolist()
        for entry in stored(journal)
        for s in ReadingBatch.from_bytes(entry.body)
    }


def refused(journal):
    journal.close()  # commits what waits
    return [r for entry in stored(journal, REFUSALS) for r in refusals_decode(entry.body)]


def test_accepted_readings_are_on_disk_when_the_answer_comes(send, door_journal):
    answer = send(GOOD)
    assert answer.status_code == 201
    assert answer.json() == {"accepted": 2, "rejected": [], "request_id": answer["X-Request-ID"]}
    assert values(door_journal) == {("acme", "M01", "vibration"): [2.1], ("acme", "M01", "temperature"): [71.3]}


def test_the_public_host_takes_readings_by_the_keys_factory(api_client, ingest_key, door_journal):
    answer = api_client(ingest_key, at=None).post_json(PATH, GOOD)
    assert answer.status_code == 201
    assert {factory for factory, *_ in values(door_journal)} == {"acme"}


def test_a_bad_value_is_told_and_quarantined_and_the_rest_accepted(send, door_journal):
    answer = send(
        b'[{"machine": "M01", "metrics": {"a": 1}}, {"machine": "M01", "metrics": {"a": NaN, "b": true, "c": 3}}]'
    )
    assert answer.status_code == 201
    assert answer.json()["accepted"] == 2
    told = [(one["index"], one["metric"], one["code"]) for one in answer.json()["rejected"]]
    assert told == [(1, "a", "not_finite"), (1, "b", "not_a_number")]
    assert [(r.metric, r.code, r.count) for r in refused(door_journal)] == [
        ("a", "not_finite", 1),
        ("b", "not_a_number", 1),
    ]


@pytest.mark.parametrize(
    ("offset_ms", "code"),
    [
        (-7 * 86_400_000 - 60_000, "timestamp_too_old"),
        (11 * 60_000, "timestamp_in_future"),
        (365 * 86_400_000, "timestamp_in_future"),
        (-7 * 86_400_000 + 60_000, None),
        (9 * 60_000, None),
    ],
)
def test_only_times_within_the_window_are_accepted(send, door_journal, offset_ms, code):
    answer = send({"machine": "M01", "timestamp": clock.now_ms() + offset_ms, "metrics": {"a": 1}})
    if code is None:
        assert answer.status_code == 201
        return
    assert answer.status_code == 400
    assert answer.json()["code"] == "nothing_accepted"
    assert [one["code"] for one in answer.json()["errors"]] == [code]
    assert [(r.machine, r.metric, r.code) for r in refused(door_journal)] == [("M01", "a", code)]


def test_seconds_for_milliseconds_are_told_as_such(send):
    answer = send({"machine": "M01", "timestamp": clock.now_ms() // 1000, "metrics": {"a": 1}})
    assert "looks like seconds" in answer.json()["errors"][0]["detail"]


def test_a_block_keeps_the_readings_whose_time_is_good(send, door_journal):
    now = clock.now_ms()
    times = [now - 20, now + 10**9, now - 10]
    answer = send({"machine": "M01", "timestamps": times, "metrics": {"a": [1, 2, 3]}})
    assert answer.json()["accepted"] == 2
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [(1, "timestamp_in_future")]
    assert values(door_journal)["acme", "M01", "a"] == [1.0, 3.0]


@pytest.mark.parametrize("name", ["", "a/b", "x" * 65, "a\u0000b", "..", " a", "a ", "<script>", "a\nb", "\ud800"])
def test_a_machine_name_that_makes_no_sense_is_refused(send, name):
    answer = send({"machine": name, "metrics": {"a": 1}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] in {"machine_invalid", "machine_missing"}


@pytest.mark.parametrize("name", ["M01", "Młyn 1", "press-2.axis:3", "挤出机", "x" * 64])
def test_machines_may_be_named_in_any_script(send, name):
    assert send({"machine": name, "metrics": {"humidity_%": 1}}).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        (b"[" * 100_000, 400, "too_deep"),
        (b"{}", 400, "unknown_shape"),
        (b" " * (MAX_BYTES + 1), 413, "too_large"),
        (b"x" * 2 * MAX_BYTES, 413, "too_large"),
    ],
)
def test_a_body_that_is_refused_whole_says_why_and_is_counted(send, door_journal, body, status, code):
    answer = send(body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer["X-Request-ID"]
    assert [r.code for r in refused(door_journal)] == [code]
    assert values(door_journal) == {}


def test_too_many_readings_are_413(send):
    answer = send([{"machine": "M", "metrics": {"a": 1}}] * (MAX_READINGS + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_readings")


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_packed_bodies_are_read_within_the_same_size(send, door_journal, encoding, pack):
    header = {"Content-Encoding": encoding}
    assert send(pack(json.dumps(GOOD).encode()), **header).status_code == 201
    bomb = send(pack(b" " * 100 * MAX_BYTES), **header)
    assert (bomb.status_code, bomb.json()["code"]) == (413, "too_large")
    garbage = send(b"garbage", **header)
    assert (garbage.status_code, garbage.json()["code"]) == (400, "malformed_encoding")


def test_a_gzip_body_that_is_cut_off_is_refused(send):
    answer = send(gzip.compress(json.dumps(GOOD).encode())[:-9], **{"Content-Encoding": "gzip"})
    assert answer.json()["code"] == "malformed_encoding"


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        ("text/csv", ""),
        ("application/x-www-form-urlencoded", ""),
        ("application/json", "br"),
        ("application/json", "deflate"),
    ],
)
def test_other_types_and_encodings_are_415(send, kind, encoding):
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = send(zlib.compress(json.dumps(GOOD).encode()), content_type=kind, **headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_keys_are_asked_for_and_their_scope_and_factory(api_client, read_key, foreign_key, door_journal):
    assert api_client().post_json(PATH, GOOD).status_code == 401
    assert api_client("fp_acme_aaaaaaaa_" + "b" * 32).post_json(PATH, GOOD).status_code == 401
    assert api_client(read_key).post_json(PATH, GOOD).status_code == 403
    assert api_client(foreign_key).post_json(PATH, GOOD).status_code == 403
    assert values(door_journal) == {}


def test_a_person_sends_no_readings(client_for, owner, door_journal):
    assert client_for(owner).post_json(PATH, GOOD).status_code in {401, 403}


def test_a_factory_over_its_rate_gets_429_alone(send, api_client, foreign_key, door_journal, monkeypatch):
    monkeypatch.setattr(admission, "BURST_S", 0.0)
    assert send(GOOD).status_code == 201  # into debt: what has come is kept
    admission._buckets.fresh("acme").value.charge(50_000)
    late = send(GOOD)
    assert (late.status_code, late.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(late["Retry-After"]) <= 60
    assert api_client(foreign_key, at="borg").post_json(PATH, GOOD).status_code == 201
    assert [r.code for r in refused(door_journal)] == ["rate_limited"]


def test_every_refusal_of_a_flood_is_counted_also_its_last(send, door_journal, monkeypatch):
    monkeypatch.setattr(doors, "_floods", doors.Floods())
    assert send(GOOD).status_code == 201
    admission._buckets.fresh("acme").value.charge(500_000)
    assert {send(GOOD).status_code for _ in range(7)} == {429}

    def told():
        return sum(r.count for entry in stored(door_journal, REFUSALS) for r in refusals_decode(entry.body))

    deadline_s = clock.monotonic_s() + 30
    while told() < 7 and clock.monotonic_s() < deadline_s:
        threading.Event().wait(0.02)
    assert told() == 7
    # Nobody is left promised, so the next flood is told to its end as well.
    assert doors._floods.rest_due("acme")


def test_a_full_disk_is_507_and_nothing_is_accepted(send, door_journal, monkeypatch):
    monkeypatch.setattr(door_journal._writer, "_reserve_bytes", 1 << 60)
    answer = send(GOOD)
    assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
    assert values(door_journal) == {}
    monkeypatch.undo()


def test_the_same_idempotency_key_gets_the_same_answer_and_stores_once(send, door_journal):
    first = send(GOOD, **{"Idempotency-Key": "k1"})
    second = send(GOOD, **{"Idempotency-Key": "k1"})
    assert (second.status_code, second.content) == (first.status_code, first.content) == (201, first.content)
    assert len(stored(door_journal)) == 1
    third = send(GOOD, **{"Idempotency-Key": "k2"})
    assert third.status_code == 201
    assert len(stored(door_journal)) == 2


def test_an_idempotency_key_does_not_lose_another_body(send, door_journal):
    send(GOOD, **{"Idempotency-Key": "k1"})
    answer = send({"machine": "M02", "metrics": {"a": 1}}, **{"Idempotency-Key": "k1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


def test_an_idempotency_key_of_a_failed_request_may_be_used_again(send, door_journal, monkeypatch):
    monkeypatch.setattr(door_journal._writer, "_reserve_bytes", 1 << 60)
    assert send(GOOD, **{"Idempotency-Key": "k1"}).status_code == 507
    monkeypatch.setattr(door_journal._writer, "_reserve_bytes", 0)
    assert send(GOOD, **{"Idempotency-Key": "k1"}).status_code == 201


def test_idempotency_keys_of_two_factories_never_meet(send, api_client, foreign_key, door_journal):
    send(GOOD, **{"Idempotency-Key": "k1"})
    answer = api_client(foreign_key, at="borg").post_json(PATH, GOOD, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 201
    assert {factory for factory, *_ in values(door_journal)} == {"acme", "borg"}


def test_other_methods_are_405(api_client, ingest_key):
    assert api_client(ingest_key).get(PATH).status_code == 405
