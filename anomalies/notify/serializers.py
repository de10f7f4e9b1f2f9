"""Notifications on the API: the shapes, for answers and for the schema."""

from typing import Any

from rest_framework import serializers

from anomalies.models import (
    ChannelName,
    Notification,
    NotificationState,
    NotificationTarget,
    Occasion,
    OnCallSchedule,
    Route,
    Severity,
    TargetKind,
)
from anomalies.notify.scheduling import on_call_now
from common.times import rfc3339


class NotificationSerializer(serializers.Serializer[Notification]):
    """One message to one recipient by one channel."""

    id = serializers.IntegerField()
    alert = serializers.IntegerField(allow_null=True, help_text="The alert's number; null for many, or none.")
    occasion = serializers.ChoiceField(Occasion.choices)
    channel = serializers.ChoiceField(ChannelName.choices)
    recipient = serializers.CharField()
    subject = serializers.CharField()
    state = serializers.ChoiceField(NotificationState.choices)
    attempts = serializers.IntegerField()
    last_error = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True, help_text="While it waits.")
    sent_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Notification) -> dict[str, Any]:
        waits = instance.state == NotificationState.PENDING
        return {
            "id": instance.pk,
            "alert": instance.alert_id,
            "occasion": instance.occasion,
            "channel": instance.channel,
            "recipient": instance.recipient,
            "subject": instance.subject,
            "state": instance.state,
            "attempts": instance.attempts,
            "last_error": instance.last_error,
            "created_at": rfc3339(instance.created_at),
            "next_attempt_at": rfc3339(instance.next_attempt_at) if waits else None,
            "sent_at": rfc3339(instance.sent_at) if instance.sent_at else None,
        }


class StageSerializer(serializers.Serializer[Any]):
    """Whom one step tells."""

    after_min = serializers.IntegerField(help_text="Minutes without an acknowledgement; 0: at once.")
    route = serializers.CharField(help_text="Empty: no route fits, and everybody who handles alerts is told.")
    told = serializers.CharField(help_text="In words; empty for nobody.")
    unmanned = serializers.CharField(help_text="Which schedules have nobody on call now, in words; empty for none.")


class PreviewSerializer(serializers.Serializer[Any]):
    """Who would be told of an alert now."""

    stages = StageSerializer(many=True)


class PreviewQuerySerializer(serializers.Serializer[Any]):
    """An alert that one may think of."""

    machine = serializers.CharField(help_text="A machine's key.")
    severity = serializers.ChoiceField(Severity.choices)


class TargetSerializer(serializers.Serializer[NotificationTarget]):
    """A program or a chat room; its address and secret are never shown."""

    id = serializers.IntegerField(read_only=True)
    kind = serializers.ChoiceField(TargetKind.choices)
    name = serializers.CharField(max_length=80)
    address = serializers.CharField(max_length=1000, write_only=True)
    host = serializers.CharField(read_only=True)
    active = serializers.BooleanField(read_only=True)


class TargetMadeSerializer(TargetSerializer):
    """A new one, with the secret that is shown this once."""

    secret = serializers.CharField(help_text="Signs each delivery; empty for chat rooms.")


class StepSerializer(serializers.Serializer[Any]):
    """Whom a step of a route tells."""

    after_min = serializers.IntegerField()
    roles = serializers.ListField(child=serializers.CharField())
    people = serializers.ListField(child=serializers.EmailField())
    on_call = serializers.ListField(child=serializers.CharField(), help_text="Names of schedules.")
    targets = serializers.ListField(child=serializers.CharField(), help_text="Names of targets.")
    channels = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: e-mail and push; the app keeps it in any case."
    )


class RouteSerializer(serializers.Serializer[Route]):
    """Which alerts are told to whom; what is empty matches everything."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    active = serializers.BooleanField()
    severities = serializers.ListField(child=serializers.ChoiceField(Severity.choices))
    sites = serializers.ListField(child=serializers.CharField())
    lines = serializers.ListField(child=serializers.CharField())
    machines = serializers.ListField(child=serializers.CharField(), help_text="Keys.")
    days = serializers.ListField(child=serializers.IntegerField(), help_text="Monday is 0.")
    tells_return = serializers.BooleanField()
    steps = StepSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword and can't be written as an attribute.
        hours = {name: serializers.TimeField(allow_null=True, help_text="Plant time.") for name in ("from", "to")}
        return {**super().get_fields(), **hours}

    def to_representation(self, instance: Route) -> dict[str, Any]:
        return {
            "id": instance.pk,
            "name": instance.name,
            "active": instance.active,
            "severities": instance.severities,
            "sites": [site.name for site in instance.sites.all()],
            "lines": [line.name for line in instance.lines.all()],
            "machines": [machine.key for machine in instance.machines.all()],
            "days": instance.days,
            "from": f"{instance.from_time:%H:%M}" if instance.from_time else None,
            "to": f"{instance.to_time:%H:%M}" if instance.to_time else None,
            "tells_return": instance.tells_return,
            "steps": [
                {
                    "after_min": step.after_min,
                    "roles": step.roles,
                    "people": [person.email for person in step.people.all()],
                    "on_call": [schedule.name for schedule in step.schedules.all()],
                    "targets": [target.name for target in step.targets.all()],
                    "channels": step.channels,
                }
                for step in instance.steps.all()
            ],
        }


class OnCallSerializer(serializers.Serializer[OnCallSchedule]):
    """A schedule and whoever is on call."""

    schedule = serializers.CharField()
    person = serializers.EmailField(allow_null=True, help_text="Null: nobody.")
    time_zone = serializers.CharField()

    def to_representation(self, instance: OnCallSchedule) -> dict[str, Any]:
        person = on_call_now(instance)
        return {
            "schedule": instance.name,
            "person": person.email if person else None,
            "time_zone": instance.time_zone,
        }
