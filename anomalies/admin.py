"""Detection in the factory's admin: limits that people set, alerts, and what the detectors have learned."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.admin_base import ReadOnlyAdmin
from anomalies import factory_health_pages
from anomalies.alerts import admin as alerts_admin
from anomalies.models import Alert, AlertEvent, DetectorModel, MetricRole, Replay
from anomalies.notify import admin as notify_admin
from anomalies.rules import admin as rules_admin

__all__ = [
    "AlertAdmin",
    "DetectorModelAdmin",
    "MetricRoleAdmin",
    "ReplayAdmin",
    "alerts_admin",
    "factory_health_pages",
    "notify_admin",
    "rules_admin",
]


class AlertEventInline(TabularInline):
    """The alert's timeline."""

    model = AlertEvent
    extra = 0
    can_delete = False
    fields: ClassVar[list[str]] = ["at", "kind", "actor", "comment"]
    readonly_fields: ClassVar[list[str]] = ["at", "kind", "actor", "comment"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # written by deeds
        return False


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Everything that was wrong. Acknowledge on the Alerts page."""

    list_display: ClassVar[list[str]] = ["title", "machine", "severity", "state", "since_at", "acknowledged_by"]
    list_filter: ClassVar[list[str]] = ["state", "severity", "machine"]
    search_fields: ClassVar[list[str]] = ["title", "summary", "machine__key"]
    list_select_related: ClassVar[list[str]] = ["machine", "acknowledged_by"]
    date_hierarchy = "raised_at"
    inlines: ClassVar[list[Any]] = [AlertEventInline]


@admin.register(DetectorModel)
class DetectorModelAdmin(ReadOnlyAdmin):
    """What each machine's detector has learned, training by training."""

    list_display: ClassVar[list[str]] = ["machine", "version", "active", "pinned", "trained_at"]
    list_filter: ClassVar[list[str]] = ["active", "machine"]
    search_fields: ClassVar[list[str]] = ["machine__key", "machine__name"]
    list_select_related: ClassVar[list[str]] = ["machine"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DetectorModel]:
        rows: QuerySet[DetectorModel] = super().get_queryset(request).defer("arrays")
        return rows


@admin.register(MetricRole)
class MetricRoleAdmin(ReadOnlyAdmin):
    """Roles that people gave metrics. Change them on the detector's page."""

    list_display: ClassVar[list[str]] = ["metric", "role", "chosen_by", "chosen_at"]
    list_filter: ClassVar[list[str]] = ["role"]
    search_fields: ClassVar[list[str]] = ["metric__name", "metric__machine__key"]
    list_select_related: ClassVar[list[str]] = ["metric"]


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    """Back-tests, and newcomers beside the version that judges. Begin them on the detector's page."""

    list_display: ClassVar[list[str]] = ["machine", "occasion", "state", "outcome", "asked_by", "asked_at"]
    list_filter: ClassVar[list[str]] = ["occasion", "state", "outcome"]
    search_fields: ClassVar[list[str]] = ["machine__key", "asked_by"]
    list_select_related: ClassVar[list[str]] = ["machine"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Replay]:
        rows: QuerySet[Replay] = super().get_queryset(request).defer("work", "result")
        return rows
