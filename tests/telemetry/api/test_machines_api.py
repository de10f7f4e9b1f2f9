"""Equipment on the API: who may do what, and what it says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from accounts.models import AuditEntry, User
from telemetry.models import Line, Machine, Metric, Site
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from telemetry.store.base import StoreUnavailableError
from tenants.models import Factory
from tests.conftest import FactoryClient
from tests.queries import queries_of

Clients = Callable[..., FactoryClient]
URL = "/api/v1/machines"


@pytest.fixture
def mixer(in_acme: Factory) -> Machine:
    line = Line.objects.create(site=Site.objects.create(name="North"), name="Line 1")
    machine = Machine.objects.create(key="M01", name="Mixer", machine_type="mixer", line=line)
    Metric.objects.create(machine=machine, name="flow/in", unit="l/min", kind="flow", confidence=0.7)
    return machine


def test_a_viewer_lists_machines_page_by_page(viewer: User, mixer: Machine, client_for: Clients) -> None:
    Machine.objects.bulk_create(Machine(key=f"P{number:02}") for number in range(5))
    client = client_for(viewer)
    first = client.get(f"{URL}?limit=4").json()
    second = client.get(first["next"]).json()
    assert [item["key"] for item in first["results"] + second["results"]] == ["M01", "P00", "P01", "P02", "P03", "P04"]
    assert second["next"] is None


def test_the_list_takes_as_many_queries_for_many_machines_as_for_one(
    viewer: User, mixer: Machine, client_for: Clients
) -> None:
    client = client_for(viewer)
    client.get(URL)
    one = queries_of(lambda: client.get(URL))
    Machine.objects.bulk_create(Machine(key=f"P{number:02}", line=mixer.line) for number in range(30))
    assert len(client.get(URL).json()["results"]) == 31
    assert queries_of(lambda: client.get(URL)) == one <= 6


def test_a_machine_says_where_it_stands_and_how_it_is(viewer: User, mixer: Machine, client_for: Clients) -> None:
    Machine.objects.update(last_seen_at=datetime.now(UTC) - timedelta(hours=1))
    found = client_for(viewer).get(f"{URL}/M01").json()
    assert (found["line_name"], found["area_name"], found["site_name"]) == ("Line 1", None, "North")
    assert found["state"] == "silent"
    assert datetime.fromisoformat(found["last_seen_at"]).tzinfo is not None


def test_a_missing_machine_is_a_problem_with_a_code(viewer: User, client_for: Clients) -> None:
    response = client_for(viewer).get(f"{URL}/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "machine_not_found")
    assert response["Content-Type"] == "application/problem+json"


def test_an_admin_registers_changes_and_deletes_a_machine(admin: User, in_acme: Factory, client_for: Clients) -> None:
    client = client_for(admin)
    made = client.post_json(URL, {"key": "Oven 2", "name": "Oven"})
    assert (made.status_code, made.json()["state"]) == (201, "new")
    changed = client.patch_json(f"{URL}/Oven 2", {"name": "Big oven", "silent_after_s": 30, "key": "other"})
    assert changed.status_code == 200
    assert (changed.json()["key"], changed.json()["name"], changed.json()["silent_after_s"]) == (
        "Oven 2",
        "Big oven",
        30,
    )
    assert client.delete(f"{URL}/Oven 2").status_code == 204
    assert not Machine.objects.exists()
    actions = list(AuditEntry.objects.filter(target="Oven 2").order_by("id").values_list("action", flat=True))
    assert actions == ["machine.created", "machine.changed", "machine.deleted"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key": "M01"}, 409, "machine_taken"),
        ({"key": "a/b"}, 400, "invalid_input"),
        ({"key": "x" * 65}, 400, "invalid_input"),
        ({}, 400, "invalid_input"),
        ({"key": "M02", "silent_after_s": 0}, 400, "invalid_input"),
        ({"key": "M02", "line": 999}, 400, "invalid_input"),
    ],
)
def test_a_machine_that_can_t_be_is_refused(
    admin: User, mixer: Machine, client_for: Clients, body: dict[str, Any], status: int, code: str
) -> None:
    response = client_for(admin).post_json(URL, body)
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_the_plan_s_room_is_kept(admin: User, in_acme: Factory, client_for: Clients) -> None:
    assert in_acme.plan is not None
    Machine.objects.bulk_create(Machine(key=f"P{number}") for number in range(in_acme.plan.max_machines))
    response = client_for(admin).post_json(URL, {"key": "one more"})
    assert (response.status_code, response.json()["code"]) == (403, "machines_limit")


def test_deleting_a_machine_takes_its_readings_along(admin: User, mixer: Machine, client_for: Clients) -> None:
    store = reading_store()
    store.write(ReadingBatch([Series("M01", "flow/in", np.array([1000]), np.array([1.0]))]), machines={"M01": mixer})
    client_for(admin).delete(f"{URL}/M01")
    assert store.delete_before(10_000) == 0


def test_a_machine_stays_while_its_readings_can_t_be_removed(
    admin: User, mixer: Machine, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: Any) -> None:
        raise StoreUnavailableError("host=10.0.0.1 refused")

    monkeypatch.setattr("telemetry.store.postgres.PostgresReadingStore.delete_machine", away)
    response = client_for(admin).delete(f"{URL}/M01")
    assert (response.status_code, response.json()["code"]) == (503, "history_unavailable")
    assert "10.0.0.1" not in response.content.decode()
    assert Machine.objects.filter(key="M01").exists()


def test_metrics_are_listed_and_corrected(admin: User, mixer: Machine, client_for: Clients) -> None:
    client = client_for(admin)
    listed = client.get(f"{URL}/M01/metrics").json()["results"]
    assert [(item["name"], item["unit"], item["confirmed"]) for item in listed] == [("flow/in", "l/min", False)]
    changed = client.patch_json(f"{URL}/M01/metrics/flow/in", {"label": "Inflow", "unit": "m³/h"}).json()
    assert (changed["label"], changed["unit"], changed["confirmed"]) == ("Inflow", "m³/h", True)


def test_deleting_a_metric_takes_its_readings_along_and_leaves_the_others(
    admin: User, mixer: Machine, client_for: Clients
) -> None:
    store, client = reading_store(), client_for(admin)
    Metric.objects.create(machine=mixer, name="vibration")
    batch = ReadingBatch([Series("M01", name, np.array([1000]), np.array([1.0])) for name in ("flow/in", "vibration")])
    store.write(batch, machines={"M01": mixer})

    assert client.delete(f"{URL}/M01/metrics/flow/in").status_code == 204

    assert [item["name"] for item in client.get(f"{URL}/M01/metrics").json()["results"]] == ["vibration"]
    assert AuditEntry.objects.filter(action="metric.deleted", target="M01 flow/in").count() == 1
    assert client.delete(f"{URL}/M01/metrics/flow/in").json()["code"] == "metric_not_found"
    # The database holds no reading but the other metric's.
    assert store.delete_before(10_000) == 1


def test_a_metric_stays_while_its_readings_can_t_be_removed(
    admin: User, mixer: Machine, client_for: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: Any) -> None:
        raise StoreUnavailableError("host=10.0.0.1 refused")

    monkeypatch.setattr("telemetry.store.postgres.PostgresReadingStore.delete_metric", away)
    response = client_for(admin).delete(f"{URL}/M01/metrics/flow/in")
    assert (response.status_code, response.json()["code"]) == (503, "history_unavailable")
    assert mixer.metrics.count() == 1
    assert not AuditEntry.objects.filter(action="metric.deleted").exists()


def test_a_missing_metric_is_a_problem_with_a_code(admin: User, mixer: Machine, client_for: Clients) -> None:
    response = client_for(admin).patch_json(f"{URL}/M01/metrics/nothing", {"label": "x"})
    assert (response.status_code, response.json()["code"]) == (404, "metric_not_found")


def test_who_may_only_look_changes_nothing(
    operator: User, mixer: Machine, client_for: Clients, read_key: str, ingest_key: str, api_client: Clients
) -> None:
    for client in (client_for(operator), api_client(read_key)):
        assert client.get(f"{URL}/M01").status_code == 200
        assert client.post_json(URL, {"key": "X"}).status_code == 403
        assert client.patch_json(f"{URL}/M01", {"name": "X"}).status_code == 403
        assert client.delete(f"{URL}/M01/metrics/flow/in").status_code == 403
        assert client.delete(f"{URL}/M01").status_code == 403
        assert client.patch_json(f"{URL}/M01/metrics/flow/in", {"label": "X"}).status_code == 403
    assert api_client(ingest_key).get(URL).status_code == 403


def test_strangers_and_outsiders_see_nothing(
    outsider: User, mixer: Machine, client_for: Clients, anonymous: FactoryClient, foreign_key: str, api_client: Clients
) -> None:
    for path in ("", "/M01", "/M01/metrics", "/M01/kpis/live", "/M01/kpis/history?metric=flow/in"):
        for client in (anonymous, client_for(outsider, at="acme"), api_client(foreign_key)):
            assert client.get(URL + path).status_code in {401, 403}
