"""What people keep at a machine: notes and documents."""

from typing import ClassVar
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.context import factory_current


def document_path(document: "MachineDocument", filename: str) -> str:
    """Where a document lies in the storage: under its factory, under a name that nobody can guess or choose."""
    factory = factory_current()
    if factory is None:
        raise ValueError("a document belongs to a factory")
    return f"{factory.slug}/documents/{uuid4().hex}"


class MachineNote(models.Model):
    """What somebody wrote about a machine."""

    machine = models.ForeignKey(
        "telemetry.Machine", on_delete=models.CASCADE, related_name="notes", verbose_name=_("machine")
    )
    text = models.TextField(_("note"), max_length=4000)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("author"),
    )
    # Stays when the person has left.
    author_name = models.CharField(_("author"), max_length=254)
    written_at = models.DateTimeField(_("written"), auto_now_add=True)

    class Meta:
        verbose_name = _("machine note")
        verbose_name_plural = _("machine notes")
        ordering: ClassVar[list[str]] = ["-written_at", "-id"]

    def __str__(self) -> str:
        return self.text[:80]


class MachineDocument(models.Model):
    """A file kept at a machine: a manual, a drawing, a photograph."""

    machine = models.ForeignKey(
        "telemetry.Machine", on_delete=models.CASCADE, related_name="documents", verbose_name=_("machine")
    )
    name = models.CharField(_("name"), max_length=160)
    file = models.FileField(_("file"), upload_to=document_path, max_length=200)
    size = models.PositiveBigIntegerField(_("size"), help_text=_("In bytes."))
    content_type = models.CharField(max_length=100)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("added by"),
    )
    added_by_name = models.CharField(_("added by"), max_length=254)
    added_at = models.DateTimeField(_("added"), auto_now_add=True)

    class Meta:
        verbose_name = _("machine document")
        verbose_name_plural = _("machine documents")
        ordering: ClassVar[list[str]] = ["name", "id"]

    def __str__(self) -> str:
        return self.name
