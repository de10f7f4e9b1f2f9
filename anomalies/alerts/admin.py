"""Planned quiet in the factory's admin: maintenance windows and machines' service."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import FactoryModelAdmin
from anomalies.models import MachineService, MaintenanceWindow


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(FactoryModelAdmin):
    """When work is planned: alerts raised meanwhile are recorded and disturb nobody."""

    list_display: ClassVar[list[str]] = ["target", "reason", "starts_at", "ends_at", "created_by"]
    list_filter: ClassVar[list[str]] = ["site", "line"]
    search_fields: ClassVar[list[str]] = ["reason", "machine__key", "line__name", "site__name"]
    list_select_related: ClassVar[list[str]] = ["machine", "line", "site"]
    autocomplete_fields: ClassVar[list[str]] = ["machine"]
    date_hierarchy = "starts_at"
    fields: ClassVar[list[str]] = ["site", "line", "machine", "starts_at", "ends_at", "reason"]
    help_texts: ClassVar[dict[str, Any]] = {
        "site": _("Choose one: a whole site, a line, or a machine."),
        "line": _("Everything on this line."),
        "machine": _("This machine alone."),
        "starts_at": _("In the factory's time."),
        "ends_at": _("What is still wrong then becomes active."),
    }

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """With who planned it."""
        if not change:
            obj.created_by = str(getattr(request.user, "email", ""))
        super().save_model(request, obj, form, change)

    @admin.display(description=_("what"))
    def target(self, window: MaintenanceWindow) -> str:
        return str(window.target)


@admin.register(MachineService)
class MachineServiceAdmin(FactoryModelAdmin):
    """Machines out of service, and how to see that one is off."""

    list_display: ClassVar[list[str]] = ["machine", "out_of_service_at", "reason", "off_metric", "off_low", "off_high"]
    search_fields: ClassVar[list[str]] = ["machine__key", "machine__name", "reason"]
    list_select_related: ClassVar[list[str]] = ["machine", "off_metric"]
    autocomplete_fields: ClassVar[list[str]] = ["machine", "off_metric"]
    fields: ClassVar[list[str]] = ["machine", "out_of_service_at", "reason", "off_metric", "off_low", "off_high"]
    help_texts: ClassVar[dict[str, Any]] = {
        "machine": _("Each machine once."),
        "off_metric": _("A metric that tells whether the machine runs, such as its speed or its current."),
        "out_of_service_at": _("Empty: the machine is in service."),
        "reason": _("Why it is out of service."),
        "off_low": _("In the metric's own unit; empty: no lower end."),
    }

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """With who changed it."""
        obj.changed_by = str(getattr(request.user, "email", ""))
        super().save_model(request, obj, form, change)
