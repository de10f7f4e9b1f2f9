"""Notes and documents in the admin: to be looked through and removed; they are added at the machine."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_base import ReadOnlyAdmin
from telemetry.models import MachineDocument, MachineNote


class _AddedAtTheMachine(ReadOnlyAdmin):
    """Nothing is added or changed here; what does not belong is removed."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(super(ReadOnlyAdmin, self).has_delete_permission(request, obj))


@admin.register(MachineNote)
class MachineNoteAdmin(_AddedAtTheMachine):
    """What people wrote."""

    list_display: ClassVar[list[str]] = ["machine", "text", "author_name", "written_at"]
    list_filter: ClassVar[list[str]] = ["machine"]
    search_fields: ClassVar[list[str]] = ["text", "author_name"]


@admin.register(MachineDocument)
class MachineDocumentAdmin(_AddedAtTheMachine):
    """What people added."""

    list_display: ClassVar[list[str]] = ["name", "machine", "size", "added_by_name", "added_at"]
    list_filter: ClassVar[list[str]] = ["machine"]
    search_fields: ClassVar[list[str]] = ["name"]
    # The file has no address of its own.
    exclude: ClassVar[list[str]] = ["file"]
