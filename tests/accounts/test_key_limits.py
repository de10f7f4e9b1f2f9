"""What a key may be bound to: machines, networks, a time; and its two secrets while it is rotated."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings

from accounts import api_keys
from accounts.api_keys import (
    KeyFromElsewhereError,
    KeyInvalidError,
    KeyRevokedError,
    api_key_create,
    api_key_revoke,
    api_key_rotate,
    require_address,
    verify_key,
)
from accounts.models import ApiKey, User
from common import clock
from common.errors import InvalidInputError
from telemetry.ingest.mqtt_keys import key_check, keys_gone
from tenants.models import Factory
from tests.conftest import FactoryClient

ClientFor = Callable[..., FactoryClient]
READING = {"readings": [{"machine": "M01", "metrics": {"v": 1}}, {"machine": "M02", "metrics": {"v": 2}}]}


def _later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    now, now_s = clock.now(), clock.monotonic_s()
    monkeypatch.setattr(clock, "now", lambda: now + by)
    monkeypatch.setattr(clock, "monotonic_s", lambda: now_s + by.total_seconds())


def test_both_secrets_are_good_while_a_key_is_rotated_and_then_the_new_one_alone(
    in_acme: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, old = api_key_create(name="PLC", scopes=["ingest"])
    new = api_key_rotate(key=key, overlap=timedelta(hours=1))
    assert verify_key(old, scope="ingest").prefix == verify_key(new, scope="ingest").prefix == key.prefix
    _later(monkeypatch, timedelta(hours=1, seconds=1))
    verify_key(new, scope="ingest")
    with pytest.raises(KeyInvalidError):
        verify_key(old, scope="ingest")


def test_a_second_rotation_ends_the_secret_before_the_last(in_acme: Factory) -> None:
    key, first = api_key_create(name="PLC", scopes=["ingest"])
    second = api_key_rotate(key=key)
    third = api_key_rotate(key=key)
    api_keys.keys_forget()
    verify_key(second, scope=None)
    verify_key(third, scope=None)
    with pytest.raises(KeyInvalidError):
        verify_key(first, scope=None)


def test_without_an_overlap_the_old_secret_is_dead_and_its_devices_are_hung_up_on(in_acme: Factory) -> None:
    key, old = api_key_create(name="PLC", scopes=["ingest"])
    connected = key_check("acme", old)
    assert keys_gone({connected}) == set()
    new = api_key_rotate(key=key, overlap=timedelta(0))
    api_keys.keys_forget()
    with pytest.raises(KeyInvalidError):
        verify_key(old, scope=None)
    assert keys_gone({connected, key_check("acme", new)}) == {connected}


def test_a_revoked_key_is_dead_with_both_secrets_and_is_not_rotated(in_acme: Factory) -> None:
    key, old = api_key_create(name="PLC", scopes=["ingest"])
    new = api_key_rotate(key=key)
    api_key_revoke(key=key)
    api_keys.keys_forget()
    for raw in (old, new):
        with pytest.raises(KeyInvalidError):
            verify_key(raw, scope=None)
    with pytest.raises(KeyRevokedError):
        api_key_rotate(key=key)


def test_an_expired_key_is_refused_though_it_was_just_believed(
    in_acme: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _key, raw = api_key_create(name="PLC", scopes=["ingest"], expires_at=clock.now() + timedelta(minutes=5))
    connected = key_check("acme", raw)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=5))
    with pytest.raises(KeyInvalidError):
        verify_key(raw, scope=None)
    assert keys_gone({connected}) == {connected}


def test_what_ends_in_the_past_or_is_no_network_is_refused(in_acme: Factory) -> None:
    with pytest.raises(InvalidInputError):
        api_key_create(name="x", scopes=["read"], expires_at=clock.now())
    with pytest.raises(InvalidInputError):
        api_key_create(name="x", scopes=["read"], addresses=["everywhere"])
    with pytest.raises(InvalidInputError):
        api_key_rotate(key=api_key_create(name="x", scopes=["read"])[0], overlap=timedelta(days=31))


@pytest.mark.parametrize(
    ("address", "good"),
    [("192.0.2.7", True), ("::ffff:192.0.2.7", True), ("192.0.3.7", False), ("2001:db8::1", True), ("unknown", False)],
)
def test_a_key_is_used_from_its_networks_alone(in_acme: Factory, address: str, good: bool) -> None:
    _key, raw = api_key_create(name="x", scopes=["read"], addresses=["192.0.2.0/24", "2001:db8::/32"])
    verified = verify_key(raw, scope=None)
    if good:
        require_address(verified, lambda: address)
    else:
        with pytest.raises(KeyFromElsewhereError):
            require_address(verified, lambda: address)


def test_every_door_asks_where_a_key_is_used(in_acme: Factory, api_client: Callable[..., FactoryClient]) -> None:
    _key, raw = api_key_create(name="x", scopes=["read", "ingest"], addresses=["192.0.2.0/24"])
    program = api_client(raw)
    for answer in (program.get("/api/v1/machines"), program.post_json("/api/v1/telemetry/ingest", READING)):
        assert (answer.status_code, answer.json()["code"]) == (403, "key_from_elsewhere")
    assert program.post("/write", "x,machine=M01 v=1", content_type="text/plain").status_code == 403


@pytest.mark.parametrize(
    ("proxies", "claimed", "status"),
    [(0, "192.0.2.7", 403), (1, "192.0.2.7, 203.0.113.9", 403), (1, "203.0.113.9, 192.0.2.7", 200)],
)
def test_only_our_own_proxy_says_from_where_somebody_comes(
    in_acme: Factory,
    api_client: Callable[..., FactoryClient],
    monkeypatch: pytest.MonkeyPatch,
    proxies: int,
    claimed: str,
    status: int,
) -> None:
    """The last entry is the proxy's; whatever stands before it is the caller's own claim."""
    monkeypatch.setattr(settings, "ALLAUTH_TRUSTED_PROXY_COUNT", proxies, raising=False)
    _key, raw = api_key_create(name="x", scopes=["read"], addresses=["192.0.2.0/24"])
    assert api_client(raw).get("/api/v1/machines", HTTP_X_FORWARDED_FOR=claimed).status_code == status


def test_readings_of_other_machines_are_refused_one_by_one(
    in_acme: Factory, api_client: Callable[..., FactoryClient]
) -> None:
    _key, raw = api_key_create(name="x", scopes=["ingest"], machines=["M01"])
    told = api_client(raw).post_json("/api/v1/telemetry/ingest", READING)
    assert (told.status_code, told.json()["accepted"]) == (201, 1)
    assert [(one["index"], one["code"]) for one in told.json()["rejected"]] == [(1, "machine_not_of_key")]


def test_last_use_tells_when_and_from_where(in_acme: Factory, api_client: Callable[..., FactoryClient]) -> None:
    key, raw = api_key_create(name="x", scopes=["read"])
    api_client(raw).get("/api/v1/machines")
    key.refresh_from_db()
    assert key.last_used_at is not None
    assert key.last_used_from == "127.0.0.1"


def test_the_page_makes_a_bound_key_and_gives_it_a_new_secret(
    in_acme: Factory, admin: User, client_for: ClientFor
) -> None:
    browser = client_for(admin)
    day = (clock.now() + timedelta(days=30)).date().isoformat()
    data = {"name": "PLC", "scopes": ["ingest"], "machines": "M01, M02", "addresses": "10.0.0.0/8", "expires_on": day}
    first = browser.post("/keys", data).context["raw_key"]
    key = ApiKey.objects.get()
    assert (key.machines, key.addresses) == (["M01", "M02"], ["10.0.0.0/8"])
    page = browser.post(f"/keys/{key.pk}/rotate")
    assert page.context["raw_key"] not in {first, ""}
    assert page.context["raw_key"] in page.content.decode()
    assert browser.post("/keys", {**data, "addresses": "nowhere"}).status_code == 422


def test_rotating_at_once_leaves_two_good_secrets_at_most(live_factory: Factory) -> None:
    from asgiref.sync import sync_to_async

    from tenants.context import factory_context

    def make() -> tuple[ApiKey, str]:
        with factory_context(live_factory):
            return api_key_create(name="PLC", scopes=["ingest"])

    key, first = make()

    def rotate() -> str:
        from django.db import connection

        try:
            with factory_context(live_factory):
                return api_key_rotate(key=ApiKey.objects.get(pk=key.pk))
        finally:
            connection.close()

    async def race() -> list[str]:
        return await asyncio.gather(*[sync_to_async(rotate, thread_sensitive=False)() for _one in range(4)])

    secrets = [first, *asyncio.run(race())]
    good = []
    for raw in secrets:
        try:
            verify_key(raw, scope=None)
        except KeyInvalidError:
            continue
        good.append(raw)
    assert len(good) == 2
