"""The API about planned quiet, under /api/v1: maintenance windows, machines out of service."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.paging import NewestFirst
from accounts.permissions import RULES, VIEW, requires_by_method
from anomalies.alerts.maintenance import (
    MaintenanceInvalidError,
    Target,
    machine_off_when,
    machine_remove,
    machine_restore,
    service_of,
    window_change,
    window_create,
    window_end,
    window_get,
    windows_list,
)
from anomalies.alerts.serializers import ServiceSerializer, WindowChangeSerializer, WindowSerializer
from anomalies.models import MaintenanceWindow
from common import clock
from telemetry.equipment import machine_for
from telemetry.machines import MetricNotFoundError
from telemetry.models import Line, Metric, Site

_PERMISSIONS = [requires_by_method(default=VIEW, POST=RULES, PATCH=RULES, PUT=RULES, DELETE=RULES)]


@extend_schema(tags=["maintenance"])
class WindowsView(GenericAPIView[MaintenanceWindow]):
    """The factory's maintenance windows."""

    permission_classes = _PERMISSIONS
    serializer_class = WindowSerializer
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="maintenance_list",
        summary="List maintenance windows",
        responses=WindowSerializer(many=True),
        parameters=[OpenApiParameter("current", bool, description="Only those that have not ended.")],
    )
    def get(self, request: Request) -> Response:
        found = windows_list()
        if request.query_params.get("current") in {"true", "1"}:
            found = found.filter(ends_at__gt=clock.now())
        return self.get_paginated_response(self.get_serializer(self.paginate_queryset(found), many=True).data)

    @extend_schema(
        operation_id="maintenance_create",
        summary="Plan maintenance of one machine, line or site",
        description="Alerts raised meanwhile are recorded as `suppressed` and told to nobody; what is still wrong at "
        "the end becomes active.",
    )
    def post(self, request: Request) -> Response:
        body = self.get_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        window = window_create(
            actor=request.user,
            target=_target(wanted),
            starts_at=wanted.get("starts_at") or clock.now(),
            ends_at=wanted["ends_at"],
            reason=wanted["reason"],
        )
        return Response(self.get_serializer(window).data, status=status.HTTP_201_CREATED)


@extend_schema(tags=["maintenance"])
class WindowView(APIView):
    """One window."""

    permission_classes = _PERMISSIONS

    @extend_schema(operation_id="maintenance_read", summary="Read a maintenance window", responses=WindowSerializer)
    def get(self, request: Request, window_id: int) -> Response:
        return Response(WindowSerializer(window_get(window_id)).data)

    @extend_schema(
        operation_id="maintenance_change",
        summary="Move a window that has not ended, or word it anew",
        request=WindowChangeSerializer,
        responses=WindowSerializer,
    )
    def patch(self, request: Request, window_id: int) -> Response:
        body = WindowChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        window = window_change(actor=request.user, window=window_get(window_id), **body.validated_data)
        return Response(WindowSerializer(window).data)

    @extend_schema(
        operation_id="maintenance_end",
        summary="End a running window now, or cancel one that has not begun",
        responses={204: None},
    )
    def delete(self, request: Request, window_id: int) -> Response:
        window_end(actor=request.user, window=window_get(window_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["maintenance"])
class ServiceView(APIView):
    """Whether one machine's alerts count."""

    permission_classes = _PERMISSIONS

    @extend_schema(
        operation_id="machine_service_read", summary="Read whether a machine is in service", responses=ServiceSerializer
    )
    def get(self, request: Request, machine: str) -> Response:
        return Response(ServiceSerializer(service_of(machine_for(machine))).data)

    @extend_schema(
        operation_id="machine_service_change",
        summary="Take a machine out of service or put it back, and say when it is off",
        description="Members that are left out stay. `off_when: null` forgets it.",
        request=ServiceSerializer,
        responses=ServiceSerializer,
    )
    def put(self, request: Request, machine: str) -> Response:
        body = ServiceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found, wanted = machine_for(machine), body.validated_data
        if "off_when" in wanted:
            machine_off_when(actor=request.user, machine=found, **_off_when(found, wanted["off_when"]))
        if wanted.get("out_of_service") is True:
            machine_remove(actor=request.user, machine=found, reason=wanted.get("reason", ""))
        elif wanted.get("out_of_service") is False:
            machine_restore(actor=request.user, machine=found)
        return Response(ServiceSerializer(service_of(found)).data)


def _target(wanted: dict[str, Any]) -> Target:
    named = {kind: wanted[kind] for kind in ("machine", "line", "site") if wanted.get(kind) is not None}
    if len(named) != 1:
        raise MaintenanceInvalidError("Name one machine, one line or one site.")
    kind, value = named.popitem()
    if kind == "machine":
        return machine_for(value)
    found: Line | Site | None = (Line if kind == "line" else Site).objects.filter(pk=value).first()
    if found is None:
        raise MaintenanceInvalidError(f"There is no {kind} {value}.")
    return found


def _off_when(machine: Any, wanted: dict[str, Any] | None) -> dict[str, Any]:
    if wanted is None:
        return {"metric": None}
    metric = Metric.objects.filter(machine=machine, name=wanted["metric"]).first()
    if metric is None:
        raise MetricNotFoundError(f"{machine.key} has no metric “{wanted['metric']}”.")
    return {"metric": metric, "low": wanted["low"], "high": wanted["high"]}
