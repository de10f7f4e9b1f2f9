"""The API about a machine's detector, under /api/v1."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.paging import WorkedOut, page_of
from accounts.permissions import ANALYTICS, VIEW, requires
from anomalies.detection.metric_roles import roles_read
from anomalies.detection.steering import WANTED_PER_WEEK, Realised
from anomalies.detection.versions import DetectorState, detector_state, version_activate, version_unpin
from anomalies.detector_list import DetectorRow, Standing, detectors_read
from anomalies.detector_replay_api import MetricRoleSerializer, role_data
from anomalies.models import DetectorModel
from anomalies.tasks import train_asked
from common.times import from_ms, rfc3339
from telemetry.equipment import machine_for


class VersionSerializer(serializers.Serializer[Any]):
    """One version."""

    id = serializers.IntegerField()
    version = serializers.IntegerField()
    active = serializers.BooleanField()
    pinned = serializers.BooleanField(help_text="Somebody went back to it: newer ones are only proposed.")
    trained_at = serializers.DateTimeField()
    from_at = serializers.DateTimeField(help_text="Where the readings that taught it begin.")
    to_at = serializers.DateTimeField(help_text="And where they end.")
    cells = serializers.IntegerField()
    features = serializers.IntegerField()


class RealisedSerializer(serializers.Serializer[Any]):
    """Alerts of the last four weeks by verdict."""

    true = serializers.IntegerField()
    false = serializers.IntegerField()
    expected = serializers.IntegerField()
    unjudged = serializers.IntegerField()
    weeks = serializers.FloatField(help_text="For how long the detector watched.")
    false_per_week = serializers.FloatField(allow_null=True, help_text="`null` before a day was watched.")


class DetectorSerializer(serializers.Serializer[Any]):
    """A machine's detector."""

    machine = serializers.CharField()
    learned = serializers.FloatField(help_text="0 to 1.")
    teaching = serializers.BooleanField(help_text="Whether a worker teaches it now, because somebody asked.")
    limit_factor = serializers.FloatField(help_text="By what factor its limits stand above what teaching found.")
    wanted_per_week = serializers.FloatField()
    unsettled = serializers.ListField(
        child=serializers.CharField(),
        help_text="Metrics whose level still moves, for which a machine with enough history goes on learning.",
    )
    damage = serializers.CharField(help_text="Why no version judges although there is one; empty while all is well.")
    roles = MetricRoleSerializer(many=True)
    realised = RealisedSerializer()
    versions = VersionSerializer(many=True)


class TeachingSerializer(serializers.Serializer[Any]):
    """Whether a teaching was begun."""

    begun = serializers.BooleanField(help_text="False where one is under way already.")


class DetectorRowSerializer(serializers.Serializer[DetectorRow]):
    """One machine's detector in a list."""

    machine = serializers.CharField(help_text="The machine's key.")
    machine_name = serializers.CharField()
    standing = serializers.ChoiceField(
        [each.value for each in Standing],
        help_text="waiting: it would judge, and the machine says nothing; settling: a level still moves.",
    )
    learned = serializers.FloatField(help_text="0 to 1.")
    unsettled = serializers.ListField(child=serializers.CharField(), help_text="Metrics whose level still moves.")
    version = serializers.IntegerField(allow_null=True, help_text="The version that judges.")
    taught_to_at = serializers.DateTimeField(allow_null=True)
    pinned = serializers.BooleanField()
    proposed = serializers.BooleanField(help_text="A newer version is as good, and waits because this one is pinned.")
    limit_factor = serializers.FloatField(help_text="1 is as taught.")
    wanted_per_week = serializers.FloatField(help_text="False alarms a machine and week at most.")
    realised = RealisedSerializer()

    def to_representation(self, instance: DetectorRow) -> dict[str, Any]:
        version = instance.version
        return {
            "machine": instance.machine.key,
            "machine_name": str(instance.machine),
            "standing": instance.standing.value,
            "learned": instance.learned,
            "unsettled": list(instance.moving),
            "version": version.version if version else None,
            "taught_to_at": rfc3339(version.taught_to_at) if version else None,
            "pinned": bool(version and version.pinned),
            "proposed": instance.proposed,
            "limit_factor": instance.limit_factor,
            "wanted_per_week": WANTED_PER_WEEK,
            "realised": _realised(instance.realised),
        }


@extend_schema(tags=["detectors"])
class DetectorsView(APIView):
    """Every machine's detector."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it
    pagination_class = WorkedOut

    @extend_schema(
        operation_id="detectors_list",
        summary="Every machine's detector; what wants somebody first",
        responses=DetectorRowSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return page_of(self, request, detectors_read(), DetectorRowSerializer)


@extend_schema(tags=["detectors"])
class DetectorView(APIView):
    """A machine's detector."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_read",
        summary="A machine's detector: learning, false alarms, versions",
        responses=DetectorSerializer,
    )
    def get(self, request: Request, machine: str) -> Response:
        return Response(_described(detector_state(machine_for(machine))))


@extend_schema(tags=["detectors"])
class TeachView(APIView):
    """Teach it now."""

    permission_classes = [requires(ANALYTICS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_teach",
        summary="Teach a machine's detector now",
        description="A worker does it; `teaching` of the detector says whether it goes on. Nothing is learnt with too "
        "little history or while an alert is active.",
        request=None,
        responses={202: TeachingSerializer},
    )
    def post(self, request: Request, machine: str) -> Response:
        return Response({"begun": train_asked(machine_for(machine), actor=request.user)}, status=202)


@extend_schema(tags=["detectors"])
class ActivateView(APIView):
    """Promote, or roll back."""

    permission_classes = [requires(ANALYTICS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_activate",
        summary="Let a version judge its machine",
        description="In place of the one that does. An older one than the newest is pinned: what nightly teaching "
        "makes is only proposed from then on. `409 version_damaged` where what is stored can't be trusted.",
        request=None,
        responses=VersionSerializer,
    )
    def post(self, request: Request, version_id: int) -> Response:
        return Response(_version(version_activate(version_id, actor=request.user)))


@extend_schema(tags=["detectors"])
class PinView(APIView):
    """Whether a version may be replaced."""

    permission_classes = [requires(ANALYTICS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="detector_unpin",
        summary="Let the nightly comparison replace a version again",
        request=None,
        responses=VersionSerializer,
    )
    def delete(self, request: Request, version_id: int) -> Response:
        return Response(_version(version_unpin(version_id, actor=request.user)))


def _described(state: DetectorState) -> dict[str, Any]:
    return {
        "machine": state.machine.key,
        "learned": state.learned,
        "teaching": state.teaching_since is not None,
        "limit_factor": state.factor,
        "wanted_per_week": state.wanted_per_week,
        "unsettled": state.moving,
        "damage": state.health.damage if state.health else "",
        "roles": [role_data(row) for row in roles_read(state.machine)],
        "realised": _realised(state.realised),
        "versions": [_version(version) for version in state.versions],
    }


def _realised(seen: Realised) -> dict[str, Any]:
    return {
        "true": seen.true,
        "false": seen.false,
        "expected": seen.expected,
        "unjudged": seen.unjudged,
        "weeks": seen.weeks,
        "false_per_week": seen.per_week,
    }


def _version(version: DetectorModel) -> dict[str, Any]:
    return {
        "id": version.pk,
        "version": version.version,
        "active": version.active,
        "pinned": version.pinned,
        "trained_at": rfc3339(version.trained_at),
        "from_at": rfc3339(from_ms(version.manifest["from_ms"])),
        "to_at": rfc3339(from_ms(version.manifest["to_ms"])),
        "cells": version.manifest["cells"],
        "features": len(version.manifest["features"]),
    }
