"""Reports and schedules as the API speaks of them."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.jobs import JobState
from accounts.reach import reach_current
from common import clock
from common.times import rfc3339
from reports.downloads import CONTENT_TYPES, LINK_LIFETIME_S, link_token
from reports.models import Report, Schedule
from tenants.addresses import factory_url
from tenants.context import factory_current


class DownloadsSerializer(serializers.Serializer[Any]):
    """Links that open without signing in until `expires_at`."""

    pdf = serializers.URLField()
    xlsx = serializers.URLField()
    json = serializers.URLField()
    expires_at = serializers.DateTimeField()


class ReportSerializer(serializers.ModelSerializer[Report]):
    """A report's state; `downloads` is there once it is ready."""

    requested_by = serializers.StringRelatedField[Any]()
    error = serializers.SerializerMethodField()
    downloads = serializers.SerializerMethodField()

    class Meta:
        model = Report
        fields = (
            *("id", "period_from_at", "period_to_at", "time_zone", "revision", "state", "scheduled", "requested_by"),
            *("created_at", "finished_at", "data_hash", "error", "downloads"),
        )
        read_only_fields = fields

    def get_error(self, report: Report) -> str:
        # What broke may name any machine.
        return report.error if reach_current() is None else ""

    @extend_schema_field(DownloadsSerializer(allow_null=True))
    def get_downloads(self, report: Report) -> dict[str, str] | None:
        factory = factory_current()
        if report.state != JobState.READY or factory is None:
            return None
        path = reverse("report_download", args=[report.pk], urlconf=settings.ROOT_URLCONF)
        links = {
            name: factory_url(
                factory, f"{path}?{urlencode({'format': name, 'token': link_token(factory, report.pk, name)})}"
            )
            for name in CONTENT_TYPES
        }
        return {**links, "expires_at": rfc3339(clock.now() + timedelta(seconds=LINK_LIFETIME_S))}


class RequestSerializer(serializers.Serializer[Any]):
    """Which period; both ends or none, which means the seven days up to now."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # “from” is a word of the language, so the field can't be an attribute.
        return {
            "from": serializers.DateTimeField(required=False),
            "to": serializers.DateTimeField(required=False),
        }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) == 1:
            raise serializers.ValidationError(_("Give both “from” and “to”, or neither."))
        return attrs


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """A weekday (0 Monday) and an hour of the plant's clock."""

    hour = serializers.IntegerField(min_value=0, max_value=23, default=6)
    recipients = serializers.ListField(child=serializers.EmailField(max_length=254), max_length=50, default=list)

    class Meta:
        model = Schedule
        fields = ("id", "weekday", "hour", "recipients", "active")
