"""Everything that the API's own description allows, sent by two factories' people and keys: no 5xx, no foreign byte.

schemathesis reads the description and makes the requests. A canary stands in acme, and people, keys and tokens of borg
ask on both hosts.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from django.conf import settings as django_settings
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from accounts.models import User
from accounts.tokens import tokens_issue
from anomalies.models import Alert
from common import clock
from reports.models import Report
from telemetry.models import Line, Machine, Metric, Site
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of

CANARY = "kanarienvogel"
EXAMPLES = 3  # of each operation, by each asker
# The store or the journal is away or full: said on purpose, with a problem document.
EXPECTED = {503, 507}
# What this does is no matter of a request's shape: a password hash costs its time on purpose.
_SLOW = {"/api/v1/auth/login"}


@pytest.fixture(scope="module")
def operations() -> list[Any]:
    """Every operation of the description."""
    document = SchemaGenerator(urlconf="factorypulse.urls_api").get_schema(request=None, public=True)
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document, default=str)))
    found = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result.err()
        if result.ok().path not in _SLOW:
            found.append(result.ok())
    assert len(found) > 40
    return found


@pytest.fixture
def furnished(acme: Factory) -> Factory:
    with factory_context(acme):
        line = Line.objects.create(site=Site.objects.create(name=CANARY), name=CANARY)
        machine = Machine.objects.create(key=CANARY, name=CANARY, line=line)
        Metric.objects.create(machine=machine, name=CANARY, last_value=1.0, last_at=clock.now())
        Alert.objects.create(machine=machine, cause="x", title=CANARY, summary=CANARY, since_at=clock.now())
        Report.objects.create(period_from_at=clock.now(), period_to_at=clock.now(), time_zone="UTC", error=CANARY)
    return acme


def _aimed(case: Any, number: int) -> Any:
    """Every second case goes to what stands in acme: a made-up name alone would never get past a 404."""
    if number % 2:
        for name, value in (case.path_parameters or {}).items():
            case.path_parameters[name] = 1 if isinstance(value, int) else CANARY
    return case


def _sent(client: FactoryClient, case: Any) -> Any:
    """The case as Django's client sends it."""
    given_ = case.as_transport_kwargs(base_url="http://ignored")
    path = case.formatted_path
    if given_.get("params"):
        path += "?" + urlencode(given_["params"], doseq=True)
    headers = {f"HTTP_{name.upper().replace('-', '_')}": str(value) for name, value in (case.headers or {}).items()}
    headers.pop("HTTP_AUTHORIZATION", None)
    headers.pop("HTTP_X_API_KEY", None)
    body = json.dumps(given_["json"]).encode() if "json" in given_ else given_.get("data") or b""
    if not isinstance(body, bytes):
        body = str(body).encode("utf-8", "replace")
    return client.generic(case.method.upper(), path, body, content_type="application/json", **headers)  # type: ignore[arg-type]  # names of headers


@dataclass
class Heard:
    """What was wrong, and which operations told a word of acme."""

    wrong: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)


def _ask(operation: Any, clients: dict[str, FactoryClient], heard: Heard) -> None:
    cases = count()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        aimed = _aimed(case, next(cases))
        for who, client in clients.items():
            answer = _sent(client, aimed)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if answer.status_code >= 500 and answer.status_code not in EXPECTED:
                heard.wrong.append(f"{operation.method.upper()} {operation.path} by {who}: {answer.status_code}")
            # Problems repeat the path that was asked for, and the path says the canary.
            if CANARY.encode() in body and answer.status_code < 400:
                heard.told.add(f"{operation.method.upper()} {operation.path} by {who}")

    ask()


def test_borg_gets_no_server_error_and_no_byte_of_acme(
    operations: list[Any],
    furnished: Factory,
    borg: Factory,
    outsider: User,
    foreign_key: str,
    client_for: Callable[..., FactoryClient],
) -> None:
    with factory_context(borg):
        access = tokens_issue(outsider)["access"]
    clients = {
        "the owner of borg": client_for(outsider),
        "a key of borg at acme": FactoryClient(host=host_of(furnished), HTTP_X_API_KEY=foreign_key),
        "a token of borg on the public host": FactoryClient(
            host=django_settings.DOMAIN, HTTP_AUTHORIZATION=f"Bearer {access}"
        ),
    }
    heard = Heard()
    for one in operations:
        _ask(one, clients, heard)
    assert (heard.wrong, heard.told) == ([], set())


def test_acmes_own_people_get_no_server_error_and_do_see_their_words(
    operations: list[Any], furnished: Factory, owner: User, client_for: Callable[..., FactoryClient]
) -> None:
    heard = Heard()
    for one in operations:
        _ask(one, {"the owner of acme": client_for(owner)}, heard)
    assert heard.wrong == []
    # Else the test above would look for a canary that nobody can find.
    assert len(heard.told) > 5
