"""Notifications in the factory's admin: to look at; the pages change them safely."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.admin_base import ReadOnlyAdmin
from anomalies.models import Notification, NotificationTarget, OnCallMember, OnCallSchedule, Route, RouteStep


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """Every message, and what came of it. Send one again on the page Sent messages."""

    list_display: ClassVar[list[str]] = ["created_at", "channel", "recipient", "subject", "state", "attempts"]
    list_filter: ClassVar[list[str]] = ["state", "channel", "occasion"]
    search_fields: ClassVar[list[str]] = ["recipient", "subject"]
    date_hierarchy = "created_at"
    # The body of a message may hold a code; the payload, what only its recipient should read.
    fields: ClassVar[list[str]] = [
        *("created_at", "channel", "recipient", "subject", "occasion", "state"),
        *("attempts", "sent_at", "read_at", "last_error"),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        rows: QuerySet[Notification] = super().get_queryset(request).defer("body_html", "payload")
        return rows


@admin.register(NotificationTarget)
class NotificationTargetAdmin(ReadOnlyAdmin):
    """Webhooks and chat rooms. Make and change them on the page Webhooks and chat."""

    list_display: ClassVar[list[str]] = ["name", "kind", "host", "active", "created_by"]
    list_filter: ClassVar[list[str]] = ["kind", "active"]
    list_select_related: ClassVar[list[str]] = ["created_by"]
    fields: ClassVar[list[str]] = ["name", "kind", "host", "active", "created_by", "created_at"]


class RouteStepInline(TabularInline):
    """Whom a route tells, step by step."""

    model = RouteStep
    extra = 0
    can_delete = False
    fields: ClassVar[list[str]] = ["after_min", "roles", "people", "schedules", "targets", "channels"]
    readonly_fields: ClassVar[list[str]] = ["after_min", "roles", "people", "schedules", "targets", "channels"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # made on its page
        return False


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    """Who is told of which alerts. Make and change them on the page Who is told."""

    list_display: ClassVar[list[str]] = ["name", "active", "severities"]
    list_filter: ClassVar[list[str]] = ["active"]
    inlines: ClassVar[list[Any]] = [RouteStepInline]


class OnCallMemberInline(TabularInline):
    """People in the order of their turns."""

    model = OnCallMember
    extra = 0
    can_delete = False
    fields: ClassVar[list[str]] = ["position", "user"]
    readonly_fields: ClassVar[list[str]] = ["position", "user"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # chosen on its page
        return False


@admin.register(OnCallSchedule)
class OnCallScheduleAdmin(ReadOnlyAdmin):
    """Who takes turns. Make and change them on the page On call."""

    list_display: ClassVar[list[str]] = ["name", "time_zone", "starts_on", "handover_at", "turn_days"]
    inlines: ClassVar[list[Any]] = [OnCallMemberInline]
