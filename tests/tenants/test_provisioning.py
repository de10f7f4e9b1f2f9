"""Factories come, are complete, and go."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection, connections

from accounts.models import User
from common.errors import DomainError, InvalidInputError
from telemetry.models import Machine
from tenants import schemas
from tenants.addresses import (
    FactoryAddressInvalidError,
    FactoryAddressReservedError,
    FactoryAddressTakenError,
    factory_url,
)
from tenants.context import FactoryNotFoundError, factory_context, factory_get
from tenants.models import Domain, Factory
from tenants.provisioning import factory_create, factory_delete, public_ensure
from tenants.schema_script import schema_inventory


def test_a_factory_reaches_its_own_tables_and_no_others(in_acme: Factory) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schemas(false)")
        assert cursor.fetchone()[0] == ["f_acme"]
    assert User.objects.count() == 0


def test_leaving_a_factory_restores_the_one_before(acme: Factory, borg: Factory) -> None:
    with factory_context(acme):
        with factory_context(borg):
            assert connection.schema_name == "f_borg"
        assert connection.schema_name == "f_acme"
    assert connection.schema_name == "public"


def test_a_replayed_factory_equals_a_migrated_one(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    replayed = factory_create(slug="replayed", name="Replayed")
    monkeypatch.setattr(schemas, "_replay", _refuse)
    migrated = factory_create(slug="migrated", name="Migrated")
    assert schema_inventory(replayed.schema_name) == schema_inventory(migrated.schema_name)
    for model in (ContentType, Permission):
        with factory_context(replayed):
            kept = set(model.objects.values_list("pk", flat=True))
        with factory_context(migrated):
            assert kept
            assert model.objects.count() == len(kept)


def test_the_replay_is_what_usually_happens(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "schema_migrate", _refuse)
    assert factory_create(slug="swift", name="Swift").schema_name == "f_swift"


def test_identities_of_a_replayed_factory_go_on_after_the_rows_it_came_with(db: None) -> None:
    with factory_context(factory_create(slug="counting", name="Counting")):
        assert ContentType.objects.create(app_label="x", model="y").pk > 1
        assert Machine.objects.create(key="M01").pk == 1


def test_a_copy_that_lacks_something_is_not_kept(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    schemas.template_ensure()
    script, expected = schemas._template_script()
    cut = script.replace(next(line for line in script.splitlines() if line.startswith("CREATE INDEX")), "")
    monkeypatch.setitem(schemas._scripts, schemas.migrations_fingerprint(), (cut, expected))
    factory = factory_create(slug="whole", name="Whole")
    assert schema_inventory(factory.schema_name) == expected


def test_changed_migrations_make_the_template_anew(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "migrations_fingerprint", lambda: "abc123")
    made: list[str] = []
    monkeypatch.setattr(schemas, "schema_migrate", lambda name: (made.append(name), _make_empty(name)))
    schemas.template_ensure()
    schemas.template_ensure()
    assert made == [schemas.TEMPLATE]


@pytest.mark.parametrize("slug", ["www", "admin", "api", "static", "mail", "www2", "w-w-w", "ns7", "fp"])
def test_a_reserved_address_is_refused(db: None, slug: str) -> None:
    with pytest.raises(FactoryAddressReservedError) as refusal:
        factory_create(slug=slug, name="Reserved")
    assert refusal.value.code == "factory_address_reserved"


@pytest.mark.parametrize(
    "slug", ["", "9mill", "Mill", "mill-", "-mill", "mi ll", "mill\n", "mi_ll", "mühle", "xn--mhle", "a" * 41, "a.b"]
)
def test_an_address_that_is_no_host_name_is_refused(db: None, slug: str) -> None:
    with pytest.raises(FactoryAddressInvalidError):
        factory_create(slug=slug, name="Invalid")


@pytest.mark.parametrize("slug", ["a", "demo", "north-mill", "plant7", "a" * 40])
def test_an_ordinary_address_is_taken(db: None, slug: str) -> None:
    factory = factory_create(slug=slug, name="Ordinary")
    assert factory_url(factory, "/machines") == f"http://{slug}.localhost:8000/machines"


def test_a_taken_address_is_refused_and_its_factory_untouched(in_acme: Factory) -> None:
    Machine.objects.create(key="M01")
    with pytest.raises(FactoryAddressTakenError) as refusal:
        factory_create(slug="acme", name="Impostor")
    assert refusal.value.code == "factory_address_taken"
    assert refusal.value.status == 409
    assert factory_get("acme").name == "Acme Foods"
    assert Machine.objects.count() == 1


def test_an_unknown_time_zone_is_refused(db: None) -> None:
    with pytest.raises(InvalidInputError):
        factory_create(slug="martian", name="Martian", time_zone="Mars/Olympus")
    with pytest.raises(FactoryNotFoundError):
        factory_get("martian")


def test_of_two_who_ask_for_one_address_at_once_exactly_one_gets_it(live_factories: Callable[..., Factory]) -> None:
    slug, start = f"race-{uuid4().hex[:8]}", Barrier(4)

    def ask(name: str) -> Factory | str:
        start.wait(timeout=10)
        try:
            return factory_create(slug=slug, name=name)
        except DomainError as error:
            return error.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, ["one", "two", "three", "four"]))
    made = [answer for answer in answers if isinstance(answer, Factory)]
    try:
        assert len(made) == 1
        assert answers.count("factory_address_taken") == 3
        assert factory_get(slug).name == made[0].name
    finally:
        for factory in made:
            factory_delete(factory)


def test_a_deleted_factory_leaves_nothing(db: None) -> None:
    factory = factory_create(slug="leaving", name="Leaving")
    factory_delete(factory)
    with pytest.raises(FactoryNotFoundError):
        factory_get("leaving")
    assert not Domain.objects.filter(domain__startswith="leaving.").exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace('f_leaving')")
        assert cursor.fetchone() == (None,)
    assert factory_create(slug="leaving", name="Returning").name == "Returning"


def test_preparing_the_public_site_twice_changes_nothing(db: None) -> None:
    before = list(Domain.objects.values_list("pk", "domain"))
    public_ensure()
    assert list(Domain.objects.values_list("pk", "domain")) == before


def _refuse(*_arguments: object) -> None:
    raise schemas.SchemaReplayError("refused by the test")


def _make_empty(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {name}")


def test_the_command_that_deletes_a_factory_wants_its_address_twice(db: None) -> None:
    factory_create(slug="leaving", name="Leaving")
    with pytest.raises(CommandError, match="nothing was deleted"):
        call_command("delete_factory", "leaving", "--confirm", "acme")
    assert factory_get("leaving").name == "Leaving"
    call_command("delete_factory", "leaving", "--confirm", "leaving", stdout=StringIO())
    with pytest.raises(FactoryNotFoundError):
        factory_get("leaving")
    with pytest.raises(CommandError, match="factory_not_found"):
        call_command("delete_factory", "leaving", "--confirm", "leaving")
