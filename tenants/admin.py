"""The staff admin on the public host: which factories there are, on which plan. Never a factory's own data."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.contrib.auth import get_user_model
from django.contrib.messages.storage.base import Message
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils.translation import gettext_lazy as _
from django_tenants.utils import get_public_schema_name
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from tenants.admin_sites import ScriptedAdminSite
from tenants.life import factory_resume, factory_suspend, others_told
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


class SuspendForm(BaseDialogForm):
    """Why a factory's doors are shut."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("Shown to whoever knocks while it is suspended."),
        widget=UnfoldAdminTextInputWidget,
    )


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
    actions_detail: ClassVar[list[str]] = ["suspend_this", "resume_this"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **given: Any) -> Any:
        """With what the reason is for."""
        given["labels"] = {"suspended_reason": _("Reason of a suspension")}
        given["help_texts"] = {
            "suspended_reason": _("Shown to whoever knocks while it is suspended; “Suspend” above asks for it.")
        }
        return super().get_form(request, obj, change, **given)

    def save_model(self, request: HttpRequest, obj: Factory, form: Any, change: bool) -> None:
        """Its own people read in their trail what became of it."""
        named = [name for name in ("name", "plan", "time_zone") if name in form.changed_data]
        held = Factory.objects.get(pk=obj.pk)
        before, after = ({name: str(getattr(one, name)) for name in named} for one in (held, obj))
        super().save_model(request, obj, form, change)
        if named:
            others_told(obj, deed="changed", by=_named(request), before=before, after=after)

    @admin.display(description=_("State"))
    def state(self, factory: Factory) -> Any:
        """Open, suspended, or about to be deleted."""
        if factory.delete_after_at:
            return _("leaving")
        return _("suspended") if factory.suspended_at else _("open")

    @action(
        description=_("Suspend"),
        url_path="suspend",
        permissions=["suspend"],
        icon="block",
        variant=ActionVariant.DANGER,
        dialog={
            "title": _("Suspend this factory?"),
            "description": _("Every door is shut within a second: pages, devices and sockets. Nothing is lost."),
            "form_class": SuspendForm,
            "form_submit_text": _("Suspend"),
        },
    )
    def suspend_this(self, request: HttpRequest, form: SuspendForm, object_id: str) -> HttpResponse:
        """Shut the factory that is shown, for a reason."""
        factory = self._factory(request, object_id)
        factory_suspend(factory, reason=form.cleaned_data["reason"], by=_named(request))
        return self._done(request, factory, "suspended", _("%(name)s is suspended."))

    @action(
        description=_("Open again"),
        url_path="resume",
        permissions=["resume"],
        icon="lock_open",
        dialog={
            "title": _("Open this factory again?"),
            "description": _("Pages, devices and sockets are let in as before."),
            "form_class": BaseDialogForm,
            "form_submit_text": _("Open again"),
        },
    )
    def resume_this(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Open the factory that is shown."""
        factory = self._factory(request, object_id)
        factory_resume(factory, by=_named(request))
        return self._done(request, factory, "opened again", _("%(name)s is open."))

    def has_suspend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whoever may change it, while it is open."""
        return self._may_change(request, object_id, suspended=False)

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Whoever may change it, while it is suspended."""
        return self._may_change(request, object_id, suspended=True)

    def _may_change(self, request: HttpRequest, object_id: str | None, *, suspended: bool) -> bool:
        factory = self.get_object(request, str(object_id))
        allowed = factory is not None and self.has_change_permission(request, factory)
        return allowed and (factory.suspended_at is not None) is suspended

    def _factory(self, request: HttpRequest, object_id: str) -> Factory:
        factory: Factory | None = self.get_object(request, object_id)
        if factory is None:
            raise Http404
        return factory

    def _done(self, request: HttpRequest, factory: Factory, deed: str, told: Any) -> HttpResponse:
        """Write it down and show the page anew: the dialog is a part of it."""
        self.log_change(request, factory, deed)
        self.message_user(request, told % {"name": factory})
        return HttpResponse(headers={"HX-Redirect": reverse("staff:tenants_factory_change", args=[factory.pk])})

    @admin.action(description=_("Suspend: every door is shut within a second"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Factory]) -> None:
        """Shut the chosen factories."""
        for factory in queryset.filter(suspended_at=None):
            factory_suspend(factory, reason=factory.suspended_reason, by=_named(request))
            self.log_change(request, factory, "suspended")
            self.message_user(request, _("%(name)s is suspended.") % {"name": factory})

    @admin.action(description=_("Open again"))
    def resume(self, request: HttpRequest, queryset: QuerySet[Factory]) -> None:
        """Open the chosen factories."""
        for factory in queryset.exclude(suspended_at=None):
            factory_resume(factory, by=_named(request))
            self.log_change(request, factory, "opened again")
            self.message_user(request, _("%(name)s is open.") % {"name": factory})

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).exclude(schema_name=get_public_schema_name()).select_related("plan")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _named(request: HttpRequest) -> str:
    """Who of staff, as a factory's audit trail says it."""
    return f"staff {request.user.get_username()}"


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
