"""What a person chose about looking holds on every page, for them alone."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from common import clock
from telemetry.models import Machine, Metric, MetricChoice
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from tenants.models import Factory
from tests.conftest import FactoryClient

Clients = Callable[..., FactoryClient]
METRICS = (
    ("temperature", "°C", "temperature", 100.0),
    ("vibration", "mm/s", "vibration", 25.4),
    ("amps", "A", "current", 7.0),
)


@pytest.fixture
def oven(in_acme: Factory) -> Machine:
    machine = Machine.objects.create(key="M01", last_seen_at=clock.now())
    for name, unit, kind, last in METRICS:
        Metric.objects.create(machine=machine, name=name, unit=unit, kind=kind, last_value=last, last_at=clock.now())
    return machine


def config(client: FactoryClient, query: str = "") -> dict[str, Any]:
    page = client.get(f"/machines/M01{query}").content.decode()
    found = re.search(r'<script id="machine-config" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def names(client: FactoryClient, query: str = "") -> list[str]:
    return [metric["name"] for metric in config(client, query)["metrics"]]


def test_metrics_chosen_are_shown_to_this_person_alone_and_after_signing_in_again(
    oven: Machine, viewer: User, operator: User, client_for: Clients
) -> None:
    answer = client_for(viewer).post(
        "/viewing/metrics/M01",
        {"metrics": ["amps", "unknown", "temperature"], "next": "/machines/M01?range=7d&metrics=x"},
    )
    assert answer["Location"] == "/machines/M01?range=7d"
    assert names(client_for(viewer)) == ["amps", "temperature"]
    assert len(names(client_for(operator))) == 3
    client_for(viewer).post("/viewing/metrics/M01", {})
    assert len(names(client_for(viewer))) == 3
    assert MetricChoice.objects.count() == 0


def test_link_shows_its_metrics_whatever_the_reader_has_chosen(
    oven: Machine, viewer: User, client_for: Clients
) -> None:
    client = client_for(viewer)
    client.post("/viewing/metrics/M01", {"metrics": ["amps"]})
    assert names(client, "?metrics=vibration,temperature,nonsense") == ["vibration", "temperature"]
    assert names(client, "?metrics=nonsense") == ["amps"]


def test_units_chosen_hold_for_charts_key_figures_and_their_live_readings(
    oven: Machine, viewer: User, operator: User, client_for: Clients
) -> None:
    client = client_for(viewer)
    assert (
        client.post("/viewing/units", {"units": "us", "next": "/machines/M01?range=1h"})["Location"]
        == "/machines/M01?range=1h"
    )
    found = {metric["name"]: metric for metric in config(client)["metrics"]}
    assert (found["temperature"]["unit"], found["temperature"]["last"]) == ("°F", 212.0)
    assert found["temperature"]["scale"] * 100 + found["temperature"]["offset"] == 212.0
    assert (found["vibration"]["unit"], found["vibration"]["last"]) == ("in/s", pytest.approx(1.0))
    assert (found["amps"]["unit"], found["amps"]["last"]) == ("A", 7.0)
    figures = client.get("/parts/figures/M01").content.decode()
    assert "212" in figures
    assert "°F" in figures
    assert config(client_for(operator))["units"] == "stored"


@pytest.mark.parametrize("units", ["furlongs", "US "])
def test_units_nobody_knows_are_refused(units: str, oven: Machine, viewer: User, client_for: Clients) -> None:
    assert client_for(viewer).post("/viewing/units", {"units": units}).status_code == 400


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_choice_never_leads_to_another_site(there: str, oven: Machine, viewer: User, client_for: Clients) -> None:
    assert client_for(viewer).post("/viewing/units", {"units": "us", "next": there})["Location"] == "/"


def test_api_answers_in_stored_units_unless_asked(oven: Machine, viewer: User, client_for: Clients) -> None:
    t_ms = 1_790_000_000_000 + np.arange(10) * 1000
    part = Series("M01", "temperature", t_ms, np.linspace(0.0, 100.0, 10))
    reading_store().write(ReadingBatch([part]), machines={"M01": oven})
    client = client_for(viewer)
    client.post("/viewing/units", {"units": "us"})
    address = f"/api/v1/telemetry/M01?from={t_ms[0]}&to={t_ms[-1] + 1}&metrics=temperature"
    (stored,) = client.get(address).json()["metrics"]
    (converted,) = client.get(f"{address}&units=us").json()["metrics"]
    assert (stored["unit"], stored["max"][-1]) == ("°C", 100.0)
    assert (converted["unit"], converted["max"][-1]) == ("°F", 212.0)
    (raw,) = client.get(f"{address}&units=us&raw=true").json()["metrics"]
    assert raw["value"] == pytest.approx([value * 1.8 + 32 for value in np.linspace(0.0, 100.0, 10)])
    rows = b"".join(client.get(f"{address}&units=us&raw=true&format=csv").streaming_content).decode().splitlines()
    assert rows[-1].endswith(",M01,temperature,°F,212.0")
    refused = client.get(f"{address}&units=parsec")
    assert (refused.status_code, refused.json()["code"]) == (400, "units_invalid")


def test_tiles_on_the_plant_and_on_the_wall_are_in_the_chosen_units(
    oven: Machine, viewer: User, operator: User, client_for: Clients
) -> None:
    Metric.objects.exclude(name="temperature").delete()
    answer = client_for(viewer).post("/viewing/units", {"units": "us", "next": "/account#units"})
    assert answer["Location"] == "/account#units"
    for path in ("/", "/wall"):
        page = client_for(viewer).get(path).content.decode()
        assert "<span data-value>212</span>" in page
        assert "°F" in page
        assert 'data-unit-scale="1.8" data-unit-offset="32.0"' in page
        assert "<span data-value>100</span>" in client_for(operator).get(path).content.decode()
    assert 'value="us" aria-pressed="true"' in client_for(viewer).get("/account").content.decode()
