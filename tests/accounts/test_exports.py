"""A whole factory is taken along in the background: asked for, watched, fetched for a day, gone; page and API alike."""

import io
import tarfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from accounts import exports
from accounts.exports import export_make, export_request, exports_tend
from accounts.models import AuditEntry, ExportState, FactoryExport, User
from accounts.tasks import export_make_task, tend_exports
from accounts.tokens import tokens_issue
from common import clock
from tenants.archive import archive_restore
from tenants.context import factory_context, factory_get
from tenants.models import Factory
from tenants.provisioning import factory_delete
from tenants.remains import factory_remains
from tests.conftest import PASSWORD, FactoryClient, host_of, person_make

ClientFor = Callable[..., FactoryClient]


@pytest.fixture
def program(live_factory: Factory) -> FactoryClient:
    """An owner's program, by token."""
    owner = person_make(live_factory, "olga@live.example", "owner")
    with factory_context(live_factory):
        access = tokens_issue(owner)["access"]
    return FactoryClient(host=host_of(live_factory), HTTP_AUTHORIZATION=f"Bearer {access}")


@pytest.fixture
def unsent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the worker would be told; the test is the worker."""
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(export_make_task, "for_factory", lambda slug, pk: sent.append((slug, pk)))
    return sent


def test_a_program_exports_the_factory_and_another_one_is_made_of_the_file(
    live_factory: Factory, program: FactoryClient, unsent: list[tuple[str, int]]
) -> None:
    default_storage.save(f"{live_factory.slug}/documents/manual", ContentFile(b"\0manual"))
    asked = program.post("/api/v1/factory/exports")
    assert (asked.status_code, asked.json()["state"], asked.json()["download"]) == (202, "waiting", None)
    export_id = asked.json()["id"]
    assert unsent == [(live_factory.slug, export_id)]
    assert program.post("/api/v1/factory/exports").json()["code"] == "export_under_way"
    assert program.get(f"/api/v1/factory/exports/{export_id}/file").status_code == 410
    with factory_context(live_factory):
        export_make(export_id, factory=live_factory)
    told = program.get(f"/api/v1/factory/exports/{export_id}").json()
    assert (told["state"], told["progress"]) == ("ready", None)
    answer = program.get(told["download"])
    content = b"".join(answer.streaming_content)
    assert len(content) == told["size_bytes"]
    assert "no-store" in answer["Cache-Control"]
    with factory_context(live_factory):
        assert AuditEntry.objects.filter(action="factory.exported", actor="olga@live.example").count() == 1
    factory_delete(live_factory)
    assert factory_remains(live_factory.slug) == [], "the export itself is gone with its factory"
    restored = archive_restore(io.BytesIO(content)).factory
    try:
        with factory_context(restored):
            assert User.objects.get().email == "olga@live.example"
            assert not FactoryExport.objects.exists()
        with default_storage.open(f"{restored.slug}/documents/manual") as file:
            assert file.read() == b"\0manual"
    finally:
        factory_delete(restored)


def test_an_export_holds_no_earlier_export(live_factory: Factory) -> None:
    default_storage.save(f"{live_factory.slug}/exports/1-x.factory.tar.gz", ContentFile(b"earlier"))
    with factory_context(live_factory):
        export = FactoryExport.objects.create()
        export_make(export.pk, factory=live_factory)
        export.refresh_from_db()
    with default_storage.open(export.path, "rb") as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
        assert not [name for name in tar.getnames() if "exports" in name or "factoryexport" in name]


def test_the_file_goes_after_a_day_and_says_so(
    in_acme: Factory, owner: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = FactoryExport.objects.create()
    export_make(export.pk, factory=in_acme)
    export.refresh_from_db()
    browser, path = client_for(owner), f"/factory/exports/{export.pk}/file"
    assert path in browser.get("/factory/exports").content.decode()
    assert browser.get(path).status_code == 200
    later = clock.now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    # The link is dead by the clock, whether or not anybody has cleaned up.
    assert client_for(owner).get(path).status_code == 410
    assert default_storage.exists(export.path)
    with factory_context(in_acme):
        assert exports_tend() == []
        export_after = FactoryExport.objects.get(pk=export.pk)
    assert (export_after.state, export_after.path) == (ExportState.EXPIRED, "")
    assert not default_storage.exists(export.path)


def test_the_page_shows_how_far_it_is_and_asks_again(in_acme: Factory, owner: User, client_for: ClientFor) -> None:
    export = FactoryExport.objects.create(state=ExportState.RUNNING)
    cache.set(f"export:{export.pk}", ["tables", 12, 80], timeout=60)
    page = client_for(owner).get("/factory/exports").content.decode()
    assert "Tables" in page
    assert "12 / 80" in page
    assert 'hx-trigger="poll"' in page
    assert "Export the factory" not in page


def test_progress_is_told_while_it_is_written(in_acme: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    export = FactoryExport.objects.create()
    seen = []
    monkeypatch.setattr(exports, "_TOLD_EVERY_S", 0.0)
    tell = cache.set

    def watched(key: str, value: object, **rest: object) -> None:
        tell(key, value, **rest)
        seen.append(exports.export_progress(FactoryExport.objects.get(pk=export.pk)))

    monkeypatch.setattr(cache, "set", watched)
    export_make(export.pk, factory=in_acme)
    stages = [progress.stage for progress in seen if progress]
    assert stages[0] == "tables"
    done = [progress.done for progress in seen if progress and progress.stage == "tables"]
    assert done == list(range(len(done)))
    assert len(done) > 20


def test_one_that_fails_says_so_and_makes_room_for_the_next(
    in_acme: Factory, owner: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = FactoryExport.objects.create()

    def full(*_args: object, **_named: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(exports, "archive_write", full)
    export_make(export.pk, factory=in_acme)
    assert FactoryExport.objects.get().state == ExportState.FAILED
    assert "It could not be written" in client_for(owner).get("/factory").content.decode()
    with factory_context(in_acme):
        assert export_request(actor=owner, factory=in_acme).state == ExportState.WAITING


def test_a_writer_that_was_killed_is_replaced_and_one_that_lives_is_not_doubled(in_acme: Factory) -> None:
    export = FactoryExport.objects.create(state=ExportState.RUNNING)
    FactoryExport.objects.update(requested_at=clock.now() - timedelta(minutes=11))
    cache.set(f"export:{export.pk}", ["readings", 5, 9], timeout=60)
    assert exports_tend() == []
    export_make(export.pk, factory=in_acme)
    assert FactoryExport.objects.get().state == ExportState.RUNNING, "told twice, and the writer lives"
    cache.delete(f"export:{export.pk}")
    assert exports_tend() == [export.pk]
    export_make(export.pk, factory=in_acme)
    assert FactoryExport.objects.get().state == ExportState.READY


def test_the_clock_visits_every_factory(acme: Factory, borg: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts import tasks

    visited: list[str] = []
    monkeypatch.setattr(tasks.tend_exports_in_factory, "for_factory", visited.append)
    tend_exports()
    assert {"acme", "borg"} <= set(visited)


def test_a_program_renames_deletes_and_keeps_the_factory(live_factory: Factory, program: FactoryClient) -> None:
    assert program.get("/api/v1/factory").json()["address"] == live_factory.slug
    changed = program.patch("/api/v1/factory", {"name": "Mill 2"}, content_type="application/json")
    assert changed.json()["name"] == "Mill 2"
    bad = program.patch("/api/v1/factory", {"time_zone": "Mars/Olympus"}, content_type="application/json")
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "time_zone")
    wrong = {"confirm": live_factory.slug, "password": "another"}
    refused = program.post("/api/v1/factory/deletion", wrong, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "deletion_unproven")
    proof = {"confirm": live_factory.slug, "password": PASSWORD}
    begun = program.post("/api/v1/factory/deletion", proof, content_type="application/json")
    assert (begun.status_code, begun.json()["delete_after_at"] is not None) == (202, True)
    assert program.get("/api/v1/machines").json()["code"] == "factory_leaving"
    assert program.post("/api/v1/factory/deletion", proof, content_type="application/json").status_code == 409
    login = {"email": "olga@live.example", "password": PASSWORD}
    fresh = FactoryClient(host=host_of(live_factory)).post("/api/v1/auth/login", login, content_type="application/json")
    assert fresh.status_code == 200, "an owner who has no token left gets one to take it back"
    assert program.delete("/api/v1/factory/deletion").json()["delete_after_at"] is None
    assert program.get("/api/v1/machines").status_code == 200
    assert factory_get(live_factory.slug).name == "Mill 2"


def test_guessing_the_password_of_a_deletion_is_slowed_down(live_factory: Factory, program: FactoryClient) -> None:
    wrong = {"confirm": live_factory.slug, "password": "another"}
    answers = [
        program.post("/api/v1/factory/deletion", wrong, content_type="application/json").status_code for _ in range(11)
    ]
    assert answers == [400] * 10 + [429]


@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_others_see_what_the_factory_is_called_and_change_nothing(
    acme: Factory, client_for: ClientFor, role: str
) -> None:
    browser = client_for(person_make(acme, f"{role}@acme.example", role))
    assert browser.get("/api/v1/factory").status_code == 200
    assert browser.patch("/api/v1/factory", {"name": "x"}, content_type="application/json").status_code == 403
    assert browser.post("/api/v1/factory/exports").status_code == 403
    assert browser.delete("/api/v1/factory/deletion").status_code == 403
