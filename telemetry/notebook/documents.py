"""Documents at a machine: what may be added, where it is kept, and that nothing of it stays behind."""

from __future__ import annotations  # an uploaded file is generic for the type checker alone

from typing import Any

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Sum
from django.db.models.signals import post_delete
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import User
from common.errors import InvalidInputError, LimitReachedError
from telemetry.models import Machine, MachineDocument
from telemetry.notebook.notes import require_own
from telemetry.notebook.scanning import file_scan
from tenants.models import Factory

DOCUMENT_BYTES = 20 * 1024**2
DOCUMENTS_PER_MACHINE = 200
FACTORY_BYTES = 2 * 1024**3
_NAME_LENGTH = 160

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# By the name's end: the type it is sent with, and how such a file begins (several ways, or any for text).
_TYPES: dict[str, tuple[str, tuple[bytes, ...]]] = {
    "pdf": ("application/pdf", (b"%PDF-",)),
    "png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
    "jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    "webp": ("image/webp", (b"RIFF",)),
    "txt": ("text/plain; charset=utf-8", ()),
    "csv": ("text/csv; charset=utf-8", ()),
    "docx": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", (_ZIP,)),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", (_ZIP,)),
    "odt": ("application/vnd.oasis.opendocument.text", (_ZIP,)),
    "ods": ("application/vnd.oasis.opendocument.spreadsheet", (_ZIP,)),
    "doc": ("application/msword", (_OLE,)),
    "xls": ("application/vnd.ms-excel", (_OLE,)),
    "dxf": ("image/vnd.dxf", ()),
}
ACCEPTED = ",".join(f".{ending}" for ending in _TYPES)


class DocumentRefusedError(InvalidInputError):
    """The file is none that is kept here."""

    code = "document_refused"


class DocumentsLimitError(LimitReachedError):
    """There is no room for another document."""

    code = "documents_limit"
    status = 403


def document_add(*, user: User, machine: Machine, upload: UploadedFile[Any]) -> MachineDocument:
    """Keep a file at a machine.

    Raises DocumentRefusedError, DocumentsLimitError, FileInfectedError, ScannerAwayError.
    """
    name = _name(upload.name or "")
    content_type = _content_type(name, upload)
    size = upload.size or 0
    _room_check(machine, size)
    # Last, because it takes longest; and before a transaction holds anything.
    file_scan(upload)
    with transaction.atomic():
        document = MachineDocument(
            machine=machine,
            name=name,
            size=size,
            content_type=content_type,
            added_by_id=user.pk,
            added_by_name=str(user),
        )
        document.file.save(name, upload, save=False)
        # The file is there before its row: a row without a file would be a promise that nobody can keep.
        try:
            document.save(force_insert=True)
            audit_record(actor=user, action="document.added", target=machine.key, name=name, bytes=size)
        except BaseException:
            document.file.delete(save=False)
            raise
    return document


def document_remove(*, user: User, document: MachineDocument) -> None:
    """Take a document away, with its file. Raises NotYoursError."""
    require_own(user, document.added_by_id)
    with transaction.atomic():
        audit_record(actor=user, action="document.removed", target=document.machine.key, name=document.name)
        document.delete()


def _name(text: str) -> str:
    """A file's own name without a path, and without what could be read as one."""
    name = text.replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in name if letter.isprintable()).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if not stem or not dot:
        raise DocumentRefusedError(_("The file needs a name with an ending, such as manual.pdf."))
    return f"{stem[: _NAME_LENGTH - len(ending) - 1]}.{ending}"


def _content_type(name: str, upload: UploadedFile[Any]) -> str:
    """What it is sent as later, from its ending, if it begins as such a file does. Raises DocumentRefusedError."""
    ending = name.rpartition(".")[2].lower()
    if ending not in _TYPES:
        endings = ", ".join(_TYPES)
        raise DocumentRefusedError(
            _("Files of this kind are not kept here. These are: %(endings)s.") % {"endings": endings}
        )
    size = upload.size or 0
    if size == 0:
        raise DocumentRefusedError(_("The file is empty."))
    if size > DOCUMENT_BYTES:
        raise DocumentRefusedError(_("The file is larger than %(number)s MB.") % {"number": DOCUMENT_BYTES // 1024**2})
    content_type, beginnings = _TYPES[ending]
    upload.seek(0)
    head = upload.read(1024)
    upload.seek(0)
    is_text = not beginnings and b"\0" not in head
    if not (is_text or any(head.startswith(beginning) for beginning in beginnings)):
        raise DocumentRefusedError(_("This is not what its name says: a .%(ending)s file.") % {"ending": ending})
    return content_type


def _room_check(machine: Machine, size: int) -> None:
    # All of the factory's, whatever part of it this person sees.
    kept = MachineDocument._base_manager.aggregate(total=Sum("size"))["total"] or 0
    if kept + size > FACTORY_BYTES:
        raise DocumentsLimitError(
            _("The factory's documents would need more than %(number)s GB.") % {"number": FACTORY_BYTES // 1024**3}
        )
    if MachineDocument._base_manager.filter(machine=machine).count() >= DOCUMENTS_PER_MACHINE:
        raise DocumentsLimitError(_("A machine has %(number)s documents at most.") % {"number": DOCUMENTS_PER_MACHINE})


def _file_goes(instance: MachineDocument, **_kwargs: Any) -> None:
    storage, name = instance.file.storage, str(instance.file.name)
    # Only when the row is gone for good; machines that are deleted take their documents along this way too.
    transaction.on_commit(lambda: storage.delete(name))


def _factory_gone(instance: Factory, **_kwargs: Any) -> None:
    """Its address may be given to somebody else: nothing of it stays in the storage either."""
    folder = f"{instance.slug}/documents"

    def remove() -> None:
        try:
            _folders, names = default_storage.listdir(folder)
        except FileNotFoundError:
            return  # nobody has added anything
        for name in names:
            default_storage.delete(f"{folder}/{name}")

    transaction.on_commit(remove)


def connect() -> None:
    """Called once, when Django is ready."""
    post_delete.connect(_factory_gone, sender=Factory, dispatch_uid="telemetry.notebook.documents.factory")
    post_delete.connect(_file_goes, sender=MachineDocument, dispatch_uid="telemetry.notebook.documents")
