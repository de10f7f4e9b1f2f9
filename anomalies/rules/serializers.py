"""Rules on the API: the shapes, for the schema. What is taken is judged by `anomalies.rules.validation` alone."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from anomalies.models import Severity
from anomalies.rules.conditions import DAYS, Op

_CONDITION: dict[str, Any] = {
    "type": "object",
    "required": ["metric", "op"],
    "properties": {
        "metric": {"type": "string"},
        "op": {"type": "string", "enum": [str(op) for op in Op], "description": "`>`, `>=`, `<`, … are taken, too."},
        "value": {
            "description": "A number; [low, high] for inside and outside; PackML states for state and not_state.",
            "oneOf": [{"type": "number"}, {"type": "string"}, {"type": "array", "items": {}}],
        },
        "for_s": {"type": "number", "minimum": 0, "description": "It must hold so long, in event time."},
        "clear": {
            "description": "From where on it is right again (hysteresis); [low, high] for ranges.",
            "oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}],
        },
        "over_s": {"type": "number", "description": "For rises and falls: within how long."},
        "machine": {"type": "string", "description": "Another machine than the rule's own."},
        "minus": {
            "type": "object",
            "description": "The difference to this metric is looked at.",
            "properties": {"metric": {"type": "string"}, "machine": {"type": "string"}},
        },
    },
}
_NODES = {"type": "array", "items": {"description": "A condition, or a group again.", "type": "object"}}
_TREE: dict[str, Any] = {
    "description": "All or any of these: conditions, or groups in one another (at most 5 deep, 20 conditions).",
    "type": "object",
    "properties": {
        "all": {**_NODES, "items": _CONDITION},
        "any": {**_NODES, "items": _CONDITION},
    },
}
_ACTIVE: dict[str, Any] = {
    "description": "When it may fire, in plant time. Empty: always.",
    "type": "object",
    "properties": {
        "days": {"type": "array", "items": {"type": "string", "enum": list(DAYS)}},
        "from": {"type": "string", "example": "22:00"},
        "to": {"type": "string", "example": "06:00"},
        "dates": {"type": "array", "items": {"type": "string", "example": "2026-12-24/2027-01-06"}},
        "except_dates": {"type": "array", "items": {"type": "string"}},
        "holidays": {
            "type": "object",
            "properties": {
                "country": {"type": "string", "example": "PL"},
                "subdivision": {"type": "string"},
                "then": {"type": "string", "enum": ["off", "only"]},
            },
        },
    },
}
_OVERRIDES: dict[str, Any] = {
    "description": "What is different for one machine: a condition's limit (counted from 1), or the rule switched off.",
    "type": "array",
    "items": {
        "type": "object",
        "required": ["machine"],
        "properties": {
            "machine": {"type": "string"},
            "condition": {"type": "integer", "minimum": 1},
            "value": {},
            "clear": {},
            "for_s": {"type": "number"},
            "off": {"type": "boolean"},
        },
    },
}


@extend_schema_field(_TREE)
class TreeField(serializers.JSONField):
    """A tree of conditions."""


@extend_schema_field(_ACTIVE)
class ActiveField(serializers.JSONField):
    """When a rule may fire."""


@extend_schema_field(_OVERRIDES)
class OverridesField(serializers.JSONField):
    """What is different for single machines."""


class RuleWriteSerializer(serializers.Serializer[Any]):
    """A rule as it is sent."""

    name = serializers.CharField(max_length=120)
    machines = serializers.ListField(
        child=serializers.CharField(), help_text="Keys, `type:pump` for all of a type, or `*` for every machine."
    )
    when = TreeField()
    severity = serializers.ChoiceField(Severity.choices, default="high")
    cooldown_s = serializers.FloatField(default=0, help_text="After it has fired it does not fire again for so long.")
    active = ActiveField(required=False)
    notify = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Who is told in place of the routes, such as `role:supervisor` or `target:Maintenance`.",
    )
    overrides = OverridesField(required=False)
    description = serializers.CharField(required=False, max_length=1_000)
    enabled = serializers.BooleanField(default=True)


class RuleSerializer(RuleWriteSerializer):
    """A rule as it is kept."""

    id = serializers.IntegerField()
    sentence = serializers.CharField(help_text="The rule, read back.")
    template = serializers.DictField(help_text="Which template, and version of a table, it was made from.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class FiringMetricSerializer(serializers.Serializer[Any]):
    """A condition that held."""

    metric = serializers.CharField()
    machine = serializers.CharField(allow_null=True)
    op = serializers.CharField()
    observed = serializers.FloatField(allow_null=True)
    limit = serializers.JSONField(allow_null=True)


class FiringSerializer(serializers.Serializer[Any]):
    """Once that the rule would have fired."""

    since = serializers.DateTimeField(help_text="The first sign of it.")
    duration_s = serializers.FloatField(allow_null=True)
    metrics = FiringMetricSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword and can't be written as an attribute.
        ends = serializers.DateTimeField(allow_null=True, help_text="Null: to the end.")
        return {"from": serializers.DateTimeField(), "to": ends, **super().get_fields()}


class MachineBacktestSerializer(serializers.Serializer[Any]):
    """One machine's past under the rule."""

    machine = serializers.CharField()
    machine_name = serializers.CharField()
    fired = serializers.IntegerField()
    active_s = serializers.FloatField()
    readings = serializers.IntegerField(help_text="How many readings were looked at.")
    evaluated_to = serializers.DateTimeField()
    firings = FiringSerializer(many=True, help_text="At most the first 200.")


class BacktestSerializer(serializers.Serializer[Any]):
    """A rule's past."""

    complete = serializers.BooleanField(help_text="False where time ran out: see `evaluated_to` of the machines.")
    fired = serializers.IntegerField()
    active_s = serializers.FloatField()
    machines = MachineBacktestSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        ends = {"from": serializers.DateTimeField(), "to": serializers.DateTimeField()}
        return {**ends, **super().get_fields()}


class BacktestAskedSerializer(RuleWriteSerializer):
    """A rule, and over which time it is to be run."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        when = "RFC 3339 with offset, or epoch milliseconds. Left out: the last 30 days."
        ends = {name: serializers.CharField(required=False, help_text=when) for name in ("from", "to")}
        return {**super().get_fields(), **ends}


class ImportedSerializer(serializers.Serializer[Any]):
    """What a file did."""

    created = serializers.IntegerField()
    changed = serializers.IntegerField()
