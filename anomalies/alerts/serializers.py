"""What people and programs may do with alerts and maintenance, as the API takes and tells it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from anomalies.alerts.handling import COMMENT_LENGTH, REASON_LENGTH
from anomalies.alerts.maintenance import REASON_LENGTH as WINDOW_REASON_LENGTH
from anomalies.alerts.similar import Similar
from anomalies.models import MachineService, MaintenanceWindow, Verdict
from common import clock
from common.times import from_ms, rfc3339
from telemetry.ingest.timestamps import TimestampError, timestamp_ms

MOST_AT_ONCE = 500
WHEN = "RFC 3339 with offset, or epoch milliseconds."


@extend_schema_field({"oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}]})
class InstantField(serializers.Field[datetime, Any, str, Any]):
    """An instant in both forms that the API's times have."""

    def to_internal_value(self, data: Any) -> datetime:
        try:
            return from_ms(timestamp_ms(data, default_ms=0))
        except (TimestampError, OverflowError, ValueError) as error:
            raise serializers.ValidationError(str(error), code="instant_invalid") from error

    def to_representation(self, value: datetime) -> str:
        return rfc3339(value)


class CommentSerializer(serializers.Serializer[Any]):
    """Words for the timeline."""

    comment = serializers.CharField(max_length=COMMENT_LENGTH)


class OptionalCommentSerializer(serializers.Serializer[Any]):
    """Words for the timeline, or none."""

    comment = serializers.CharField(required=False, allow_blank=True, max_length=COMMENT_LENGTH, default="")


class ShelveSerializer(serializers.Serializer[Any]):
    """Why, and until when or for how long."""

    reason = serializers.CharField(max_length=REASON_LENGTH)
    until = InstantField(required=False, help_text=f"{WHEN} Seven days ahead at most.")
    for_s = serializers.IntegerField(required=False, min_value=1, max_value=7 * 86_400, help_text="Seconds from now.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("until" in attrs) == ("for_s" in attrs):
            raise serializers.ValidationError(_("Give either “until” or “for_s”."), code="shelf_invalid")
        until_at = attrs.get("until") or clock.now() + timedelta(seconds=attrs["for_s"])
        return {"reason": attrs["reason"], "until_at": until_at}


class CloseSerializer(OptionalCommentSerializer):
    """What it was."""

    verdict = serializers.ChoiceField(
        Verdict.choices, help_text="true: real trouble; false: a false alarm; expected: real, and known beforehand."
    )


class BulkSerializer(serializers.Serializer[Any]):
    """The same for several alerts; the members of the single endpoint beside."""

    ids = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=MOST_AT_ONCE)
    action = serializers.ChoiceField(["acknowledge", "shelve", "unshelve", "comment", "close"])
    comment = serializers.CharField(required=False, allow_blank=True, max_length=COMMENT_LENGTH)
    reason = serializers.CharField(required=False, max_length=REASON_LENGTH)
    until = InstantField(required=False)
    for_s = serializers.IntegerField(required=False, min_value=1, max_value=7 * 86_400)
    verdict = serializers.ChoiceField(Verdict.choices, required=False)


class BulkDoneSerializer(serializers.Serializer[Any]):
    """Which it was done to, and which have moved on."""

    done = serializers.ListField(child=serializers.IntegerField())
    refused = serializers.ListField(child=serializers.IntegerField())


class SimilarSerializer(serializers.Serializer[Similar]):
    """An earlier alert like this one."""

    id = serializers.IntegerField()
    machine = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    since_at = serializers.DateTimeField()
    returned_at = serializers.DateTimeField(allow_null=True)
    verdict = serializers.ChoiceField(Verdict.choices, allow_null=True)
    likeness = serializers.FloatField(help_text="0 to 1: same cause, same metrics, same sides.")

    def to_representation(self, instance: Similar) -> dict[str, Any]:
        alert = instance.alert
        return {
            "id": alert.pk,
            "machine": alert.machine.key,
            "title": alert.title,
            "summary": alert.summary,
            "since_at": rfc3339(alert.since_at),
            "returned_at": rfc3339(alert.returned_at) if alert.returned_at else None,
            "verdict": alert.verdict or None,
            "likeness": instance.likeness,
        }


class WindowSerializer(serializers.Serializer[MaintenanceWindow]):
    """A maintenance window of one site, one line or one machine."""

    id = serializers.IntegerField(read_only=True)
    machine = serializers.CharField(required=False, allow_null=True, help_text="A machine's key.")
    line = serializers.IntegerField(required=False, allow_null=True, help_text="A line's number.")
    site = serializers.IntegerField(required=False, allow_null=True, help_text="A site's number.")
    starts_at = InstantField(required=False, help_text=f"{WHEN} Now, if left out.")
    ends_at = InstantField(help_text=WHEN)
    reason = serializers.CharField(max_length=WINDOW_REASON_LENGTH)
    created_by = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(["planned", "running", "over"], read_only=True)

    def to_representation(self, instance: MaintenanceWindow) -> dict[str, Any]:
        return {
            "id": instance.pk,
            "machine": instance.machine.key if instance.machine else None,
            "line": instance.line_id,
            "site": instance.site_id,
            "starts_at": rfc3339(instance.starts_at),
            "ends_at": rfc3339(instance.ends_at),
            "reason": instance.reason,
            "created_by": instance.created_by,
            "state": window_state(instance),
        }


class WindowChangeSerializer(serializers.Serializer[Any]):
    """What may change in a window that has not ended."""

    starts_at = InstantField(required=False)
    ends_at = InstantField(required=False)
    reason = serializers.CharField(required=False, max_length=WINDOW_REASON_LENGTH)


class OffWhenSerializer(serializers.Serializer[Any]):
    """The range of a metric in which the machine is off."""

    metric = serializers.CharField()
    low = serializers.FloatField(required=False, allow_null=True, default=None)
    high = serializers.FloatField(required=False, allow_null=True, default=None)


class ServiceSerializer(serializers.Serializer[MachineService]):
    """Whether a machine's alerts count, and how to see that it is off."""

    machine = serializers.CharField(read_only=True)
    out_of_service = serializers.BooleanField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=WINDOW_REASON_LENGTH)
    since_at = serializers.DateTimeField(read_only=True, allow_null=True)
    changed_by = serializers.CharField(read_only=True)
    off = serializers.BooleanField(read_only=True, help_text="Whether its newest reading says that it is off.")
    off_when = OffWhenSerializer(required=False, allow_null=True)

    def to_representation(self, instance: MachineService) -> dict[str, Any]:
        metric = instance.off_metric
        off_when = {"metric": metric.name, "low": instance.off_low, "high": instance.off_high} if metric else None
        return {
            "machine": instance.machine.key,
            "out_of_service": instance.out_of_service,
            "reason": instance.reason,
            "since_at": rfc3339(instance.out_of_service_at) if instance.out_of_service_at else None,
            "changed_by": instance.changed_by,
            "off": instance.is_off,
            "off_when": off_when,
        }


def window_state(window: MaintenanceWindow) -> str:
    """planned, running or over."""
    now = clock.now()
    if window.ends_at <= now:
        return "over"
    return "planned" if window.starts_at > now else "running"


def shelf_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Reason and end of a shelf, checked. Raises DRF's ValidationError."""
    asked = ShelveSerializer(data={name: data[name] for name in ("reason", "until", "for_s") if name in data})
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)
