"""The API about back-tests of detectors and the roles of metrics, under /api/v1."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.paging import NewestFirst, WorkedOut, page_of
from accounts.permissions import ANALYTICS, VIEW, requires_by_method
from anomalies.detection.metric_roles import RoleOf, roles_choose, roles_read
from anomalies.detector_figures import Figures
from anomalies.detector_replays import (
    Side,
    Told,
    replay_ask,
    replay_get,
    replay_remove,
    replay_told,
    replays_of,
)
from anomalies.detector_tasks import replay_enqueue
from anomalies.models import Alert, Replay
from anomalies.serializers import EvidenceMetricSerializer
from common.errors import InvalidInputError
from common.times import from_ms, rfc3339
from telemetry.equipment import machine_for
from telemetry.history.windows import window_of


class MetricRoleSerializer(serializers.Serializer[Any]):
    """How one metric moves, which decides how it is judged."""

    metric = serializers.CharField()
    role = serializers.CharField(help_text="fast, slow, counter or state: what the next version is taught with.")
    inferred = serializers.CharField(help_text="The same words.")
    confidence = serializers.FloatField(help_text="Of the inferred one, 0 to 1.")
    chosen_by = serializers.CharField(allow_null=True, help_text="Who chose another one; `null` where nobody did.")


class MetricRolesSerializer(serializers.Serializer[Any]):
    """Roles by metric; `null` takes the inferred one again."""

    roles = serializers.DictField(
        child=serializers.CharField(allow_null=True), help_text="fast, slow, counter, state, or null."
    )


class MetricRolesChosenSerializer(serializers.Serializer[Any]):
    """All metrics of the machine as they stand now."""

    results = MetricRoleSerializer(many=True)


class ReplayAskSerializer(serializers.Serializer[Any]):
    """What to run."""

    version = serializers.IntegerField()
    beside = serializers.IntegerField(required=False, allow_null=True, help_text="Another version, to compare.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword and can't be written as an attribute.
        when = "RFC 3339 with offset, or epoch milliseconds."
        return {**super().get_fields(), **{name: serializers.CharField(help_text=when) for name in ("from", "to")}}


class JudgeSerializer(serializers.Serializer[Any]):
    """One judge's part in a would-be alert."""

    judge = serializers.CharField(help_text="levels, joint, rare or bands.")
    peak = serializers.FloatField(help_text="How far out it saw the machine, in its own limits.")


class ReplayEpisodeSerializer(serializers.Serializer[Any]):
    """An alert that a version would have raised."""

    since_at = serializers.DateTimeField()
    told_at = serializers.DateTimeField()
    to_at = serializers.DateTimeField(allow_null=True, help_text="`null` while it lasts at the end.")
    peak = serializers.FloatField()
    judges = JudgeSerializer(many=True)
    metrics = EvidenceMetricSerializer(many=True)


class ReplayFiguresSerializer(serializers.Serializer[Any]):
    """What it comes to."""

    raised = serializers.IntegerField()
    by_verdict = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="By the verdict of the alert it meets; `nobody` where none was raised.",
    )
    troubles = serializers.IntegerField(help_text="Alerts that people called true.")
    found = serializers.IntegerField(help_text="How many of them it would have raised.")
    delay_s = serializers.FloatField(allow_null=True, help_text="In the middle, from the first sign.")
    unconfirmed_per_week = serializers.FloatField(allow_null=True, help_text="False alarms at most.")
    weeks = serializers.FloatField(help_text="For how long it judged.")


class ReplaySideSerializer(serializers.Serializer[Any]):
    """One version's part."""

    version = serializers.IntegerField()
    score = serializers.ListField(
        child=serializers.FloatField(allow_null=True), help_text="The highest of equal stretches; 1 is the limit."
    )
    figures = ReplayFiguresSerializer()
    episodes = ReplayEpisodeSerializer(many=True)


class ReplayRaisedSerializer(serializers.Serializer[Any]):
    """An alert that was raised in truth."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    cause = serializers.CharField()
    since_at = serializers.DateTimeField()
    returned_at = serializers.DateTimeField(allow_null=True)
    verdict = serializers.CharField(allow_null=True)


class ReplaySerializer(serializers.Serializer[Any]):
    """A back-test, or a newcomer's comparison."""

    id = serializers.IntegerField()
    machine = serializers.CharField()
    occasion = serializers.CharField(
        help_text="asked, challenge (a newcomer beside the version that judges), or late (readings that came late)."
    )
    state = serializers.CharField(help_text="waiting, running, done or failed.")
    progress = serializers.FloatField(help_text="0 to 1.")
    outcome = serializers.CharField(
        help_text="promoted, proposed, worse, overtaken, told (of late readings); empty while nothing is decided."
    )
    failure = serializers.CharField(help_text="A code; empty while nothing failed.")
    from_at = serializers.DateTimeField()
    to_at = serializers.DateTimeField()
    versions = serializers.ListField(child=serializers.IntegerField())
    asked_by = serializers.CharField()
    asked_at = serializers.DateTimeField()

    def to_representation(self, instance: Replay) -> dict[str, Any]:
        return replay_data(instance)


class ReplayDetailSerializer(ReplaySerializer):
    """With what it found."""

    sides = ReplaySideSerializer(many=True)
    raised = ReplayRaisedSerializer(many=True)


@extend_schema(tags=["detectors"])
class RolesView(APIView):
    """The roles of a machine's metrics."""

    pagination_class = WorkedOut
    permission_classes = [requires_by_method(default=VIEW, PATCH=ANALYTICS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_roles", summary="How a machine's metrics move", responses=MetricRoleSerializer(many=True)
    )
    def get(self, request: Request, machine: str) -> Response:
        rows = [role_data(row) for row in roles_read(machine_for(machine))]
        return page_of(self, request, rows, MetricRoleSerializer)

    @extend_schema(
        operation_id="detector_roles_choose",
        summary="Say how metrics move",
        description="All or none. The next version is taught with it, and every later one; `null` infers again.",
        request=MetricRolesSerializer,
        responses=MetricRolesChosenSerializer,
    )
    def patch(self, request: Request, machine: str) -> Response:
        asked = _body(request).get("roles")
        if not isinstance(asked, Mapping) or not all(
            value is None or isinstance(value, str) for value in asked.values()
        ):
            raise InvalidInputError("Send a JSON object with “roles”: metric to role, or null.")
        rows = roles_choose(machine_for(machine), asked, actor=request.user)
        return Response({"results": [role_data(row) for row in rows]})


@extend_schema(tags=["detectors"])
class ReplaysView(APIView):
    """A machine's back-tests."""

    pagination_class = NewestFirst
    permission_classes = [requires_by_method(default=VIEW, POST=ANALYTICS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_replays",
        summary="A machine's back-tests, the newest first",
        responses=ReplaySerializer(many=True),
    )
    def get(self, request: Request, machine: str) -> Response:
        return page_of(self, request, replays_of(machine_for(machine)), ReplaySerializer)

    @extend_schema(
        operation_id="detector_replay",
        summary="Run a version over a machine's past, alone or beside another",
        description="Between an hour and 14 days. A worker does it; the answer's `progress` moves. One at a time and "
        "machine: `409 replay_under_way`.",
        request=ReplayAskSerializer,
        responses={202: ReplaySerializer},
    )
    def post(self, request: Request, machine: str) -> Response:
        found, body = machine_for(machine), _body(request)
        if not {"from", "to", "version"} <= set(body):
            raise InvalidInputError("Send a JSON object with “version”, “from” and “to”.")
        window = window_of({name: str(body[name]) for name in ("from", "to")}, default_s=3600)
        made = replay_ask(
            found,
            version=_number(body["version"]),
            beside=None if body.get("beside") is None else _number(body["beside"]),
            from_ms=window.from_ms,
            to_ms=window.to_ms,
            actor=request.user,
        )
        replay_enqueue(made)
        return Response(replay_data(made), status=202)


@extend_schema(tags=["detectors"])
class ReplayView(APIView):
    """One back-test."""

    permission_classes = [requires_by_method(default=VIEW, DELETE=ANALYTICS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_replay_read",
        summary="A back-test: progress, scores, would-be alerts, figures",
        responses=ReplayDetailSerializer,
    )
    def get(self, request: Request, replay_id: int) -> Response:
        return Response(told_data(replay_told(replay_get(replay_id))))

    @extend_schema(operation_id="detector_replay_remove", summary="Stop or forget a back-test", responses={204: None})
    def delete(self, request: Request, replay_id: int) -> Response:
        replay_remove(replay_get(replay_id), actor=request.user)
        return Response(status=204)


def role_data(row: RoleOf) -> dict[str, Any]:
    """One metric's role as the API answers it."""
    return {
        "metric": row.metric.name,
        "role": row.role.value,
        "inferred": row.inferred.role.value,
        "confidence": row.inferred.confidence,
        "chosen_by": row.chosen.chosen_by if row.chosen else None,
    }


def replay_data(replay: Replay) -> dict[str, Any]:
    """A back-test as the API lists it."""
    return {
        "id": replay.pk,
        "machine": replay.machine.key,
        **{name: getattr(replay, name) for name in ("occasion", "state", "progress", "outcome", "failure", "asked_by")},
        "from_at": rfc3339(from_ms(replay.from_ms)),
        "to_at": rfc3339(from_ms(replay.to_ms)),
        "versions": [row.version for row in (replay.first, replay.second) if row is not None],
        "asked_at": rfc3339(replay.asked_at),
    }


def told_data(told: Told) -> dict[str, Any]:
    """A back-test with what it found."""
    return {
        **replay_data(told.replay),
        "sides": [_side(side) for side in told.sides],
        "raised": [_raised(alert) for alert in told.raised],
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "version": side.version.version,
        "score": side.score,
        "figures": _figures(side.figures),
        "episodes": [_episode(episode) for episode in side.episodes],
    }


def _figures(found: Figures) -> dict[str, Any]:
    return {
        "raised": found.raised,
        "by_verdict": dict(found.by_verdict),
        "troubles": found.troubles,
        "found": found.found,
        "delay_s": None if found.delay_ms is None else found.delay_ms / 1000,
        "unconfirmed_per_week": found.unconfirmed_per_week,
        "weeks": found.weeks,
    }


def _episode(episode: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "since_at": rfc3339(from_ms(episode["since_ms"])),
        "told_at": rfc3339(from_ms(episode["told_ms"])),
        "to_at": None if episode["to_ms"] is None else rfc3339(from_ms(episode["to_ms"])),
        **{name: episode[name] for name in ("peak", "judges", "metrics")},
    }


def _raised(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "title": alert.title,
        "cause": alert.cause,
        "since_at": rfc3339(alert.since_at),
        "returned_at": rfc3339(alert.returned_at) if alert.returned_at else None,
        "verdict": alert.verdict or None,
    }


def _body(request: Request) -> Mapping[str, Any]:
    if not isinstance(request.data, Mapping):
        raise InvalidInputError("Send a JSON object.")
    return request.data


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError("Versions are whole numbers.")
    return value
