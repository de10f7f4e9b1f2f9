"""The permission table, asked in earnest: every URL of a factory by every role, and every button on every page."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import Resolver404, get_resolver

from accounts.models import Role, User
from accounts.permission_table import ADMIN, ANYBODY, SIGN_IN, UNKNOWN, Door, doors, markdown, roles_for
from tenants.models import Factory
from tests.conftest import FactoryClient, person_make

DOORS = doors()
SAMPLES = {"int": "999999", "str": "nothing", "slug": "nothing", "uuid": "00000000-0000-0000-0000-000000000001"}
# They answer by what the body or the link proves, whoever asks.
OWN_PROOF = {"api_report_download"}


def _path(door: Door) -> str:
    path = door.path.replace("…", "")
    return re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES.get(found[1] or "str", "1"), path)


@pytest.fixture
def people(acme: Factory, client_for: Callable[..., FactoryClient]) -> dict[str, FactoryClient]:
    """A browser of each role."""
    return {role: client_for(person_make(acme, f"{role}@acme.example", role)) for role in Role.values}


def test_the_document_is_as_the_code_is() -> None:
    file = Path(settings.BASE_DIR) / "docs" / "permissions.md"
    assert file.read_text(encoding="utf-8") == markdown(), "run manage.py permission_table"


def test_every_door_says_who_may_open_it() -> None:
    silent = [door.path for door in DOORS for _method, asked in door.asks if asked == UNKNOWN]
    assert silent == []


@pytest.mark.parametrize("method", ["get", "post", "patch", "delete"])
def test_every_door_opens_to_the_roles_of_the_table_and_to_nobody_else(
    people: dict[str, FactoryClient], method: str
) -> None:
    """What opens may still find nothing there, or no sense in an empty body: it is not refused."""
    wrong = []
    for door in DOORS:
        asked = door.asks_for(method)
        if asked in {ANYBODY, SIGN_IN, UNKNOWN} or (
            method not in {"get", "post"} and not door.path.startswith("/api/")
        ):
            continue
        for role, browser in people.items():
            ask = getattr(browser, method)
            answer = ask(_path(door), "{}", content_type="application/json") if method != "get" else ask(_path(door))
            if answer.status_code == 405:  # nothing is done by this method, whoever asks
                break
            refused = answer.status_code in {401, 403} or answer.get("Location", "").startswith("/accounts/login/")
            if refused == (role in roles_for(asked)) and door.name not in OWN_PROOF:
                wrong.append(f"{method} {door.path} as {role}: {answer.status_code}, asks for {asked}")
            assert answer.status_code < 500, (method, door.path, role)
    assert wrong == []


class Buttons(HTMLParser):
    """What a page offers to do: (method, path) of every form, HTMX request and link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.add((given.get("method", "get").lower(), given.get("action", "")))
        if tag == "a":
            self.found.add(("get", given.get("href", "")))
        for method in ("get", "post", "put", "patch", "delete"):
            self.found.add((method, given.get(f"hx-{method}", "")))

    def offers(self) -> Iterator[tuple[str, str]]:
        for method, target in sorted(self.found):
            path = target.partition("?")[0].partition("#")[0]
            if path.startswith("/") and not path.startswith(("//", "/static/")):
                yield method, path


def _pages() -> list[str]:
    plain = [door for door in DOORS if "<" not in door.path and "(" not in door.path and "^" not in door.path]
    return [door.path for door in plain if not door.path.startswith(("/api", "/accounts/", "/admin/"))]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR])
def test_nobody_sees_a_button_that_refuses_them(
    furnished: Factory, people: dict[str, FactoryClient], role: str
) -> None:
    asks = {door.name: door for door in DOORS}
    useless = []
    for page in [*_pages(), "/machines/M01"]:
        answer = people[role].get(page)
        if answer.status_code != 200 or "html" not in answer["Content-Type"]:
            continue
        buttons = Buttons()
        buttons.feed(answer.content.decode())
        for method, path in buttons.offers():
            try:
                name = get_resolver(settings.ROOT_URLCONF).resolve(path).url_name or ""
            except Resolver404:
                useless.append(f"{page}: {path} leads nowhere")
                continue
            door = Door("/admin/…", "admin", (("*", ADMIN),)) if path.startswith("/admin/") else asks[name]
            if role not in roles_for(door.asks_for(method)):
                useless.append(f"{page}: {method} {path}")
    assert useless == []


@pytest.fixture
def furnished(acme: Factory, owner: User) -> Factory:
    """Something on every page."""
    from anomalies.models import Alert
    from common import clock
    from telemetry.models import Machine, Metric
    from tenants.context import factory_context

    with factory_context(acme):
        machine = Machine.objects.create(key="M01", last_seen_at=clock.now())
        Metric.objects.create(machine=machine, name="vibration", last_value=1.0, last_at=clock.now())
        Alert.objects.create(machine=machine, cause="x", title="Wrong", since_at=clock.now())
    return acme
