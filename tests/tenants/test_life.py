"""A factory is shut, opened, and deleted after a time; then nothing of it is left anywhere."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from accounts.api_keys import KeyInvalidError, api_key_create, keys_forget, verify_key
from common import clock
from telemetry.ingest.mqtt_keys import key_check, keys_gone
from tenants import life
from tenants.context import FactoryNotFoundError, factory_context, factory_get
from tenants.hosts import hosts_forget
from tenants.life import (
    FactoryStateError,
    factories_delete_due,
    factory_delete_later,
    factory_keep,
    factory_resume,
    factory_suspend,
)
from tenants.models import Factory
from tenants.provisioning import factory_create
from tenants.remains import factory_remains
from tenants.tasks import delete_due_factories, for_each_factory
from tests.conftest import FactoryClient, host_of


@pytest.fixture
def doomed(live_factory: Factory) -> tuple[Factory, str]:
    """A committed factory with something everywhere: a key, a file, a cached value."""
    with factory_context(live_factory):
        raw = api_key_create(name="PLC", scopes=["ingest", "read"])[1]
        cache.set("kept", "something", timeout=600)
        default_storage.save(f"{live_factory.slug}/documents/manual", ContentFile(b"manual"))
    return live_factory, raw


def _answer(factory: Factory, path: str, raw: str = "") -> int:
    hosts_forget()
    client = FactoryClient(host=host_of(factory), **({"HTTP_X_API_KEY": raw} if raw else {}))
    return int(client.get(path).status_code)


def test_a_suspended_factory_is_shut_at_every_door_and_opens_again(doomed: tuple[Factory, str]) -> None:
    factory, raw = doomed
    connected = key_check(factory.slug, raw)
    assert _answer(factory, "/api/v1/machines", raw) == 200
    factory_suspend(factory, reason="The bill is open.")
    keys_forget()
    assert _answer(factory, "/api/v1/machines", raw) == 403
    assert _answer(factory, "/") == 403
    assert "The bill is open." in FactoryClient(host=host_of(factory)).get("/").content.decode()
    assert _answer(factory, "/accounts/login/") == 200
    assert keys_gone({connected}) == {connected}
    with pytest.raises(KeyInvalidError):
        verify_key(raw, scope=None)
    factory_resume(factory)
    keys_forget()
    assert _answer(factory, "/api/v1/machines", raw) == 200
    assert keys_gone({connected}) == set()


def test_the_scheduler_passes_a_shut_factory_by(live_factories: Callable[..., Factory]) -> None:
    from unittest.mock import Mock

    open_one, shut_one = live_factories(), live_factories()
    factory_suspend(shut_one, reason="")
    task = Mock()
    for_each_factory(task)
    asked = {call.args[0] for call in task.for_factory.call_args_list}
    assert open_one.slug in asked
    assert shut_one.slug not in asked


def test_a_deletion_can_be_taken_back_within_the_grace(doomed: tuple[Factory, str]) -> None:
    factory, raw = doomed
    factory_delete_later(factory)
    assert _answer(factory, "/api/v1/machines", raw) == 403
    with pytest.raises(FactoryStateError):
        factory_delete_later(factory)
    assert factories_delete_due() == []
    factory_keep(factory)
    keys_forget()
    assert _answer(factory, "/api/v1/machines", raw) == 200
    with pytest.raises(FactoryStateError):
        factory_keep(factory)


def test_when_the_grace_is_over_nothing_is_left(doomed: tuple[Factory, str], monkeypatch: pytest.MonkeyPatch) -> None:
    factory, raw = doomed
    assert len(factory_remains(factory.slug)) >= 5
    factory_delete_later(factory)
    now = clock.now()
    monkeypatch.setattr(life.clock, "now", lambda: now + life.GRACE + timedelta(seconds=1))
    with pytest.raises(FactoryStateError):
        factory_keep(factory)
    delete_due_factories()
    assert factory_remains(factory.slug) == []
    keys_forget()
    with pytest.raises(KeyInvalidError):
        verify_key(raw, scope=None)
    with pytest.raises(FactoryNotFoundError):
        factory_get(factory.slug)
    assert _answer(factory, "/") == 404


def test_the_address_of_a_factory_that_is_gone_starts_from_nothing(doomed: tuple[Factory, str]) -> None:
    factory, _raw = doomed
    factory_delete_later(factory, grace=timedelta(0))
    assert factories_delete_due() == [factory.slug]
    again = factory_create(slug=factory.slug, name="Somebody else")
    try:
        with factory_context(again):
            assert cache.get("kept") is None
        assert not default_storage.exists(f"{again.slug}/documents/manual")
    finally:
        call_command("delete_factory", again.slug, confirm=again.slug)
    assert factory_remains(again.slug) == []


def test_the_command_suspends_and_resumes(live_factory: Factory) -> None:
    call_command("suspend_factory", live_factory.slug, reason="x")
    assert factory_get(live_factory.slug).shut
    call_command("suspend_factory", live_factory.slug, resume=True)
    assert not factory_get(live_factory.slug).shut
    with pytest.raises(CommandError, match="factory_not_found"):
        call_command("suspend_factory", "nobody")


def test_backups_are_for_us_alone(live_factory: Factory, tmp_path: Path) -> None:
    call_command("backup", live_factory.slug, to=tmp_path)
    (archive,) = tmp_path.iterdir()
    assert archive.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="factory_not_found"):
        call_command("backup", "nobody", to=tmp_path)
