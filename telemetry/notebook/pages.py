"""Notes and documents of a machine, as its page shows them."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.permissions import page_requires
from common.errors import DomainError
from telemetry.models import Machine, MachineDocument, MachineNote
from telemetry.notebook.documents import ACCEPTED, DOCUMENT_BYTES, document_add, document_remove
from telemetry.notebook.notes import NOTE_LENGTH, may_remove, note_add, note_remove

_PART = "telemetry/partials/_notebook.html"
_MOST_NOTES = 50


@require_GET
@page_requires("view")
def notebook_part(request: HttpRequest, key: str) -> HttpResponse:
    """The notes and documents of a machine."""
    return render(request, _PART, _notebook(request, get_object_or_404(Machine, key=key)))


@require_POST
@page_requires("acknowledge")
def note_write(request: HttpRequest, key: str) -> HttpResponse:
    """Add a note."""
    machine = get_object_or_404(Machine, key=key)
    try:
        note_add(user=request.user, machine=machine, text=request.POST.get("text", ""))  # type: ignore[arg-type]
    except DomainError as error:
        return _answer(request, machine, note_error=error.detail, note_text=request.POST.get("text", ""))
    return _answer(request, machine)


@require_POST
@page_requires("view")
def note_drop(request: HttpRequest, note_id: int) -> HttpResponse:
    """Remove a note; its author may, and who configures machines."""
    note: MachineNote = get_object_or_404(MachineNote.objects.select_related("machine"), pk=note_id)
    machine = note.machine
    note_remove(user=request.user, note=note)  # type: ignore[arg-type]
    return _answer(request, machine)


@require_POST
@page_requires("acknowledge")
def document_upload(request: HttpRequest, key: str) -> HttpResponse:
    """Add a document."""
    machine = get_object_or_404(Machine, key=key)
    upload = request.FILES.get("file")
    if upload is None:
        return _answer(request, machine)
    try:
        document_add(user=request.user, machine=machine, upload=upload)  # type: ignore[arg-type]
    except DomainError as error:
        return _answer(request, machine, document_error=error.detail)
    return _answer(request, machine)


@require_POST
@page_requires("view")
def document_drop(request: HttpRequest, document_id: int) -> HttpResponse:
    """Remove a document; who added it may, and who configures machines."""
    document: MachineDocument = get_object_or_404(MachineDocument.objects.select_related("machine"), pk=document_id)
    machine = document.machine
    document_remove(user=request.user, document=document)  # type: ignore[arg-type]
    return _answer(request, machine)


@require_GET
@page_requires("view")
def document_download(request: HttpRequest, document_id: int) -> HttpResponse:
    """The file itself: always a download, never a page of ours, whatever somebody put into it."""
    document: MachineDocument = get_object_or_404(MachineDocument, pk=document_id)
    try:
        file = document.file.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(file, as_attachment=True, filename=document.name, content_type=document.content_type)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"
    return response  # type: ignore[return-value]  # a file is streamed


def _answer(request: HttpRequest, machine: Machine, **said: Any) -> HttpResponse:
    if not getattr(request, "htmx", False):
        for detail in filter(None, (said.get("note_error"), said.get("document_error"))):
            messages.error(request, detail)
        return redirect("machine", machine.key)
    status = 422 if said else 200
    return render(request, _PART, {**_notebook(request, machine), **said}, status=status)


def _notebook(request: HttpRequest, machine: Machine) -> dict[str, Any]:
    notes = list(machine.notes.all()[:_MOST_NOTES])
    documents = list(machine.documents.all())
    return {
        "machine": machine,
        "notes": [(note, may_remove(request.user, note.author_id)) for note in notes],
        "documents": [(document, may_remove(request.user, document.added_by_id)) for document in documents],
        "accepted": ACCEPTED,
        "most_mb": DOCUMENT_BYTES // 1024**2,
        "note_length": NOTE_LENGTH,
    }
