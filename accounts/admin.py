"""People, invitations, keys and the audit trail in the factory's admin; the rules are those of the pages."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import staff_pages, staff_second_factor  # noqa: F401  # bring their pages to the staff's site
from accounts.admin_base import FactoryModelAdmin, ReadOnlyAdmin
from accounts.api_keys import api_key_revoke
from accounts.invitations import invitation_revoke
from accounts.models import ApiKey, AuditEntry, Invitation, User
from accounts.people import (
    RANK,
    person_asking,
    person_deactivate,
    person_deactivate_check,
    person_reactivate,
    role_change,
    role_change_check,
    roles_grantable,
)
from common.errors import DomainError


class PersonForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A person's name, role and whether they may sign in; `actor` is set by the admin page."""

    actor: ClassVar[User]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields:
            choices = [(role.value, role.label) for role in roles_grantable(self.actor)]
            self.fields["role"].choices = choices  # type: ignore[attr-defined]  # and its widget's with it

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        person = User.objects.get(pk=self.instance.pk)
        try:
            if data.get("role", person.role) != person.role:
                role_change_check(actor=self.actor, person=person, role=data["role"])
            if person.is_active and data.get("is_active") is False:
                person_deactivate_check(actor=self.actor, person=person)
        except DomainError as error:
            raise forms.ValidationError(error.detail, code=error.code) from error
        return data


@admin.register(User)
class PersonAdmin(FactoryModelAdmin):
    """Everybody in this factory. New people come by invitation, from the People page."""

    form = PersonForm
    list_display: ClassVar[list[str]] = ["email", "first_name", "last_name", "role", "is_active", "last_login"]
    list_filter: ClassVar[list[str]] = ["role", "is_active"]
    search_fields: ClassVar[list[str]] = ["email", "first_name", "last_name"]
    fields: ClassVar[list[str]] = ["email", "first_name", "last_name", "role", "is_active", "last_login", "date_joined"]
    readonly_fields: ClassVar[list[str]] = ["email", "last_login", "date_joined"]
    help_texts: ClassVar[dict[str, Any]] = {
        "first_name": _("Shown beside what the person does."),
        "last_name": _("Shown beside what the person does."),
        "role": _(
            "Viewers look; operators also acknowledge alerts; supervisors also make reports and rules; admins also "
            "configure equipment and people; owners also make other owners."
        ),
        "is_active": _("Switched off, the person is shut out at once; what they did stays."),
    }

    def has_add_permission(self, request: HttpRequest) -> bool:  # people come by invitation
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # deactivated instead, so that the past keeps its names

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or RANK[obj.role] <= RANK[person_asking(request).role])

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.actor = request.user
        return form

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """By the same functions as the People page, so that the same is checked and written down."""
        person, actor = User.objects.get(pk=obj.pk), form.actor
        if person.role != obj.role:  # else a role of the factory's own would be taken away
            role_change(actor=actor, person=person, role=obj.role)
        if person.is_active != obj.is_active:
            (person_reactivate if obj.is_active else person_deactivate)(actor=actor, person=person)
        User.objects.filter(pk=obj.pk).update(first_name=obj.first_name, last_name=obj.last_name)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Who was invited, by whom, and what became of it. Invite from the People page."""

    list_display: ClassVar[list[str]] = [
        "email",
        "role",
        "invited_by",
        "created_at",
        "expires_at",
        "accepted_at",
        "revoked_at",
    ]
    list_filter: ClassVar[list[str]] = ["role"]
    search_fields: ClassVar[list[str]] = ["email"]
    exclude: ClassVar[list[str]] = ["token_hash"]
    actions: ClassVar[list[str]] = ["revoke"]

    @admin.action(description=_("Revoke"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        """Take the chosen invitations back."""
        for invitation in queryset:
            try:
                invitation_revoke(actor=person_asking(request), invitation=invitation)
            except DomainError as error:
                self.message_user(request, f"{invitation}: {error.detail}", messages.ERROR)
            else:
                self.message_user(request, _("%(name)s: revoked.") % {"name": invitation})


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys of devices and programs. Make them on the API keys page, where they are shown once."""

    list_display: ClassVar[list[str]] = [
        "name",
        "prefix",
        "scopes",
        "created_by",
        "created_at",
        "last_used_at",
        "revoked_at",
    ]
    search_fields: ClassVar[list[str]] = ["name", "prefix"]
    exclude: ClassVar[list[str]] = ["secret_hash"]
    actions: ClassVar[list[str]] = ["revoke"]

    @admin.action(description=_("Revoke: devices with this key are refused at once"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Revoke the chosen keys."""
        for key in queryset.filter(revoked_at=None):
            api_key_revoke(key=key, revoked_by=person_asking(request))
            self.message_user(request, _("%(name)s: revoked.") % {"name": key})


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what, when: written with the deed, changed by nobody."""

    list_display: ClassVar[list[str]] = ["at", "actor", "action", "target", "details"]
    list_filter: ClassVar[list[str]] = ["action"]
    search_fields: ClassVar[list[str]] = ["actor", "action", "target"]
    date_hierarchy = "at"
