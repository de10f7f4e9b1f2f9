"""A factory in one file, and back: what was in it is in it again, and what is no archive makes nothing."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django_tenants.utils import get_public_schema_name, schema_context

from accounts.api_keys import api_key_create, keys_forget, verify_key
from accounts.models import AuditEntry, User
from anomalies.models import Alert
from common import clock
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from tenants.addresses import FactoryAddressTakenError
from tenants.archive import PlanUnknownError, archive_restore, archive_write
from tenants.archive_manifest import ArchiveInvalidError, ArchiveVersionError
from tenants.context import factories_all, factory_context
from tenants.models import Domain, Factory, Plan
from tenants.provisioning import factory_delete
from tenants.remains import factory_remains
from tests.conftest import PASSWORD, FactoryClient, host_of, person_make


@pytest.fixture
def full(live_factory: Factory) -> Factory:
    """A factory with people, a key, machines, ten thousand readings over two weeks, an alert and a document."""
    person_make(live_factory, "olga@live.example", "owner")
    with factory_context(live_factory):
        machine = Machine.objects.create(key="M01", name="Młyn", last_seen_at=clock.now())
        Metric.objects.create(machine=machine, name="vibration", unit="mm/s")
        Alert.objects.create(machine=machine, cause="x", title="It\tshakes\n“badly”", since_at=clock.now())
        times, values = _readings()
        reading_store().write(ReadingBatch([Series("M01", "vibration", times, values)]), machines={"M01": machine})
        reading_store().compact()
        default_storage.save(f"{live_factory.slug}/documents/manual", ContentFile(b"\0manual"))
    return live_factory


def _readings() -> tuple[np.ndarray, np.ndarray]:
    end = clock.now_ms() // 1000 * 1000
    return end - 120_000 * np.arange(10_000, 0, -1, dtype=np.int64), np.arange(10_000) / 3.0


def _contents(factory: Factory) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that is archived, as text."""
    rows: dict[str, list[tuple[object, ...]]] = {}
    with factory_context(factory), connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [factory.schema_name])
        for (table,) in cursor.fetchall():
            if table not in {"django_session", "django_migrations", "telemetry_readingrun", "telemetry_readinghour"}:
                cursor.execute(f'SELECT t::text FROM "{table}" t ORDER BY 1')
                rows[table] = cursor.fetchall()
    return rows


def _archived(factory: Factory) -> io.BytesIO:
    file = io.BytesIO()
    archive_write(factory, file)
    file.seek(0)
    return file


def test_a_factory_is_exported_deleted_and_restored_as_it_was(
    full: Factory, tmp_path: Path, live_factories: Callable[..., Factory]
) -> None:
    with factory_context(full):
        raw = api_key_create(name="PLC", scopes=["ingest"])[1]
        machine = Machine.objects.get()
        before = reading_store().raw(machine, ["vibration"], from_ms=0, to_ms=clock.now_ms() + 1)[0]
    rows = _contents(full)
    call_command("backup", full.slug, to=tmp_path)
    factory_delete(full)
    assert factory_remains(full.slug) == []
    (archive,) = tmp_path.iterdir()
    call_command("restore", archive)
    restored = next(one for one in factories_all() if one.slug == full.slug)
    try:
        assert _contents(restored) == rows
        keys_forget()
        assert verify_key(raw, scope="ingest").factory == full.slug
        with factory_context(restored):
            found = reading_store().raw(Machine.objects.get(), ["vibration"], from_ms=0, to_ms=clock.now_ms() + 1)[0]
            np.testing.assert_array_equal(found.t_ms, before.t_ms)
            np.testing.assert_array_equal(found.values, before.values)
            assert User.objects.get().check_password(PASSWORD)
            assert default_storage.open(f"{restored.slug}/documents/manual").read() == b"\0manual"
            # New rows go on behind the restored ones.
            Machine.objects.create(key="M02")
    finally:
        factory_delete(restored)


def test_no_archive_lets_its_holder_in_as_somebody_who_is_signed_in(full: Factory) -> None:
    browser = FactoryClient(host=host_of(full))
    browser.post("/accounts/login/", {"login": "olga@live.example", "password": PASSWORD})
    key = browser.cookies[settings.SESSION_COOKIE_NAME].value
    with factory_context(full):
        assert UserSession.objects.filter(session_key=key).exists()
    with tarfile.open(fileobj=_archived(full)) as tar:
        contents = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    assert "tables/accounts_user.tsv" in contents
    assert [name for name, content in contents.items() if key.encode() in content] == []


def test_it_can_be_restored_beside_itself_under_another_address(full: Factory) -> None:
    copy = archive_restore(_archived(full), slug=f"{full.slug}-x").factory
    try:
        assert _contents(copy)["telemetry_machine"] == _contents(full)["telemetry_machine"]
        assert default_storage.exists(f"{copy.slug}/documents/manual")
    finally:
        factory_delete(copy)
    with factory_context(full):
        assert Machine.objects.count() == 1


def test_an_address_that_is_taken_is_left_alone(full: Factory) -> None:
    with pytest.raises(FactoryAddressTakenError):
        archive_restore(_archived(full))
    with factory_context(full):
        assert Machine.objects.count() == 1


def test_the_trail_goes_along_and_stays_append_only(full: Factory) -> None:
    with factory_context(full):
        api_key_create(name="PLC", scopes=["ingest"])
    copy = archive_restore(_archived(full), slug=f"{full.slug}-x").factory
    try:
        with factory_context(copy):
            assert AuditEntry.objects.filter(action="api_key.created").exists()
            with connection.cursor() as cursor:
                cursor.execute("SELECT has_table_privilege(current_user, 'accounts_auditentry', 'DELETE')")
                assert cursor.fetchone() == (False,)
    finally:
        factory_delete(copy)


def _of_another_version() -> io.BytesIO:
    file = io.BytesIO()
    manifest = {
        "format": 1,
        "slug": "odd",
        "name": "Odd",
        "time_zone": "UTC",
        "migrations": "x",
        "tables": [],
    }
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        entry = tarfile.TarInfo("manifest.json")
        content = json.dumps(manifest).encode()
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    file.seek(0)
    return file


def test_what_is_no_archive_or_of_another_version_makes_no_factory(full: Factory) -> None:
    before = len(factories_all())
    whole = _archived(full).getvalue()
    for content in (b"", b"not a tar", whole[:200], whole[: len(whole) // 2]):
        with pytest.raises(ArchiveInvalidError):
            archive_restore(io.BytesIO(content), slug="cut-short")
    with pytest.raises(ArchiveVersionError):
        archive_restore(_of_another_version())
    assert len(factories_all()) == before
    assert factory_remains("cut-short") == []


def test_a_file_that_climbs_out_of_the_factory_is_refused(full: Factory) -> None:
    evil = io.BytesIO()
    with tarfile.open(fileobj=_archived(full), mode="r:gz") as good, tarfile.open(fileobj=evil, mode="w:gz") as bad:
        for member in good:
            bad.addfile(member, good.extractfile(member))
        entry = tarfile.TarInfo("files/../../escaped")
        bad.addfile(entry, io.BytesIO(b""))
    evil.seek(0)
    with pytest.raises(ArchiveInvalidError):
        archive_restore(evil, slug="climber")
    assert not (Path(settings.MEDIA_ROOT).parent / "escaped").exists()
    assert factory_remains("climber") == []


def _with_manifest(archive: io.BytesIO, **changes: object) -> io.BytesIO:
    """The same archive, as somebody may have changed the first page of it."""
    changed = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="r:gz") as good, tarfile.open(fileobj=changed, mode="w:gz") as bad:
        for member in good:
            file = good.extractfile(member)
            assert file is not None
            content = file.read()
            if member.name == "manifest.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
            member.size = len(content)
            bad.addfile(member, io.BytesIO(content))
    changed.seek(0)
    return changed


@pytest.mark.parametrize("table", ["tenants_domain", "django_migrations"])
def test_an_archive_touches_no_table_but_a_factorys(full: Factory, table: str) -> None:
    """Whoever hands one to an operator may have written it themselves."""
    hosts, archive = set(Domain.objects.values_list("domain", flat=True)), _archived(full)
    with tarfile.open(fileobj=archive) as tar:
        tables = json.loads(tar.extractfile("manifest.json").read())["tables"]  # type: ignore[union-attr]  # a file is there
    archive.seek(0)
    with pytest.raises(ArchiveInvalidError, match=table):
        archive_restore(_with_manifest(archive, tables=[*tables, table]), slug="reaching")
    assert set(Domain.objects.values_list("domain", flat=True)) == hosts
    assert factory_remains("reaching") == []


@pytest.fixture
def on_large_plan(full: Factory) -> Iterator[Factory]:
    """A factory that has been given more than whoever signs up gets."""
    free = full.plan
    with schema_context(get_public_schema_name()):
        full.plan = Plan.objects.create(slug="large", name="Large", max_machines=1_000)
        full.save(update_fields=["plan"])
    yield full
    with schema_context(get_public_schema_name()):
        Factory.objects.filter(plan__slug="large").update(plan=free)
        Plan.objects.filter(slug="large").delete()


def test_an_archive_that_this_installation_wrote_keeps_its_plan(on_large_plan: Factory) -> None:
    restored = archive_restore(_archived(on_large_plan), slug="moved")
    try:
        assert (restored.factory.plan, restored.plan_refused) == (on_large_plan.plan, "")
    finally:
        factory_delete(restored.factory)


def test_nobody_gives_a_factory_a_plan_by_writing_it_into_the_archive(on_large_plan: Factory, settings: Any) -> None:
    genuine = _archived(on_large_plan)
    on_large_plan.plan = None
    forged = _with_manifest(_archived(on_large_plan), plan="large")
    for archive, secret in (
        (forged, settings.SECRET_KEY),
        # From an installation of one's own, where plans are had for the asking.
        (genuine, "another installation's secret"),
    ):
        settings.SECRET_KEY = secret
        restored = archive_restore(archive, slug="forged")
        factory_delete(restored.factory)
        assert (str(restored.factory.plan), restored.plan_refused) == ("Free", "large")


def test_whoever_restores_chooses_the_plan(on_large_plan: Factory, tmp_path: Path) -> None:
    path = tmp_path / "one.factory.tar.gz"
    path.write_bytes(_with_manifest(_archived(on_large_plan), name="Renamed").getvalue())
    with pytest.raises(PlanUnknownError, match="free, large"):
        archive_restore(path.open("rb"), slug="moved", plan="nothing")
    told = io.StringIO()
    for plan, given, heard in (("", "free", True), ("large", "large", False)):
        told.truncate(told.seek(0))
        call_command("restore", path, slug="moved", plan=plan, stderr=told)
        moved = next(one for one in factories_all() if one.slug == "moved")
        try:
            assert (moved.name, moved.plan.slug if moved.plan else None) == ("Renamed", given)
            assert ("--plan" in told.getvalue()) is heard
        finally:
            factory_delete(moved)


@pytest.mark.parametrize(
    "changes", [{"idle_minutes": 1}, {"mfa_required": "perhaps"}, {"tables": "all"}, {"plan": None}]
)
def test_a_manifest_that_says_what_cannot_be_is_told_with_what_is_wrong(full: Factory, changes: dict[str, Any]) -> None:
    with pytest.raises(ArchiveInvalidError, match=next(iter(changes))):
        archive_restore(_with_manifest(_archived(full), **changes), slug="odd-one")
    assert factory_remains("odd-one") == []
