"""Every list of the API pages alike, as its description says: `?cursor=&limit=`, `results` and `next_cursor`."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from accounts.models import ApiKey, User
from accounts.paging import CursorPages
from anomalies.models import Alert, Rule
from common import clock
from telemetry.models import Machine, Metric
from tenants.models import Factory
from tests.conftest import FactoryClient

ClientFor = Callable[..., FactoryClient]


def _list_paths(patterns: list[URLPattern | URLResolver], before: str = "/") -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += _list_paths(pattern.url_patterns, route)
        elif issubclass(
            getattr(getattr(pattern.callback, "view_class", None), "pagination_class", None) or int, CursorPages
        ):
            found.append(
                route.replace("<str:key>", "M00").replace("<path:machine>", "M00").replace("<int:alert_id>", "A00")
            )
    return found


LISTS = _list_paths(get_resolver("factorypulse.urls_api").url_patterns)


@pytest.fixture
def plant(in_acme: Factory, owner: User) -> None:
    machines = [Machine.objects.create(key=f"M{number:02}") for number in range(5)]
    Metric.objects.bulk_create(Metric(machine=machines[0], name=f"m/{number}") for number in range(5))
    for machine in machines:
        Alert.objects.create(machine=machine, cause="x", title="x", summary="x", since_at=clock.now())
    for number in range(5):
        Rule.objects.create(
            name=f"R{number}", machines=["*"], when={"all": [{"metric": "x", "op": "above", "value": 1}]}
        )
        ApiKey.objects.create(name=f"K{number}", prefix=f"abcdefg{number}", secret_hash="x", scopes=["read"])


def test_the_lists_of_the_contract_are_all_here() -> None:
    named = ("machines", "rules", "alerts", "reports", "report-schedules", "users", "invitations", "api-keys", "audit")
    assert {f"/api/v1/{name}" for name in named} | {"/api/v1/machines/M00/metrics"} <= set(LISTS)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_pages_by_cursor_and_limit_and_refuses_what_no_list_gave(
    plant: None, owner: User, client_for: ClientFor, path: str
) -> None:
    client = client_for(owner)
    path = path.replace("A00", str(Alert.objects.latest("raised_at").pk))
    page = client.get(path).json()
    assert list(page) == ["results", "next_cursor", "next", "previous"]
    assert (page["next_cursor"], page["next"], page["previous"]) == (None, None, None)
    one_by_one, query = [], "?limit=1"
    while query:
        each = client.get(path + query).json()
        one_by_one += each["results"]
        query = f"?limit=1&cursor={each['next_cursor']}" if each["next_cursor"] else ""
        assert (each["next"] is None) == (not query)
    assert one_by_one == page["results"]
    assert client.get(f"{path}?limit=100000").json()["results"] == page["results"]
    for wrong in ("limit=0", "limit=-1", "limit=ten", "limit=1.5", "cursor=~", "cursor=50", "cursor=9999"):
        refused = client.get(f"{path}?{wrong}")
        assert (wrong, refused.status_code, refused.json()["code"]) == (wrong, 400, "cursor_invalid")
    for forged in _forged():
        # Where rows stand by name, any text is a place.
        assert (forged, client.get(f"{path}?{forged}").status_code) in {(forged, 200), (forged, 400)}


def _forged() -> list[str]:
    """Cursors as a stranger may write them: a position that is no id, one that no id can have, and a NUL."""
    return ["cursor=" + base64.b64encode(text.encode()).decode() for text in ("p=abc", "p=" + "9" * 30, "p=%00")]


def test_five_of_each_really_take_several_pages(plant: None, owner: User, client_for: ClientFor) -> None:
    client = client_for(owner)
    for path in ("machines", "machines/M00/metrics", "alerts", "rules", "api-keys"):
        page = client.get(f"/api/v1/{path}?limit=2").json()
        assert (path, len(page["results"])) == (path, 2)
        assert client.get(page["next"]).json()["results"] not in ([], page["results"])


def test_the_description_says_how_lists_page() -> None:
    document: Any = SchemaGenerator(urlconf="factorypulse.urls_api").get_schema(request=None, public=True)
    for path in LISTS:
        name = "{machine}" if path.startswith("/api/v1/detector") else "{key}"
        described = document["paths"][path.replace("M00", name).replace("A00", "{alert_id}")]["get"]
        assert {"cursor", "limit"} <= {parameter["name"] for parameter in described["parameters"]}
        reference = described["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        shape = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert set(shape["properties"]) == {"results", "next_cursor", "next", "previous"}
        assert shape["properties"]["results"]["type"] == "array"
