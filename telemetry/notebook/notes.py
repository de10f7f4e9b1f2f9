"""Notes at a machine: written by whoever handles its alerts, removed by their author or whoever configures it."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import User
from accounts.permissions import EQUIPMENT, permits
from common.errors import InvalidInputError, NotPermittedError
from telemetry.models import Machine, MachineNote

NOTE_LENGTH = 4_000


class NoteInvalidError(InvalidInputError):
    """The note says nothing, or too much."""

    code = "note_invalid"


class NotYoursError(NotPermittedError):
    """Somebody else wrote or added it."""

    code = "not_yours"


def note_add(*, user: User, machine: Machine, text: str) -> MachineNote:
    """Keep a note. Raises NoteInvalidError."""
    text = text.replace("\0", "").strip()
    if not text:
        raise NoteInvalidError(_("Write something first."))
    if len(text) > NOTE_LENGTH:
        raise NoteInvalidError(_("A note has %(number)s characters at most.") % {"number": NOTE_LENGTH})
    with transaction.atomic():
        note = MachineNote.objects.create(machine=machine, text=text, author_id=user.pk, author_name=str(user))
        audit_record(actor=user, action="note.added", target=machine.key)
    return note


def note_remove(*, user: User, note: MachineNote) -> None:
    """Take a note away. Raises NotYoursError."""
    require_own(user, note.author_id)
    with transaction.atomic():
        audit_record(actor=user, action="note.removed", target=note.machine.key, text=note.text[:200])
        note.delete()


def may_remove(user: Any, author_id: int | None) -> bool:
    """Whether this person may take away what that person wrote or added."""
    return (author_id is not None and author_id == user.pk) or permits(user, EQUIPMENT)


def require_own(user: Any, author_id: int | None) -> None:
    """Raises NotYoursError unless this person may take it away."""
    if not may_remove(user, author_id):
        raise NotYoursError(_("Only whoever added this, or an admin, can remove it."))
