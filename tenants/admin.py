"""The staff admin on the public host: which factories there are, on which plan. Never a factory's own data."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.contrib.auth import get_user_model
from django.contrib.messages.storage.base import Message
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver
from django.utils.translation import gettext_lazy as _
from django_tenants.utils import get_public_schema_name
from unfold.admin import ModelAdmin, TabularInline

from tenants.admin_sites import ScriptedAdminSite
from tenants.life import factory_resume, factory_suspend
from tenants.models import Domain, Factory, Plan


class StaffSite(ScriptedAdminSite):
    """For platform staff alone: people with `is_staff` in the public schema."""

    settings_name = "UNFOLD_STAFF"
    site_title = _("FactoryPulse staff")
    site_header = _("FactoryPulse staff")
    index_title = _("Factories and plans")

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        # Other rooms stand above this one: they bring their pages here, wrapped in `admin_view`.
        self.pages: list[URLPattern] = []
        # And what staff has to know on whatever page: each returns a sentence, or nothing to say.
        self.notices: list[Callable[[], str]] = []

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The pages of other rooms, and the framework's."""
        return [*self.pages, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows, the notices before the messages of what was done last."""
        context: dict[str, Any] = super().each_context(request)
        notices = [notice for notice in (told() for told in self.notices) if notice]
        if notices and self.has_permission(request):
            shown = [Message(messages.ERROR, notice) for notice in notices]
            context["messages"] = [*shown, *messages.get_messages(request)]
        return context

    def has_permission(self, request: HttpRequest) -> bool:
        """A factory's owner is nobody here, because users of a factory don't exist in the public schema."""
        on_public_site = getattr(request, "tenant", None) and request.tenant.schema_name == get_public_schema_name()  # type: ignore[attr-defined]
        return bool(on_public_site and request.user.is_active and getattr(request.user, "is_staff", False))


staff_site = StaffSite("staff")


class DomainInline(TabularInline):
    """The host names of a factory; made with it, so shown and not changed."""

    model = Domain
    extra = 0
    can_delete = False
    readonly_fields: ClassVar[list[str]] = ["domain", "is_primary"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FactoryAdmin(ModelAdmin):
    """Factories are made by sign-up or `create_factory` and deleted by `delete_factory`, never here."""

    list_display: ClassVar[list[str]] = ["name", "slug", "plan", "state", "time_zone", "created_at"]
    list_filter: ClassVar[list[Any]] = ["plan", ("suspended_at", EmptyFieldListFilter)]
    search_fields: ClassVar[list[str]] = ["name", "slug"]
    readonly_fields: ClassVar[list[str]] = [
        "slug", "schema_name", "created_at", "suspended_at", "delete_after_at", "mfa_required", "idle_minutes",
    ]  # fmt: skip
    inlines: ClassVar[list[Any]] = [DomainInline]
    actions: ClassVar[list[str]] = ["suspend", "resume"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **given: Any) -> Any:
        """With what the reason is for."""
        given["labels"] = {"suspended_reason": _("Reason of a suspension")}
        given["help_texts"] = {
            "suspended_reason": _(
                "Shown to whoever knocks while it is suspended. Save it, then suspend it in the list."
            )
        }
        return super().get_form(request, obj, change, **given)

    @admin.display(description=_("State"))
    def state(self, factory: Factory) -> Any:
        """Open, suspended, or about to be deleted."""
        if factory.delete_after_at:
            return _("leaving")
        return _("suspended") if factory.suspended_at else _("open")

    @admin.action(description=_("Suspend: every door is shut within a second"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Factory]) -> None:
        """Shut the chosen factories."""
        for factory in queryset.filter(suspended_at=None):
            factory_suspend(factory, reason=factory.suspended_reason)
            self.log_change(request, factory, "suspended")
            self.message_user(request, _("%(name)s is suspended.") % {"name": factory})

    @admin.action(description=_("Open again"))
    def resume(self, request: HttpRequest, queryset: QuerySet[Factory]) -> None:
        """Open the chosen factories."""
        for factory in queryset.exclude(suspended_at=None):
            factory_resume(factory)
            self.log_change(request, factory, "opened again")
            self.message_user(request, _("%(name)s is open.") % {"name": factory})

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).exclude(schema_name=get_public_schema_name()).select_related("plan")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PlanAdmin(ModelAdmin):
    """What each plan allows."""

    list_display: ClassVar[list[str]] = [
        "name", "max_machines", "max_metrics_per_machine", "max_series", "max_readings_per_s", "retention_days",
    ]  # fmt: skip


class StaffUserAdmin(ModelAdmin):
    """Platform staff. Passwords are set with `manage.py changepassword`."""

    list_display: ClassVar[list[str]] = ["email", "is_staff", "is_superuser", "is_active", "last_login"]
    fields: ClassVar[list[str]] = ["email", "first_name", "last_name", "is_staff", "is_superuser", "is_active"]


staff_site.register(Factory, FactoryAdmin)
staff_site.register(Plan, PlanAdmin)
staff_site.register(get_user_model(), StaffUserAdmin)
