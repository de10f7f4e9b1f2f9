"""Series, readings, CSV and key figures over the API."""

import csv
import io
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from channels.testing import HttpCommunicator
from django.core.asgi import get_asgi_application

from accounts.api_keys import api_key_create
from accounts.models import User
from common import clock
from common.times import from_ms, rfc3339
from telemetry.models import Line, Machine, Metric, Site
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from telemetry.store.base import StoreUnavailableError
from telemetry.store.strips import NOTHING
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of

Clients = Callable[..., FactoryClient]
T0 = 1_790_000_000_000
URL = "/api/v1/telemetry/M01"


@pytest.fixture
def mixer(in_acme: Factory) -> Machine:
    machine = Machine.objects.create(key="M01")
    for name, unit in (("flow/in", "l/min"), ("vibration", "mm/s")):
        Metric.objects.create(machine=machine, name=name, unit=unit)
    return machine


def store(machine: Machine, metric: str, t_ms: Any, values: Any) -> None:
    part = Series(machine.key, metric, np.asarray(t_ms, np.int64), np.asarray(values, np.float64))
    reading_store().write(ReadingBatch([part]), machines={machine.key: machine})


@pytest.fixture
def client(viewer: User, mixer: Machine, client_for: Clients) -> FactoryClient:
    return client_for(viewer)


def test_a_window_comes_as_at_most_so_many_buckets_and_keeps_its_spike(client: FactoryClient, mixer: Machine) -> None:
    values = np.zeros(3600)
    values[1800] = 99.0
    store(mixer, "vibration", T0 + np.arange(3600) * 1000, values)
    found = client.get(f"{URL}?from={T0}&to={T0 + 3_600_000}&metrics=vibration&points=100").json()
    (part,) = found["metrics"]
    assert (found["machine"], found["from"], part["unit"]) == ("M01", rfc3339(from_ms(T0)), "mm/s")
    assert 50 < len(part["t"]) <= 100
    assert (max(part["max"]), sum(part["count"])) == (99.0, 3600)
    assert len(part["t"]) == len(part["min"]) == len(part["mean"])


def test_a_line_for_the_eye_is_made_of_readings_and_keeps_its_spike(client: FactoryClient, mixer: Machine) -> None:
    times, values = T0 + np.arange(3600) * 1000, np.sin(np.arange(3600) / 300)
    values[1800] = 9.0
    store(mixer, "vibration", times, values)
    found = client.get(f"{URL}?from={T0}&to={T0 + 3_600_000}&method=lttb&points=100").json()
    nothing, part = found["metrics"]
    assert (nothing["t"], part["unit"], len(part["t"])) == ([], "mm/s", 100)
    assert set(zip(part["t"], part["value"], strict=True)) <= set(zip(times.tolist(), values.tolist(), strict=True))
    assert (part["t"][0], part["t"][-1], max(part["value"])) == (times[0], times[-1], 9.0)


def test_a_line_of_very_many_readings_is_made_of_extremes(
    client: FactoryClient, mixer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.history.series._READINGS_TAKEN_ONE_BY_ONE", 1000)
    values = np.sin(np.arange(3600) / 300)
    values[1800] = 9.0
    store(mixer, "vibration", T0 + np.arange(3600) * 1000, values)
    found = client.get(f"{URL}?from={T0}&to={T0 + 3_600_000}&method=lttb&points=100&metrics=vibration").json()
    (part,) = found["metrics"]
    assert len(part["t"]) == 100
    assert (np.diff(part["t"]) > 0).all()
    assert part["t"][0] >= T0
    assert part["t"][-1] < T0 + 3_600_000
    assert max(part["value"]) == 9.0


def test_without_a_wish_it_is_every_metric_of_the_last_hour(client: FactoryClient, mixer: Machine) -> None:
    now = clock.now_ms()
    store(mixer, "vibration", [now - 7_200_000, now - 60_000], [1.0, 2.0])
    found = client.get(URL).json()
    assert [(part["metric"], part["mean"]) for part in found["metrics"]] == [("flow/in", []), ("vibration", [2.0])]


@pytest.mark.parametrize("instant", ["{ms}", "{z}", "{offset}"])
def test_times_may_be_written_in_each_form_of_the_contract(client: FactoryClient, mixer: Machine, instant: str) -> None:
    store(mixer, "vibration", [T0, T0 + 1000], [1.0, 2.0])
    at = datetime.fromtimestamp(T0 / 1000 + 1, UTC)
    # A plus that nobody escaped arrives as a space.
    text = instant.format(ms=T0 + 1000, z=at.strftime("%Y-%m-%dT%H:%M:%SZ"), offset=at.isoformat())
    found = client.get(f"{URL}?from={T0}&to={text}&metrics=vibration&raw=true").json()
    assert found["metrics"][0]["t"] == [T0]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("from=2026-01-01", "window_invalid"),
        ("from=2026-01-01T00:00:00", "window_invalid"),
        ("from=20&to=10", "window_invalid"),
        ("to=-5", "window_invalid"),
        ("from=99999999999999999999999", "window_invalid"),
        ("points=1", "invalid_input"),
        ("points=many", "invalid_input"),
        ("method=prettiest", "invalid_input"),
        ("method=lttb&points=2", "invalid_input"),
        ("points=²", "invalid_input"),
        ("raw=true&limit=0", "invalid_input"),
        ("raw=true&cursor=x", "invalid_input"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_with_a_code(client: FactoryClient, query: str, code: str) -> None:
    response = client.get(f"{URL}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_an_unknown_metric_is_named(client: FactoryClient) -> None:
    response = client.get(f"{URL}?metrics=vibration,speed")
    assert (response.status_code, response.json()["code"]) == (404, "metric_not_found")
    assert "speed" in response.json()["detail"]


def test_raw_pages_hold_each_reading_once(client: FactoryClient, mixer: Machine) -> None:
    fast, slow = T0 + np.arange(100) * 10, T0 + np.arange(10) * 100
    store(mixer, "vibration", fast, fast % 7)
    store(mixer, "flow/in", slow, slow % 5)
    url, seen, pages = f"{URL}?from={T0}&to={T0 + 2000}&raw=true&limit=30", {"vibration": [], "flow/in": []}, 0
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"{url}&cursor={cursor}").json()
        for part in page["metrics"]:
            assert len(part["t"]) <= 30
            seen[part["metric"]] = part["t"] + seen[part["metric"]]
        cursor, pages = page["next"], pages + 1
    assert (seen["vibration"], seen["flow/in"]) == (fast.tolist(), slow.tolist())
    assert pages == 4


def rows(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_every_reading_is_exported_as_csv(
    client: FactoryClient, mixer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.history.export._SLICE_READINGS", 50)
    times = T0 + np.arange(1000) * 1000
    store(mixer, "vibration", times, times % 1000 / 7)
    store(mixer, "flow/in", times[:1], [-1.5])
    response = client.get(f"{URL}?from={T0}&to={T0 + 86_400_000}&raw=true", headers={"accept": "text/csv"})
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"] == 'attachment; filename="M01.csv"'
    exported = rows(response)
    assert exported[0] == {
        "time": rfc3339(from_ms(T0)),
        "machine": "M01",
        "metric": "flow/in",
        "unit": "l/min",
        "value": "-1.5",
    }
    assert [row["time"] for row in exported if row["metric"] == "vibration"] == [rfc3339(from_ms(t)) for t in times]


def test_buckets_are_exported_as_csv(client: FactoryClient, mixer: Machine) -> None:
    store(mixer, "vibration", [T0, T0 + 1, T0 + 60_000], [1.0, 3.0, 5.0])
    window = f"from={T0}&to={T0 + 120_000}"
    response = client.get(f"{URL}?{window}&points=4&metrics=vibration", headers={"accept": "text/csv"})
    exported = [(row["minimum"], row["maximum"], row["mean"], row["readings"]) for row in rows(response)]
    assert exported == [("1.0", "3.0", "2.0", "2"), ("5.0", "5.0", "5.0", "1")]


def test_no_cell_of_an_export_can_be_run_by_a_spreadsheet(client: FactoryClient, mixer: Machine) -> None:
    Metric.objects.create(machine=mixer, name="x", unit='=RUN("a","b")')
    store(mixer, "x", [T0], [-2.0])
    response = client.get(f"{URL}?from={T0}&to={T0 + 1}&metrics=x&raw=true", headers={"accept": "text/csv"})
    (row,) = rows(response)
    assert row["unit"] == """'=RUN("a","b")"""
    assert row["value"] == "-2.0"


def test_a_refused_export_is_a_problem_document(client: FactoryClient) -> None:
    response = client.get(f"{URL}?metrics=speed", headers={"accept": "text/csv"})
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
    assert response.json()["code"] == "metric_not_found"


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_while_the_store_is_away_it_says_so(
    client: FactoryClient, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    def away(*_args: Any, **_more: Any) -> Any:
        raise StoreUnavailableError("password=secret refused")

    monkeypatch.setattr("telemetry.store.postgres.PostgresReadingStore.buckets", away)
    response = client.get(URL, headers={"accept": accept})
    assert (response.status_code, response.json()["code"]) == (503, "history_unavailable")
    assert response["Retry-After"] == "5"
    assert "secret" not in response.content.decode()


def test_live_figures_are_the_last_ones_with_their_age(client: FactoryClient, mixer: Machine) -> None:
    at = clock.now()
    Machine.objects.update(last_seen_at=at)
    Metric.objects.filter(name="vibration").update(last_value=2.5, last_at=at)
    found = client.get("/api/v1/machines/M01/kpis/live").json()
    assert (found["machine"], found["state"]) == ("M01", "live")
    flow, vibration = found["metrics"]
    assert (flow["value"], flow["at"], flow["age_s"]) == (None, None, None)
    assert (vibration["value"], vibration["unit"]) == (2.5, "mm/s")
    assert 0 <= vibration["age_s"] < 30
    assert datetime.fromisoformat(vibration["at"]) == at


def test_key_figures_come_in_the_units_that_were_asked_for(client: FactoryClient, mixer: Machine) -> None:
    Metric.objects.filter(name="vibration").update(last_value=25.4, last_at=clock.now())
    vibration = client.get("/api/v1/machines/M01/kpis/live?units=us").json()["metrics"][1]
    assert (vibration["value"], vibration["unit"]) == (pytest.approx(1.0), "in/s")
    start = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp() * 1000)
    store(mixer, "vibration", start + np.arange(2) * 3_600_000, np.array([25.4, 50.8]))
    query = "metric=vibration&from=2026-10-24T22:00:00Z&to=2026-10-25T02:00:00Z"
    found = client.get(f"/api/v1/machines/M01/kpis/history?{query}&units=us").json()
    assert found["unit"] == "in/s"
    day = found["results"][0]
    assert (day["minimum"], day["mean"], day["maximum"]) == pytest.approx((1.0, 1.5, 2.0))
    for path in ("live?", f"history?{query}&"):
        assert client.get(f"/api/v1/machines/M01/kpis/{path}units=furlongs").status_code == 400


def test_days_are_the_plant_s_even_when_the_clock_changes(client: FactoryClient, mixer: Machine) -> None:
    # Warsaw (the factory's zone) went back an hour on 25 October 2026: that day has 25 hours.
    start = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp() * 1000)
    hours = np.arange(25 + 24)
    store(mixer, "vibration", start + hours * 3_600_000, hours)
    query = "metric=vibration&every=day&from=2026-10-24T22:00:00Z&to=2026-10-26T23:00:00Z"
    days = client.get(f"/api/v1/machines/M01/kpis/history?{query}").json()["results"]
    assert [day["start"] for day in days] == ["2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"]
    assert [(day["count"], day["minimum"], day["maximum"]) for day in days] == [(25, 0.0, 24.0), (24, 25.0, 48.0)]


def test_the_day_that_loses_an_hour_has_23(client: FactoryClient, mixer: Machine) -> None:
    start = int(datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp() * 1000)
    hours = np.arange(23 + 24)
    store(mixer, "vibration", start + hours * 3_600_000, hours)
    query = "metric=vibration&every=day&from=2026-03-28T23:00:00Z&to=2026-03-30T22:00:00Z"
    days = client.get(f"/api/v1/machines/M01/kpis/history?{query}").json()["results"]
    assert [day["start"] for day in days] == ["2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"]
    assert [(day["count"], day["minimum"], day["maximum"]) for day in days] == [(23, 0.0, 22.0), (24, 23.0, 46.0)]
    hourly = client.get(f"/api/v1/machines/M01/kpis/history?{query.replace('day', 'hour')}").json()["results"]
    assert [span["start"][11:19] for span in hourly[:4]] == ["00:00:00", "01:00:00", "03:00:00", "04:00:00"]


def test_the_week_that_gains_an_hour_has_169(client: FactoryClient, mixer: Machine) -> None:
    start = int(datetime(2026, 10, 18, 22, tzinfo=UTC).timestamp() * 1000)
    store(mixer, "vibration", start + np.arange(200) * 3_600_000, np.arange(200))
    query = "metric=vibration&every=week&from=2026-10-18T22:00:00Z&to=2026-10-25T23:00:00Z"
    (week,) = client.get(f"/api/v1/machines/M01/kpis/history?{query}").json()["results"]
    assert (week["count"], week["maximum"]) == (169, 168.0)


def test_a_year_is_read_from_the_statistics_of_its_hours_alone(
    client: FactoryClient, mixer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = int(datetime(2025, 6, 1, 22, tzinfo=UTC).timestamp() * 1000)
    hours = np.arange(365 * 24)
    store(mixer, "vibration", start + hours * 3_600_000 + 5, hours)
    reading_store().compact()

    def read(rows: Any) -> Any:
        assert not rows, "readings were read"
        return NOTHING

    monkeypatch.setattr("telemetry.store.pg_reading.hours_decode", read)
    window = f"from={start}&to={start + 365 * 86_400_000}"
    (chart,) = client.get(f"{URL}?{window}&metrics=vibration").json()["metrics"]
    assert (sum(chart["count"]), chart["min"][0], chart["max"][-1]) == (len(hours), 0.0, hours[-1])
    for every, spans in (("day", 365), ("week", 53)):
        query = f"metric=vibration&every={every}&{window}"
        results = client.get(f"/api/v1/machines/M01/kpis/history?{query}").json()["results"]
        assert (len(results), sum(span["count"] for span in results)) == (spans, len(hours))


def test_a_machine_s_site_says_which_days_it_has(client: FactoryClient, mixer: Machine) -> None:
    site = Site.objects.create(name="East", time_zone="Asia/Kolkata")
    Machine.objects.update(line=Line.objects.create(site=site, name="L"))
    query = "metric=vibration&every=hour&from=2026-10-24T00:10:00Z&to=2026-10-24T00:50:00Z"
    results = client.get(f"/api/v1/machines/M01/kpis/history?{query}").json()["results"]
    assert [span["start"] for span in results] == ["2026-10-24T05:00:00+05:30", "2026-10-24T06:00:00+05:30"]


def test_weeks_begin_on_monday(client: FactoryClient) -> None:
    query = "metric=vibration&every=week&from=2026-11-18T12:00:00Z&to=2026-11-19T12:00:00Z"
    (week,) = client.get(f"/api/v1/machines/M01/kpis/history?{query}").json()["results"]
    assert week["start"] == "2026-11-16T00:00:00+01:00"
    assert (week["count"], week["mean"]) == (0, None)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("metric=vibration&every=year", 400, "invalid_input"),
        ("metric=speed", 404, "metric_not_found"),
        ("", 400, "invalid_input"),
        ("metric=vibration&every=hour&from=0", 400, "invalid_input"),
    ],
)
def test_a_history_that_can_t_be_is_refused(client: FactoryClient, query: str, status: int, code: str) -> None:
    response = client.get(f"/api/v1/machines/M01/kpis/history?{query}")
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_only_who_may_look_reads_series(
    mixer: Machine, anonymous: FactoryClient, foreign_key: str, read_key: str, ingest_key: str, api_client: Clients
) -> None:
    assert anonymous.get(URL).status_code in {401, 403}
    assert api_client(foreign_key).get(URL).status_code in {401, 403}
    assert api_client(ingest_key).get(URL).status_code == 403
    assert api_client(read_key).get(URL).status_code == 200
    assert api_client(read_key, at=None).get(URL).status_code == 200


async def test_an_asynchronous_server_streams_the_export_too(asynchronous_plant: list[tuple[bytes, bytes]]) -> None:
    path = f"{URL}?from={T0}&to={T0 + 10_000_000}&raw=true"
    with warnings.catch_warnings():
        # Django warns when a stream has to be read into memory first.
        warnings.simplefilter("error")
        server = HttpCommunicator(get_asgi_application(), "GET", path, headers=asynchronous_plant)
        await server.send_input({"type": "http.request", "body": b""})
        assert (await server.receive_output(timeout=20))["status"] == 200
        pieces = []
        while (event := await server.receive_output(timeout=20)).get("more_body"):
            pieces.append(event["body"])
    assert len(b"".join(pieces).splitlines()) == 1 + 5000
    assert len(pieces) > 2


@pytest.fixture
def asynchronous_plant(live_factory: Factory) -> list[tuple[bytes, bytes]]:
    """Headers of a program that reads a committed factory with readings over hours."""
    with factory_context(live_factory):
        machine = Machine.objects.create(key="M01")
        Metric.objects.create(machine=machine, name="vibration")
        store(machine, "vibration", T0 + np.arange(5000) * 2000, np.arange(5000))
        key = api_key_create(name="reader", scopes=["read"])[1]
    return [(b"host", host_of(live_factory).encode()), (b"x-api-key", key.encode()), (b"accept", b"text/csv")]
