"""Equipment on the API: what is shown and what may be set."""

from typing import Any, ClassVar

from rest_framework import serializers

from common import clock
from telemetry.equipment import machine_state
from telemetry.models import Line, Machine, Metric


class MachineSerializer(serializers.ModelSerializer[Machine]):
    """A machine, the place it stands in and how it is."""

    state = serializers.SerializerMethodField()
    line = serializers.PrimaryKeyRelatedField(queryset=Line.objects.all(), allow_null=True, required=False)
    line_name = serializers.CharField(source="line.name", read_only=True, default=None)
    area_name = serializers.CharField(source="line.area.name", read_only=True, default=None)
    site_name = serializers.CharField(source="line.site.name", read_only=True, default=None)
    silent_after_s = serializers.IntegerField(min_value=1, max_value=86_400, required=False)

    class Meta:
        model = Machine
        fields: ClassVar[list[str]] = [
            "key",
            "name",
            "machine_type",
            "line",
            "line_name",
            "area_name",
            "site_name",
            "silent_after_s",
            "state",
            "created_at",
            "last_seen_at",
        ]
        # The service says who has the key already, race or not.
        extra_kwargs: ClassVar[dict[str, Any]] = {"key": {"validators": []}}

    def get_state(self, machine: Machine) -> str:
        return machine_state(machine, clock.now())


class MachineChangeSerializer(MachineSerializer):
    """What of a machine may change: its key is how devices name it, so that stays."""

    class Meta(MachineSerializer.Meta):
        read_only_fields: ClassVar[list[str]] = ["key"]


class MetricSerializer(serializers.ModelSerializer[Metric]):
    """One metric; unit and kind were inferred until `confirmed`."""

    class Meta:
        model = Metric
        fields: ClassVar[list[str]] = [
            "name",
            "label",
            "unit",
            "kind",
            "confidence",
            "confirmed",
            "last_value",
            "last_at",
        ]
        read_only_fields: ClassVar[list[str]] = ["name", "confidence", "last_value", "last_at"]
