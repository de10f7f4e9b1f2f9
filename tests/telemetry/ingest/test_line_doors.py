"""InfluxDB's doors: each answer in the shape that its clients read, and nothing answered before it is on disk."""

import base64
import gzip

import pytest
import zstandard

from common import clock
from telemetry.ingest import admission
from telemetry.ingest.journal import READINGS, REFUSALS
from telemetry.ingest.payloads import MAX_BYTES
from telemetry.ingest.refusals import refusals_decode
from telemetry.readings import ReadingBatch

DOORS = ("/write", "/api/v2/write")
GOOD = b"mill,machine=M01 vibration=2.1,temperature=71i"


@pytest.fixture
def send(api_client, ingest_key, door_journal):
    def send(path, body, *, at="acme", auth="token", **headers):
        shown = {
            "token": {"Authorization": f"Token {ingest_key}"},
            "basic": {"Authorization": "Basic " + base64.b64encode(f"telegraf:{ingest_key}".encode()).decode()},
            "x-api-key": {"X-API-Key": ingest_key},
            "query": {},
        }[auth]
        if auth == "query":
            path += f"{'&' if '?' in path else '?'}u=telegraf&p={ingest_key}"
        client = api_client(at=at)
        return client.post(path, body, content_type="text/plain; charset=utf-8", headers={**shown, **headers})

    return send


def values(journal):
    return {
        (entry.factory, s.machine, s.metric): list(zip(s.t_ms.tolist(), s.values.tolist(), strict=True))
        for entry in journal.read_after(0, max_bytes=10**8)
        if entry.kind == READINGS
        for s in ReadingBatch.from_bytes(entry.body)
    }


def refused(journal):
    journal.close()  # commits what waits
    entries = [entry for entry in journal.read_after(0, max_bytes=10**8) if entry.kind == REFUSALS]
    return [(r.source[:4], r.machine, r.metric, r.code, r.count) for e in entries for r in refusals_decode(e.body)]


@pytest.mark.parametrize("auth", ["token", "basic", "x-api-key", "query"])
@pytest.mark.parametrize("at", ["acme", None])
@pytest.mark.parametrize("path", DOORS)
def test_lines_are_on_disk_when_the_answer_comes(send, door_journal, path, at, auth):
    answer = send(path, GOOD, at=at, auth=auth)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["X-Influxdb-Version"]
    assert set(values(door_journal)) == {("acme", "M01", "vibration"), ("acme", "M01", "temperature")}


@pytest.mark.parametrize(
    ("path", "per_ms"),
    [
        ("/write?db=x&rp=y", 1_000_000),
        ("/write?precision=n", 1_000_000),
        ("/write?precision=u", 1_000),
        ("/write?precision=ms", 1),
        ("/write?precision=s", 1 / 1_000),
        ("/api/v2/write?org=o&bucket=b&precision=ns", 1_000_000),
        ("/api/v2/write?org=o&bucket=b&precision=us", 1_000),
        ("/api/v2/write?precision=s", 1 / 1_000),
    ],
)
def test_precision_is_honoured(send, door_journal, path, per_ms):
    t_ms = clock.now_ms() // 1000 * 1000
    assert send(path, f"a,machine=M x=1 {int(t_ms * per_ms)}".encode()).status_code == 204
    assert values(door_journal) == {("acme", "M", "x"): [(t_ms, 1.0)]}


@pytest.mark.parametrize(
    "path", ["/write?precision=fortnight", "/api/v2/write?precision=h", "/api/v2/write?precision=n"]
)
def test_a_precision_that_the_door_does_not_know_is_refused(send, door_journal, path):
    assert send(path, GOOD).status_code == 400
    assert values(door_journal) == {}


def test_a_partial_write_keeps_what_is_good_and_tells_the_rest_as_influxdb_does(send, door_journal):
    body = b'mill,machine=M01 vibration=2.1\nmill,machine=M01 state="on",speed=3\nmill vibration=1\nmill'
    first = send("/write", body)
    assert first.status_code == 400
    assert list(first.json()) == ["error"]
    assert first.json()["error"].startswith("partial write: line 2, state: ")
    assert first.json()["error"].endswith("(not_a_number) dropped=3")
    assert "dropped=3" in first["X-Influxdb-Error"]
    second = send("/api/v2/write", body)
    assert second.status_code == 400
    assert (second.json()["code"], second.json()["line"]) == ("invalid", 2)
    assert second.json()["message"] == first.json()["error"]
    assert set(values(door_journal)) == {("acme", "M01", "vibration"), ("acme", "M01", "speed")}
    assert refused(door_journal)[:3] == [
        ("HTTP", "M01", "state", "not_a_number", 1),
        ("HTTP", "", "", "machine_missing", 1),
        ("HTTP", "", "", "malformed_line", 1),
    ]


def test_times_outside_of_the_window_are_quarantined(send, door_journal):
    answer = send("/write?precision=ms", f"a,machine=M x=1 1000\na,machine=M x=2 {clock.now_ms()}".encode())
    assert answer.status_code == 400
    assert "line 1, x: " in answer.json()["error"]
    assert "timestamp_too_old" in answer.json()["error"]
    assert [value for _t, value in values(door_journal)["acme", "M", "x"]] == [2.0]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
def test_packed_bodies_are_read_within_the_same_size(send, door_journal, encoding, pack):
    header = {"Content-Encoding": encoding}
    assert send("/write", pack(GOOD), **header).status_code == 204
    bomb = send("/api/v2/write", pack(b"#" * 100 * MAX_BYTES), **header)
    assert (bomb.status_code, bomb.json()["code"]) == (413, "request too large")
    assert send("/write", b"garbage", **header).status_code == 400


def test_refusals_come_in_influxdbs_shape(send, api_client, read_key, foreign_key, monkeypatch, door_journal):
    stranger = api_client()
    for path, code in (("/write", None), ("/api/v2/write", "unauthorized")):
        answer = stranger.post(path, GOOD, content_type="text/plain")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Token")
        assert answer.json().get("code") == code
        assert ("error" in answer.json()) == (code is None)
        for key in (read_key, foreign_key):
            refusal = stranger.post(path, GOOD, content_type="text/plain", headers={"Authorization": f"Token {key}"})
            assert refusal.status_code == 403
            assert set(refusal.json()) in ({"error"}, {"code", "message"})
    assert api_client(at=None).post("/write", GOOD, content_type="text/plain").json().keys() == {"error"}
    monkeypatch.setattr(door_journal._writer, "_reserve_bytes", 1 << 60)
    full = send("/api/v2/write", GOOD)
    assert (full.status_code, full.json()["code"]) == (507, "unavailable")
    assert values(door_journal) == {}


def test_a_factory_over_its_rate_is_told_when_to_come_back(send, door_journal):
    assert send("/write", GOOD).status_code == 204
    admission._buckets.fresh("acme").value.charge(10_000_000)
    late = send("/api/v2/write", GOOD)
    assert (late.status_code, late.json()["code"]) == (429, "too many requests")
    assert int(late["Retry-After"]) >= 1
    assert ("HTTP", "", "", "rate_limited", 1) in refused(door_journal)


def test_a_body_without_lines_is_refused(send):
    for path in DOORS:
        assert send(path, b"# nothing\n").status_code == 400


def test_other_methods_are_405(api_client, ingest_key):
    for path in DOORS:
        answer = api_client(ingest_key).get(path)
        assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_telegraf_may_create_its_database_and_ask_for_nothing_else(api_client, ingest_key):
    client = api_client(ingest_key)
    created = client.post(
        "/query", "q=CREATE+DATABASE+%22telegraf%22", content_type="application/x-www-form-urlencoded"
    )
    assert (created.status_code, created.json()) == (200, {"results": [{"statement_id": 0}]})
    assert client.post("/query?q=CREATE+DATABASE+x").status_code == 200
    for refused_query in ("SELECT * FROM readings", "DROP DATABASE acme", ""):
        assert client.get("/query", {"q": refused_query}).status_code == 400
    assert api_client().post("/query?q=CREATE+DATABASE+x").status_code == 401


@pytest.mark.parametrize("at", ["acme", None])
def test_clients_may_ask_whether_anybody_is_there(api_client, at, acme):
    client = api_client(at=at)
    for answer in (client.get("/ping"), client.head("/ping")):
        assert answer.status_code == 204
        assert answer["X-Influxdb-Version"]
    assert client.get("/health").json()["status"] == "pass"
