"""The plant's page: what narrows it, how it is ordered, and that the address says so."""

import re
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from anomalies.fleet import FleetFilter
from anomalies.models import HealthStatus, MachineHealth
from common import clock
from telemetry.models import Line, Machine, Site
from tenants.models import Factory
from tests.pages.test_pages import ClientFor, alert_make, machine_make


@pytest.fixture
def plant(in_acme: Factory) -> None:
    """A pump that is wrong, a silent oven, a mixer that learns, and a press that stands nowhere."""
    lodz = Site.objects.create(name="Łódź", time_zone="Europe/Warsaw")
    gdynia = Site.objects.create(name="Gdynia", time_zone="Europe/Warsaw")
    one, two = Line.objects.create(site=lodz, name="Line 1"), Line.objects.create(site=gdynia, name="Quay")
    pump = machine_make("P-07", line=two, name="Glycol pump")
    alert_make(pump)
    MachineHealth.objects.create(machine=pump, status=HealthStatus.ANOMALOUS, health_percent=40.0)
    oven = machine_make("B-oven", line=one)
    Machine.objects.filter(pk=oven.pk).update(last_seen_at=clock.now() - timedelta(hours=2))
    MachineHealth.objects.create(machine=oven, status=HealthStatus.NO_DATA)
    machine_make("C-mixer", line=one)
    press = machine_make("A-press")
    MachineHealth.objects.create(machine=press, status=HealthStatus.NORMAL, health_percent=99.0)


def _keys(answer: Any) -> list[str]:
    return re.findall(r'data-machine="([^"]+)"', answer.content.decode())


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("", ["P-07", "B-oven", "C-mixer", "A-press"]),
        ("q=glycol", ["P-07"]),
        ("q=łódź+oven", ["B-oven"]),
        ("q=OVEN+quay", []),
        ("state=alert", ["P-07"]),
        ("state=attention", ["P-07", "B-oven"]),
        ("state=silent", ["B-oven"]),
        ("state=learning", ["C-mixer"]),
        ("state=nonsense", ["P-07", "B-oven", "C-mixer", "A-press"]),
        ("place=none", ["A-press"]),
        ("sort=urgency", ["P-07", "B-oven", "A-press", "C-mixer"]),
        ("sort=name", ["A-press", "B-oven", "C-mixer", "P-07"]),
        ("sort=health", ["P-07", "A-press", "B-oven", "C-mixer"]),
    ],
)
def test_plant_is_narrowed_and_ordered_as_asked(
    query: str, keys: list[str], plant: None, viewer: User, client_for: ClientFor
) -> None:
    assert _keys(client_for(viewer).get(f"/?{query}")) == keys


def test_site_and_line_narrow_the_plant(plant: None, viewer: User, client_for: ClientFor) -> None:
    lodz = Site.objects.get(name="Łódź")
    client = client_for(viewer)
    assert _keys(client.get(f"/?place=s{lodz.pk}")) == ["B-oven", "C-mixer"]
    assert _keys(client.get(f"/?place=l{Line.objects.get(name='Quay').pk}")) == ["P-07"]


def test_part_carries_the_shortest_address_and_fresh_counts(plant: None, viewer: User, client_for: ClientFor) -> None:
    answer = client_for(viewer).get("/?q=&state=silent&place=&sort=line", headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert answer["HX-Replace-Url"] == "/?state=silent"
    assert "<html" not in page
    assert 'hx-swap-oob="true"' in page
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "All 4" in shown
    assert "Silent 1" in shown


def test_what_is_typed_comes_back_as_text_and_finds_nothing(plant: None, viewer: User, client_for: ClientFor) -> None:
    page = client_for(viewer).get("/", {"q": '"><script>alert(1)</script>'}).content.decode()
    assert "<script>alert(1)" not in page
    assert "No machine fits" in page


def test_an_address_names_only_what_differs_from_the_usual() -> None:
    assert FleetFilter.of({"q": "  oven   2 ", "sort": "name"}).query == "q=oven+2&sort=name"
    assert FleetFilter.of({"sort": "sideways", "state": "gone"}).query == ""
    assert len(FleetFilter.of({"q": "x" * 5000}).q) == 120
