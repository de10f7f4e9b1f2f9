"""API keys: what proves itself, what is refused, and how soon a revoked one is dead."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError

from accounts import api_keys
from accounts.api_keys import (
    KeyInvalidError,
    ScopeMissingError,
    api_key_create,
    api_key_revoke,
    api_key_rotate,
    parse_key,
    verify_key,
)
from accounts.key_changes import api_key_change
from accounts.key_scopes import ScopeTooHighError
from accounts.models import ApiKey, AuditEntry, CustomRole, User
from common import clock
from common.errors import InvalidInputError
from tenants.context import FactoryNotFoundError
from tenants.models import Factory
from tests.conftest import FactoryClient


def test_a_key_proves_its_factory_and_scopes(ingest_key: str) -> None:
    verified = verify_key(ingest_key, scope="ingest")
    assert (verified.factory, verified.scopes) == ("acme", frozenset({"ingest"}))


def test_a_key_names_its_factory_in_the_open_and_hides_its_secret(in_acme: Factory) -> None:
    key, raw = api_key_create(name="gateway", scopes=["ingest"])
    parsed = parse_key(raw)
    assert (parsed.factory, parsed.prefix) == ("acme", key.prefix)
    assert len(parsed.secret) == 32
    assert parsed.secret not in str(ApiKey.objects.filter(pk=key.pk).values().get())
    assert parsed.secret not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    "raw", ["", "fp_acme", "fp_acme_abc_def", "acme", "fp_acme_" + "a" * 8 + "_" + "b" * 33, "fp_ac me_x_y", "\x00"]
)
def test_what_is_no_key_is_refused(db: None, raw: str) -> None:
    with pytest.raises(KeyInvalidError):
        verify_key(raw, scope=None)


def test_a_wrong_secret_an_unknown_prefix_and_an_unknown_factory_are_refused_alike(ingest_key: str) -> None:
    prefix = parse_key(ingest_key).prefix
    refusals = set()
    for raw in (f"fp_acme_{prefix}_{'x' * 32}", f"fp_acme_{'x' * 8}_{'x' * 32}", f"fp_nowhere_{prefix}_{'x' * 32}"):
        with pytest.raises(KeyInvalidError) as refusal:
            verify_key(raw, scope=None)
        refusals.add((refusal.value.code, refusal.value.detail))
    assert len(refusals) == 1


def test_a_key_of_one_factory_proves_nothing_under_the_name_of_another(ingest_key: str, borg: Factory) -> None:
    with pytest.raises(KeyInvalidError):
        verify_key(ingest_key.replace("fp_acme_", "fp_borg_"), scope=None)


def test_a_scope_that_the_key_lacks_is_named(read_key: str) -> None:
    with pytest.raises(ScopeMissingError) as refusal:
        verify_key(read_key, scope="ingest")
    assert refusal.value.status == 403
    assert "ingest" in refusal.value.detail


def test_a_revoked_key_is_refused_once_a_second_has_passed(in_acme: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    key, raw = api_key_create(name="gateway", scopes=["ingest"])
    verify_key(raw, scope="ingest")
    api_key_revoke(key=key)
    now_s = clock.monotonic_s()
    monkeypatch.setattr(clock, "monotonic_s", lambda: now_s + 1.01)
    with pytest.raises(KeyInvalidError):
        verify_key(raw, scope="ingest")


def test_a_known_key_goes_on_while_the_database_is_away(ingest_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verify_key(ingest_key, scope="ingest")
    monkeypatch.setattr(api_keys, "_look_up", _database_away)
    now_s = clock.monotonic_s()
    monkeypatch.setattr(clock, "monotonic_s", lambda: now_s + 600)
    assert verify_key(ingest_key, scope="ingest").factory == "acme"


def test_an_unknown_key_is_no_good_while_the_database_is_away(ingest_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_look_up", _database_away)
    with pytest.raises(OperationalError):
        verify_key(ingest_key, scope="ingest")


def test_use_is_noted_at_most_once_a_minute(in_acme: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    key, raw = api_key_create(name="gateway", scopes=["ingest"])
    verify_key(raw, scope=None)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    for seconds, noted_again in ((30, False), (61, True)):
        api_keys.keys_forget()
        monkeypatch.setattr(clock, "now", lambda seconds=seconds: first + timedelta(seconds=seconds))
        verify_key(raw, scope=None)
        key.refresh_from_db()
        assert (key.last_used_at != first) is noted_again


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "root"]])
def test_a_key_needs_scopes_that_exist(in_acme: Factory, scopes: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        api_key_create(name="odd", scopes=scopes)
    assert not ApiKey.objects.exists()


def test_a_key_belongs_to_a_factory(db: None) -> None:
    with pytest.raises(RuntimeError):
        api_key_create(name="nobody's", scopes=["read"])


def test_making_and_revoking_are_in_the_audit_trail(in_acme: Factory) -> None:
    key, _raw = api_key_create(name="gateway", scopes=["ingest"])
    api_key_revoke(key=key)
    assert set(AuditEntry.objects.values_list("action", "target")) == {
        ("api_key.created", key.prefix),
        ("api_key.revoked", key.prefix),
    }


def _database_away(*_arguments: object) -> None:
    raise OperationalError("the connection was refused")


def test_a_factory_that_is_gone_has_no_keys(db: None) -> None:
    with pytest.raises(KeyInvalidError) as refusal:
        verify_key(f"fp_gone_{'a' * 8}_{'b' * 32}", scope=None)
    assert not isinstance(refusal.value, FactoryNotFoundError)


def test_nobody_gets_by_a_key_what_they_may_not_do_themselves(
    in_acme: Factory, viewer: User, client_for: Callable[..., FactoryClient]
) -> None:
    viewer.custom_role = CustomRole.objects.create(name="Front office", actions=["people"])
    viewer.save()
    strong, _raw = api_key_create(name="gateway", scopes=["write"])
    browser = client_for(viewer)
    refused = browser.post_json("/api/v1/api-keys", {"name": "mine", "scopes": ["read", "write"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_too_high")
    page = browser.post("/keys", {"name": "mine", "scopes": ["write"]})
    assert (page.status_code, "what you may do yourself" in page.content.decode()) == (422, True)
    for deed in (
        partial(api_key_rotate, key=strong, rotated_by=viewer),
        partial(api_key_change, key=strong, wanted={"addresses": []}, changed_by=viewer),
    ):
        with pytest.raises(ScopeTooHighError):
            deed()
    # Readings are nobody's to send, and a key that leaked is anybody's to end.
    assert browser.post_json("/api/v1/api-keys", {"name": "plc", "scopes": ["ingest", "read"]}).status_code == 201
    assert browser.delete(f"/api/v1/api-keys/{strong.pk}").status_code == 204
