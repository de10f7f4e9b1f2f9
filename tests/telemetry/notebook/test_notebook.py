"""Notes and documents at a machine: who writes, who removes, what is kept, and that strangers find nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from accounts.models import User
from telemetry.machines import machine_delete
from telemetry.models import Machine, MachineDocument, MachineNote
from telemetry.notebook import documents
from telemetry.notebook.documents import DocumentRefusedError, DocumentsLimitError, document_add
from tenants.context import factory_context
from tenants.models import Factory
from tenants.provisioning import factory_delete
from tests.conftest import FactoryClient, host_of

Clients = Callable[..., FactoryClient]
PDF = b"%PDF-1.7\nhow to grease the bearing\n%%EOF"


@pytest.fixture(autouse=True)
def _files_here(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def pump(in_acme: Factory) -> Machine:
    return Machine.objects.create(key="M07/pump")


def upload(name: str = "manual.pdf", content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_operator_writes_a_note_that_everybody_reads_and_only_they_or_an_admin_remove(
    pump: Machine, operator: User, viewer: User, admin: User, client_for: Clients
) -> None:
    client = client_for(operator)
    assert client.post(f"/notes/add/{pump.key}", {"text": "Listen at the <b>coupling</b>"}).status_code == 302
    note = MachineNote.objects.get()
    part = client_for(viewer).get(f"/parts/notebook/{pump.key}").content.decode()
    assert "Listen at the &lt;b&gt;coupling&lt;/b&gt;" in part
    assert "note-text" not in part, "a viewer sees no field to write in"
    assert client_for(viewer).post(f"/notes/add/{pump.key}", {"text": "x"}).status_code == 403
    assert client_for(viewer).post(f"/notes/{note.pk}/remove").status_code == 403
    assert MachineNote.objects.count() == 1
    assert client_for(admin).post(f"/notes/{note.pk}/remove").status_code == 302
    assert MachineNote.objects.count() == 0


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 4001])
def test_note_that_says_nothing_or_too_much_is_refused_and_keeps_what_was_typed(
    text: str, pump: Machine, operator: User, client_for: Clients
) -> None:
    answer = client_for(operator).post(f"/notes/add/{pump.key}", {"text": text}, HTTP_HX_REQUEST="true")
    assert answer.status_code == 422
    assert b"field--wrong" in answer.content
    assert MachineNote.objects.count() == 0


def test_document_comes_back_as_the_bytes_it_was_and_never_as_a_page(
    pump: Machine, operator: User, viewer: User, client_for: Clients, tmp_path: Path
) -> None:
    html = b"<script>alert(1)</script>"
    for name, content in (("manual.pdf", PDF), ("note.txt", html)):
        assert (
            client_for(operator).post(f"/documents/add/{pump.key}", {"file": upload(name, content)}).status_code == 302
        )
    for document, content in zip(MachineDocument.objects.order_by("name"), (PDF, html), strict=True):
        answer = client_for(viewer).get(f"/documents/{document.pk}")
        assert b"".join(answer.streaming_content) == content
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
    paths = kept(tmp_path)
    assert len(paths) == 2
    assert all(path.parent == tmp_path / "acme" / "documents" and "manual" not in path.name for path in paths)


def test_stranger_finds_no_document_of_another_factory(
    pump: Machine, operator: User, outsider: User, client_for: Clients, anonymous: FactoryClient
) -> None:
    document = document_add(user=operator, machine=pump, upload=upload())
    address = f"/documents/{document.pk}"
    assert client_for(outsider).get(address).status_code == 404, "in their own factory there is none"
    assert client_for(outsider, at="acme").get(address).status_code == 302, "at acme they are nobody"
    assert anonymous.get(address).status_code == 302
    assert FactoryClient(host=host_of("acme")).post(f"{address}/remove").status_code in {302, 403}
    assert MachineDocument.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", b"<html>"),
        ("picture.svg", b"<svg/>"),
        ("run.exe", b"MZ"),
        ("manual", PDF),
        (".pdf", PDF),
        ("manual.pdf", b"MZ not a pdf"),
        ("photo.png", PDF),
        ("empty.pdf", b""),
        ("list.csv", b"a,\0b"),
    ],
)
def test_file_that_is_not_kept_here_is_refused(
    name: str, content: bytes, pump: Machine, operator: User, tmp_path: Path
) -> None:
    with pytest.raises(DocumentRefusedError):
        document_add(user=operator, machine=pump, upload=upload(name, content))
    assert kept(tmp_path) == []


def test_limits_of_size_and_number_hold(
    pump: Machine, operator: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_BYTES", 100)
    with pytest.raises(DocumentRefusedError):
        document_add(user=operator, machine=pump, upload=upload(content=PDF + b"x" * 100))
    monkeypatch.setattr(documents, "DOCUMENTS_PER_MACHINE", 1)
    document_add(user=operator, machine=pump, upload=upload())
    with pytest.raises(DocumentsLimitError):
        document_add(user=operator, machine=pump, upload=upload())
    monkeypatch.setattr(documents, "DOCUMENTS_PER_MACHINE", 9)
    monkeypatch.setattr(documents, "FACTORY_BYTES", len(PDF))
    with pytest.raises(DocumentsLimitError):
        document_add(user=operator, machine=pump, upload=upload())
    assert len(kept(tmp_path)) == 1


def test_path_in_a_name_is_no_path(pump: Machine, operator: User) -> None:
    document = document_add(user=operator, machine=pump, upload=upload("..\\..\\etc\\pass\nwd.pdf"))
    assert document.name == "passwd.pdf"


def test_nothing_of_a_removed_document_or_machine_stays(
    pump: Machine, operator: User, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    first = document_add(user=operator, machine=pump, upload=upload())
    document_add(user=operator, machine=pump, upload=upload("second.pdf"))
    with django_capture_on_commit_callbacks(execute=True):
        documents.document_remove(user=operator, document=first)
    assert len(kept(tmp_path)) == 1
    with django_capture_on_commit_callbacks(execute=True):
        machine_delete(actor=operator, machine=pump)
    assert kept(tmp_path) == []


def test_file_whose_row_could_not_be_written_is_not_kept(
    pump: Machine, operator: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "audit_record", lambda **_: (_ for _ in ()).throw(RuntimeError("no audit")))
    with pytest.raises(RuntimeError), transaction.atomic():
        document_add(user=operator, machine=pump, upload=upload())
    assert kept(tmp_path) == []


def test_nothing_of_a_deleted_factory_stays(live_factories: Callable[..., Factory], tmp_path: Path) -> None:
    going, staying = live_factories(), live_factories()
    for factory in (going, staying):
        with factory_context(factory):
            user = User.objects.create_user(email="a@x.example", password=None)
            machine = Machine.objects.create(key="M01")
            document_add(user=user, machine=machine, upload=upload())
    factory_delete(going)
    assert [path.parent.parent.name for path in kept(tmp_path)] == [staying.slug]
