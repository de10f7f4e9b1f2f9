"""Which keys open the MQTT door, and how soon they stop to."""

from datetime import timedelta

import pytest

from accounts.api_keys import (
    KeyInvalidError,
    KeyOfOtherFactoryError,
    ScopeMissingError,
    api_key_create,
    api_key_revoke,
    api_key_rotate,
)
from accounts.key_changes import api_key_change
from accounts.models import ApiKey
from common import clock
from telemetry.ingest.mqtt_keys import key_check, keys_gone
from tenants.context import factory_context
from tenants.hosts import hosts_forget


def test_a_key_with_scope_ingest_opens_its_own_factorys_door(acme, ingest_key):
    assert key_check("acme", ingest_key).factory == "acme"


def test_other_keys_are_refused_each_by_its_reason(acme, ingest_key, read_key, foreign_key):
    with pytest.raises(KeyOfOtherFactoryError):
        key_check("acme", foreign_key)
    with pytest.raises(KeyOfOtherFactoryError):
        key_check("borg", ingest_key)
    with pytest.raises(ScopeMissingError):
        key_check("acme", read_key)
    for wrong in ("", "nonsense", ingest_key[:-1] + ("a" if ingest_key[-1] != "a" else "b")):
        with pytest.raises(KeyInvalidError):
            key_check("acme", wrong)


def test_a_revoked_key_is_gone_and_its_neighbour_is_not(acme, borg, ingest_key, foreign_key):
    with factory_context(acme):
        neighbour = key_check("acme", api_key_create(name="neighbour", scopes=["ingest"])[1])
    connected = {key_check("acme", ingest_key), neighbour, key_check("borg", foreign_key)}
    assert keys_gone(connected) == set()
    revoked = key_check("acme", ingest_key)
    with factory_context(acme):
        api_key_revoke(key=ApiKey.objects.get(prefix=revoked.prefix))
    assert keys_gone(connected) == {revoked}


def test_a_key_that_lost_its_scope_is_gone(acme, ingest_key):
    verified = key_check("acme", ingest_key)
    with factory_context(acme):
        ApiKey.objects.filter(prefix=verified.prefix).update(scopes=["read"])
    assert keys_gone({verified}) == {verified}


def test_a_key_that_is_bound_more_closely_is_gone_and_one_that_got_a_new_name_is_not(acme, ingest_key):
    verified = key_check("acme", ingest_key)
    with factory_context(acme):
        key = ApiKey.objects.get(prefix=verified.prefix)
        api_key_change(key=key, wanted={"name": "Hall 2", "expires_at": clock.now() + timedelta(days=1)})
        assert keys_gone({verified}) == set()
        api_key_change(key=key, wanted={"machines": ["M01"]})
    assert keys_gone({verified}) == {verified}


def test_a_device_with_the_secret_before_is_gone_when_the_overlap_ends(acme, ingest_key, monkeypatch):
    verified = key_check("acme", ingest_key)
    with factory_context(acme):
        api_key_rotate(key=ApiKey.objects.get(prefix=verified.prefix), overlap=timedelta(hours=1))
    assert keys_gone({verified}) == set()
    later = clock.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert keys_gone({verified}) == {verified}


def test_every_key_of_a_deleted_factory_is_gone(acme, ingest_key):
    verified = key_check("acme", ingest_key)
    acme.domains.update(domain="elsewhere.example")
    hosts_forget()
    assert keys_gone({verified}) == {verified}


def test_many_devices_of_one_factory_cost_one_question(acme, ingest_key, django_assert_max_num_queries):
    with factory_context(acme):
        keys = {key_check("acme", api_key_create(name=f"device {n}", scopes=["ingest"])[1]) for n in range(20)}
    with django_assert_max_num_queries(3):
        assert keys_gone(keys) == set()
