"""The page after sign-up: a key once, lines that name the factory, and the way to the first machine."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.models import ApiKey, User
from common import clock
from telemetry.models import Machine
from tenants.models import Factory
from tests.conftest import FactoryClient

ClientFor = Callable[..., FactoryClient]


@pytest.fixture
def browser(in_acme: Factory, owner: User, client_for: ClientFor) -> FactoryClient:
    return client_for(owner)


def test_the_first_visit_makes_a_key_and_shows_it_in_every_line(browser: FactoryClient) -> None:
    page = browser.get("/first-run")
    raw = page.context["raw_key"]
    assert raw.startswith("fp_acme_")
    assert all(raw in command["text"] for command in page.context["commands"])
    assert "http://localhost:8000/api/v1/telemetry/ingest" in page.context["commands"][0]["text"]
    assert "-t factories/acme/devices/M01/telemetry" in page.context["commands"][2]["text"]
    assert ApiKey.objects.get().scopes == ["ingest", "read"]


def test_a_reload_makes_no_other_key_and_the_button_does(browser: FactoryClient) -> None:
    browser.get("/first-run")
    reloaded = browser.get("/first-run")
    assert reloaded.context["raw_key"] == ""
    assert ApiKey.objects.count() == 1
    assert browser.post("/first-run").context["raw_key"].startswith("fp_acme_")
    assert ApiKey.objects.count() == 2


def test_the_page_waits_until_a_new_machine_sends_and_then_leads_to_it(browser: FactoryClient) -> None:
    Machine.objects.create(key="old", last_seen_at=clock.now())
    Machine.objects.update(created_at=clock.now() - timedelta(hours=1))
    since = browser.get("/first-run").context["since_ms"]
    Machine.objects.create(key="made by hand, without a reading")
    waiting = browser.get(f"/first-run/waiting?since={since}")
    assert "HX-Redirect" not in waiting
    assert b"Waiting" in waiting.content
    Machine.objects.create(key="Press 7/a", last_seen_at=clock.now())
    found = browser.get(f"/first-run/waiting?since={since}")
    assert found["HX-Redirect"] == "/machines/Press%207/a"


@pytest.mark.parametrize("since", ["", "-1", "soon", "9" * 40])
def test_a_strange_moment_to_wait_from_is_no_fault(browser: FactoryClient, since: str) -> None:
    assert browser.get("/first-run/waiting", {"since": since}).status_code == 200
