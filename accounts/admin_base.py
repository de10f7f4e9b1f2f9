"""What every page of the factory's admin has in common: explained fields, and an audit entry for each change."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from unfold.admin import ModelAdmin

from accounts.audit import audit_record

Text = str | Promise


class FactoryModelAdmin(ModelAdmin):
    """An admin page of a factory; only its subclasses are taken by `accounts.admin_site.FactoryAdminSite`.

    help_texts: what a field means, where the model doesn't say it in the words of whoever configures a plant.
    """

    help_texts: ClassVar[Mapping[str, Text]] = {}
    compressed_fields = True
    warn_unsaved_form = True
    list_per_page = 50

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Explain the field."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        if formfield is not None and db_field.name in self.help_texts:
            formfield.help_text = self.help_texts[db_field.name]
        return formfield

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's history and our audit trail."""
        audit_record(actor=request.user, action=f"{obj._meta.model_name}.created", target=str(obj))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's history and our audit trail, with the names of the changed fields."""
        audit_record(actor=request.user, action=f"{obj._meta.model_name}.changed", target=str(obj), changes=message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Django's history and our audit trail."""
        for obj in queryset:
            audit_record(actor=request.user, action=f"{obj._meta.model_name}.deleted", target=str(obj))
        return super().log_deletions(request, queryset)


class ReadOnlyAdmin(FactoryModelAdmin):
    """To look at: made and changed elsewhere, by the product itself or through a page that does it safely."""

    list_disable_select_all = True
    warn_unsaved_form = False
    actions: ClassVar[Sequence[Any]] = []

    def has_add_permission(self, request: HttpRequest) -> bool:  # the framework's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
