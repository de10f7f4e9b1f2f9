"""The API about equipment, under /api/v1."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.paging import CursorPages
from accounts.permissions import EQUIPMENT, VIEW, requires_by_method
from telemetry.equipment import machine_for
from telemetry.machines import (
    machine_create,
    machine_delete,
    machine_update,
    machines_list,
    metric_delete,
    metric_get,
    metric_update,
)
from telemetry.models import Machine, Metric
from telemetry.serializers import MachineChangeSerializer, MachineSerializer, MetricSerializer

_PERMISSIONS = [requires_by_method(default=VIEW, POST=EQUIPMENT, PATCH=EQUIPMENT, DELETE=EQUIPMENT)]


class ByKey(CursorPages):
    """Machines by key."""

    ordering = "key"


class ByName(CursorPages):
    """Metrics by name."""

    ordering = "name"


@extend_schema(tags=["machines"])
class MachinesView(GenericAPIView[Machine]):
    """The factory's machines."""

    permission_classes = _PERMISSIONS
    serializer_class = MachineSerializer
    pagination_class = ByKey

    @extend_schema(operation_id="machines_list", summary="List machines", responses=MachineSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(machines_list())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="machines_create", summary="Register a machine before it sends")
    def post(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        machine = machine_create(actor=request.user, **wanted.validated_data)
        return Response(self.get_serializer(machine).data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["machines"])
class MachineView(GenericAPIView[Machine]):
    """One machine."""

    permission_classes = _PERMISSIONS
    serializer_class = MachineChangeSerializer

    @extend_schema(operation_id="machines_read", summary="Read a machine")
    def get(self, request: Request, key: str) -> Response:
        return Response(self.get_serializer(machine_for(key)).data)

    @extend_schema(operation_id="machines_change", summary="Change a machine's name, type, line or silence")
    def patch(self, request: Request, key: str) -> Response:
        machine = machine_for(key)
        changes = self.get_serializer(machine, data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        machine_update(actor=request.user, machine=machine, **changes.validated_data)
        return Response(self.get_serializer(machine).data)

    @extend_schema(
        operation_id="machines_delete", summary="Delete a machine with all its readings", responses={204: None}
    )
    def delete(self, request: Request, key: str) -> Response:
        machine_delete(actor=request.user, machine=machine_for(key))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["machines"])
class MetricsView(GenericAPIView[Metric]):
    """What a machine measures."""

    permission_classes = _PERMISSIONS
    serializer_class = MetricSerializer
    pagination_class = ByName

    @extend_schema(
        operation_id="metrics_list", summary="List a machine's metrics", responses=MetricSerializer(many=True)
    )
    def get(self, request: Request, key: str) -> Response:
        page = self.paginate_queryset(machine_for(key).metrics.all())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


@extend_schema(tags=["machines"])
class MetricView(GenericAPIView[Metric]):
    """One metric."""

    permission_classes = _PERMISSIONS
    serializer_class = MetricSerializer

    @extend_schema(operation_id="metrics_change", summary="Correct a metric's label, unit or kind")
    def patch(self, request: Request, key: str, name: str) -> Response:
        metric = metric_get(machine_for(key), name)
        changes = self.get_serializer(metric, data=request.data, partial=True)
        changes.is_valid(raise_exception=True)
        changed: dict[str, Any] = changes.validated_data
        return Response(self.get_serializer(metric_update(actor=request.user, metric=metric, **changed)).data)

    @extend_schema(
        operation_id="metrics_delete",
        summary="Delete a metric with all its readings",
        description="It comes back, without a history, when its machine goes on sending it.",
        responses={204: None},
    )
    def delete(self, request: Request, key: str, name: str) -> Response:
        metric_delete(actor=request.user, metric=metric_get(machine_for(key), name))
        return Response(status=status.HTTP_204_NO_CONTENT)
