"""Comparing: the address says everything, the export is what is stored, views are kept for those they are for."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from accounts.errands import errand_make
from accounts.models import AuditEntry, Errand, User
from accounts.tasks import make_errand
from anomalies import explore_pages
from common.times import to_ms
from telemetry.models import Line, Machine, Metric, SavedView, Site
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient
from tests.queries import queries_of

Clients = Callable[..., FactoryClient]
T0 = to_ms(datetime(2026, 10, 27, 12, tzinfo=UTC))
HOUR_MS = 3_600_000


@pytest.fixture
def plant(in_acme: Factory) -> dict[str, Machine]:
    line = Line.objects.create(site=Site.objects.create(name="Łódź", time_zone="Europe/Warsaw"), name="Line 1")
    machines = {key: Machine.objects.create(key=key, name=f"Pump {key}", line=line) for key in ("P1", "P2")}
    for machine in machines.values():
        Metric.objects.create(machine=machine, name="temperature", unit="°C", kind="temperature")
        Metric.objects.create(machine=machine, name="flow/in", unit="l/min", kind="flow")
    return machines


def store(machine: Machine, metric: str, t_ms: Any, values: Any) -> None:
    part = Series(machine.key, metric, np.asarray(t_ms, np.int64), np.asarray(values, np.float64))
    reading_store().write(ReadingBatch([part]), machines={machine.key: machine})


def config(client: FactoryClient, query: str) -> dict[str, Any]:
    page = client.get(f"/explore?{query}", follow=True).content.decode()
    found = re.search(r'<script id="explore-config" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def rows(client: FactoryClient, query: str) -> list[dict[str, str]]:
    answer = client.get(f"/explore/export.csv?{query}")
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_address_says_which_series_in_which_order(plant: dict[str, Machine], viewer: User, client_for: Clients) -> None:
    found = config(client_for(viewer), "s=P2/temperature&s=P1/flow/in&layout=stacked&shift=7")
    assert [series["id"] for series in found["series"]] == ["P2/temperature", "P1/flow/in"]
    assert (found["layout"], found["shiftDays"], found["zone"]) == ("stacked", 7, "Europe/Warsaw")


def test_series_of_every_machine_is_asked_for_by_one_word(
    plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    client = client_for(viewer)
    answer = client.get("/explore?s=*/temperature&range=7d")
    assert answer["Location"] == "/explore?s=P1/temperature&s=P2/temperature&layout=overlay&range=7d"
    assert [series["id"] for series in config(client, "s=*/temperature")["series"]] == [
        "P1/temperature",
        "P2/temperature",
    ]


@pytest.mark.parametrize("query", ["", "s=P9/temperature", "s=P1", "s=/", "s=P1/nothing&layout=x&shift=-7&shift=9e9"])
def test_address_that_makes_no_sense_is_an_empty_page_and_no_error(
    query: str, plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    found = config(client_for(viewer), query)
    assert (found["series"], found["layout"], found["shiftDays"]) == ([], "overlay", 0)


def test_no_more_than_a_dozen_series_and_the_page_says_so(
    plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    Metric.objects.bulk_create(Metric(machine=plant["P1"], name=f"m{number}") for number in range(20))
    query = "&".join(f"s=P1/m{number}" for number in range(20))
    page = client_for(viewer).get(f"/explore?{query}").content.decode()
    assert "8 series are not shown" in page


def test_export_holds_the_stored_buckets_of_the_window_in_the_reader_s_units(
    plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    times = T0 + np.arange(3600) * 1000
    store(plant["P1"], "temperature", times, np.arange(3600) / 36)
    store(plant["P2"], "temperature", times[::2], np.arange(1800) / 18)
    query = f"s=P1/temperature&s=P2/temperature&from={T0}&to={T0 + HOUR_MS}&bucket_ms=60000"
    found = rows(client_for(viewer), query)
    entry = AuditEntry.objects.get(action="readings.exported")
    assert (entry.actor, entry.target) == (viewer.email, "P1/temperature, P2/temperature")
    assert len(found) == 120
    for key, step in (("P1", 1), ("P2", 2)):
        mine = [row for row in found if row["machine"] == key]
        stored = reading_store().buckets(plant[key], ["temperature"], from_ms=T0, to_ms=T0 + HOUR_MS, bucket_ms=60_000)[
            0
        ]
        assert [float(row["mean"]) for row in mine] == stored.mean.tolist()
        assert [float(row["maximum"]) for row in mine] == stored.maximum.tolist()
        assert {row["readings"] for row in mine} == {str(60 // step)}
    assert (found[0]["time"], found[0]["plant_time"]) == (
        "2026-10-27T12:00:00.000Z",
        "2026-10-27 13:00:00.000+01:00",
    )
    client = client_for(viewer)
    client.post("/viewing/units", {"units": "us"})
    converted = rows(client, query)
    assert converted[0]["unit"] == "°F"
    assert float(converted[5]["mean"]) == pytest.approx(float(found[5]["mean"]) * 1.8 + 32)
    assert rows(client, f"{query}&units=stored") == found


def test_export_of_every_reading_is_every_reading(plant: dict[str, Machine], viewer: User, client_for: Clients) -> None:
    times = T0 + np.arange(3, 8000, 7) * 1000
    values = np.random.default_rng(1).normal(size=len(times))
    store(plant["P1"], "flow/in", times, values)
    found = rows(client_for(viewer), f"s=P1/flow/in&from={T0}&to={T0 + 3 * HOUR_MS}&readings=all")
    assert [float(row["value"]) for row in found] == values.tolist()


def test_export_brings_last_week_along_by_the_plant_s_clock(
    plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    # Between the two, summer time ended: a week before is 169 hours before.
    week_ms = (7 * 24 + 1) * HOUR_MS
    store(plant["P1"], "temperature", [T0 - week_ms, T0], [1.0, 2.0])
    found = rows(client_for(viewer), f"s=P1/temperature&shift=7&from={T0}&to={T0 + 60_000}&bucket_ms=1000&readings=all")
    assert [row["plant_time"][11:19] for row in found] == ["13:00:00", "13:00:00"]


@pytest.mark.parametrize("query", ["bucket_ms=0", "bucket_ms=x", "bucket_ms=1", "from=5&to=4", "units=parsec"])
def test_export_that_can_t_be_is_refused(
    query: str, plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    base = "s=P1/temperature" if "from" in query else f"s=P1/temperature&from={T0}&to={T0 + HOUR_MS}"
    assert client_for(viewer).get(f"/explore/export.csv?{base}&{query}").status_code == 400
    assert client_for(viewer).get("/explore/export.csv?s=P9/x").status_code == 400


def test_view_is_kept_for_its_owner_and_shared_when_they_say_so(
    plant: dict[str, Machine], viewer: User, operator: User, admin: User, client_for: Clients
) -> None:
    query = "?s=P1/temperature&s=P2/temperature&layout=stacked&range=7d&evil=1"
    client = client_for(viewer)
    answer = client.post("/explore/views", {"name": "  Both   pumps ", "query": query})
    assert answer["Location"] == "/explore?s=P1/temperature&s=P2/temperature&layout=stacked&range=7d"
    assert "Both pumps" in client.get("/explore").content.decode()
    assert "Both pumps" not in client_for(operator).get("/explore").content.decode()
    kept = SavedView.objects.get()
    assert client_for(operator).post(f"/explore/views/{kept.pk}/remove").status_code == 404
    client.post("/explore/views", {"name": "Both pumps", "query": query, "shared": "on"})
    assert SavedView.objects.count() == 1
    assert "Both pumps" in client_for(operator).get("/explore").content.decode()
    assert client_for(operator).post(f"/explore/views/{kept.pk}/remove").status_code == 403
    assert client_for(admin).post(f"/explore/views/{kept.pk}/remove").status_code == 302
    assert SavedView.objects.count() == 0


@pytest.mark.parametrize(("name", "query"), [("", "?s=P1/temperature"), ("x" * 81, "?s=P1/temperature"), ("x", "?a=1")])
def test_view_without_a_name_or_a_series_is_not_kept(
    name: str, query: str, plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    assert client_for(viewer).post("/explore/views", {"name": name, "query": query}).status_code == 302
    assert SavedView.objects.count() == 0


def test_stranger_compares_nothing_of_this_factory(
    plant: dict[str, Machine], outsider: User, client_for: Clients
) -> None:
    assert config(client_for(outsider), "s=P1/temperature")["series"] == []
    assert client_for(outsider).get("/explore/export.csv?s=P1/temperature").status_code == 400
    assert client_for(outsider).get("/parts/explore-choices?machine=P1").status_code == 404


def test_page_asks_no_more_of_the_database_for_more_series(
    plant: dict[str, Machine], viewer: User, client_for: Clients
) -> None:
    client = client_for(viewer)

    def queries(query: str) -> int:
        assert client.get(f"/explore?{query}").status_code == 200
        return queries_of(lambda: client.get(f"/explore?{query}"))

    one = queries("s=P1/temperature")
    assert queries("s=P1/temperature&s=P2/temperature&s=P1/flow/in&s=P2/flow/in") <= one + 1


def test_readings_too_many_for_a_moment_are_written_by_a_worker_within_reach(
    plant: dict[str, Machine],
    viewer: User,
    client_for: Clients,
    monkeypatch: pytest.MonkeyPatch,
    in_acme: Factory,
) -> None:
    times = T0 + np.arange(600) * 1000
    store(plant["P1"], "temperature", times, np.arange(600) / 6)
    query = f"s=P1/temperature&from={T0}&to={T0 + HOUR_MS}&readings=all"
    at_once = rows(client_for(viewer), query)
    assert len(at_once) == 600
    monkeypatch.setattr(explore_pages, "AT_ONCE", 599)
    monkeypatch.setattr(make_errand, "for_factory", lambda _slug, _pk: None)
    client = client_for(viewer)
    assert client.get(f"/explore/export.csv?{query}")["Location"] == "/errands"
    with factory_context(in_acme):
        errand = Errand.objects.get()
        assert errand_make(errand.pk, factory=in_acme)
    assert "600" in client.get("/errands").content.decode()
    written = b"".join(client.get(f"/errands/{errand.pk}/file").streaming_content).decode()
    assert list(csv.DictReader(io.StringIO(written))) == at_once
    with factory_context(in_acme):
        User.objects.filter(pk=viewer.pk).update(reach={"sites": [999], "lines": []})
        Errand.objects.update(state="queued", started_at=None)
        assert not errand_make(errand.pk, factory=in_acme)
        assert Errand.objects.get().state == "failed", "what is out of reach by now is not written"
