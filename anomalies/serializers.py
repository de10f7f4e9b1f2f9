"""Alerts and analyses on the API: the shapes, for answers and for the schema."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from anomalies.alerts.presenting import alert_as_dict, event_as_dict
from anomalies.models import Alert, AlertState, HealthStatus, Severity, Verdict


class EvidenceMetricSerializer(serializers.Serializer[Any]):
    """One metric's part in an anomaly."""

    metric = serializers.CharField()
    unit = serializers.CharField(required=False)
    share = serializers.FloatField(help_text="0 to 1 of all that deviates.")
    observed = serializers.FloatField(allow_null=True)
    expected = serializers.ListField(
        child=serializers.FloatField(allow_null=True), allow_null=True, help_text="The normal band: low, high."
    )
    aspect = serializers.CharField(required=False, help_text="level, or spread and ripple: how much the metric moves.")


class EventSerializer(serializers.Serializer[Any]):
    """One entry of an alert's timeline."""

    at = serializers.DateTimeField()
    event_at = serializers.DateTimeField(allow_null=True, help_text="By the readings' own time.")
    kind = serializers.CharField(
        help_text="raised, returned, cleared, acknowledged, shelved, unshelved, suppressed, released, out_of_service, "
        "restored, commented, updated, chattering, settled, closed or judged; from late readings: began_earlier, "
        "ended_later, wrong_before, right_before."
    )
    from_state = serializers.CharField(allow_null=True, help_text="For entries that tell of a transition.")
    to_state = serializers.CharField(allow_null=True)
    verdict = serializers.CharField(allow_null=True)
    actor = serializers.CharField(help_text="A person's address, a key's name, or FactoryPulse.")
    comment = serializers.CharField()


class AlertSerializer(serializers.Serializer[Alert]):
    """One thing that is wrong with one machine; the live message carries the same object."""

    id = serializers.IntegerField()
    machine = serializers.CharField(help_text="The machine's key.")
    machine_name = serializers.CharField()
    cause = serializers.CharField(help_text="detector, rule:<id>, silence, stuck:<metric> or missing:<metric>.")
    severity = serializers.ChoiceField(Severity.choices)
    state = serializers.ChoiceField(AlertState.choices)
    title = serializers.CharField()
    summary = serializers.CharField()
    evidence = serializers.DictField()
    since_at = serializers.DateTimeField()
    raised_at = serializers.DateTimeField()
    returned_at = serializers.DateTimeField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = serializers.CharField(allow_null=True)
    occurrences = serializers.IntegerField(help_text="How often it came back while it was the same alert.")
    chattering = serializers.BooleanField(help_text="It comes and goes, and is held as one until it settles.")
    retroactive = serializers.BooleanField(help_text="Found in data that arrived well after it was measured.")
    group = serializers.IntegerField(allow_null=True, help_text="Alerts of one storm share it.")
    shelved_until_at = serializers.DateTimeField(allow_null=True)
    hidden_reason = serializers.CharField(help_text="Why it is shelved, suppressed or out of service.")
    verdict = serializers.ChoiceField(Verdict.choices, allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Alert) -> dict[str, Any]:
        return alert_as_dict(instance)


class AlertDetailSerializer(AlertSerializer):
    """An alert with its timeline."""

    events = EventSerializer(many=True)

    def to_representation(self, instance: Alert) -> dict[str, Any]:
        return {**alert_as_dict(instance), "events": [event_as_dict(event) for event in instance.events.all()]}


class AnalyzeSerializer(serializers.Serializer[Any]):
    """The window to score."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword and can't be written as an attribute.
        when = "RFC 3339 with offset, or epoch milliseconds."
        return {"from": serializers.CharField(help_text=when), "to": serializers.CharField(help_text=when)}


class AnomalySerializer(serializers.Serializer[Any]):
    """A stretch of time in which the score passed the threshold."""

    score = serializers.FloatField(help_text="The highest in it.")
    metrics = EvidenceMetricSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        times = {"from": serializers.DateTimeField(), "to": serializers.DateTimeField()}
        return {**times, **super().get_fields()}


class AnalysisSerializer(serializers.Serializer[Any]):
    """A window, scored."""

    status = serializers.ChoiceField(["ok", "learning", "damaged", "no_data"])
    score = serializers.FloatField(allow_null=True, help_text="The highest in the window.")
    threshold = serializers.FloatField()
    model_version = serializers.IntegerField(allow_null=True)
    anomalies = AnomalySerializer(many=True)


class MachineCountsSerializer(serializers.Serializer[Any]):
    """Machines by whether their data arrives."""

    total = serializers.IntegerField()
    live = serializers.IntegerField()
    silent = serializers.IntegerField()
    new = serializers.IntegerField()


class HealthCountsSerializer(serializers.Serializer[Any]):
    """Machines by what detection says of them."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        counts: Mapping[str, Any] = {status: serializers.IntegerField() for status in HealthStatus.values}
        return {**counts, "percent": serializers.FloatField(allow_null=True)}


class AlertCountsSerializer(serializers.Serializer[Any]):
    """Open alerts."""

    open = serializers.IntegerField()
    unacknowledged = serializers.IntegerField()
    by_severity = serializers.DictField(child=serializers.IntegerField())


class IngestRateSerializer(serializers.Serializer[Any]):
    """What comes in."""

    readings_per_s = serializers.FloatField()


class SummarySerializer(serializers.Serializer[Any]):
    """The plant in a few figures."""

    machines = MachineCountsSerializer()
    health = HealthCountsSerializer()
    alerts = AlertCountsSerializer()
    ingest = IngestRateSerializer()
