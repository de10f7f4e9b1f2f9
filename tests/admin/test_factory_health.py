"""Staff sees how factories fare, in counts and times, and nothing of what they make."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from anomalies.receivers import _rate_key
from common import clock
from telemetry.models import Machine, QuarantinedReading
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of


@pytest.fixture
def staff(db: None) -> FactoryClient:
    User.objects.create_superuser("staff@factorypulse.example", "a long password")
    client = FactoryClient(host=host_of(None))
    assert Client.login(client, email="staff@factorypulse.example", password="a long password")
    return client


def test_staff_sees_counts_of_each_factory_and_none_of_its_names(
    acme: Factory, borg: Factory, owner: User, staff: FactoryClient
) -> None:
    with factory_context(acme):
        Machine.objects.create(key="canary-key", name="canary-name", last_seen_at=clock.now())
        Machine.objects.create(key="M02", last_seen_at=clock.now() - timedelta(hours=1))
        refused = {"source": "canary", "machine": "canary", "detail": "canary", "payload": "canary"}
        QuarantinedReading.objects.create(code="not_a_number", count=41, **refused)
        cache.set(_rate_key(-1), 1234, timeout=60)
        cache.set(_rate_key(0), 1234, timeout=60)
    page = staff.get("/admin/health/?q=acme").content.decode()
    for shown in ("1 / 2", "123.4", "41", "not_a_number", "acme"):
        assert shown in page, shown
    assert "canary" not in page
    assert "borg" not in page


def test_a_factory_whose_machines_are_all_silent_is_pointed_out(acme: Factory, staff: FactoryClient) -> None:
    with factory_context(acme):
        Machine.objects.create(key="M01", last_seen_at=clock.now() - timedelta(hours=1))
    assert "all machines silent" in staff.get("/admin/health/?q=acme").content.decode()


@pytest.mark.parametrize("query", ["?page=0", "?page=99999999999", "?page=x", "?q=%00nobody"])
def test_odd_questions_get_an_answer(acme: Factory, staff: FactoryClient, query: str) -> None:
    assert staff.get(f"/admin/health/{query}").status_code in {200, 400}


def test_nobody_else_sees_it(acme: Factory, owner: User, client_for: object, public_client: FactoryClient) -> None:
    assert public_client.get("/admin/health/").status_code == 302
    assert client_for(owner).get("/admin/health/").status_code == 404  # type: ignore[operator]
