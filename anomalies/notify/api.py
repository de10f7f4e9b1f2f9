"""The API about notifications: what was sent, who is told, who is on call; under /api/v1."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actions import DELIVERIES, NOTIFICATIONS, VIEW
from accounts.audit import audit_record
from accounts.paging import CursorPages, NewestFirst, page_of
from accounts.people import person_asking
from accounts.permissions import requires
from anomalies.models import Notification, NotificationTarget, OnCallSchedule, Route, Severity
from anomalies.notify.log import LogFilter, log_found
from anomalies.notify.outbox import notification_retry
from anomalies.notify.serializers import (
    NotificationSerializer,
    OnCallSerializer,
    PreviewQuerySerializer,
    PreviewSerializer,
    RouteSerializer,
    TargetMadeSerializer,
    TargetSerializer,
)
from anomalies.notify.targets import target_create, target_delete, target_get
from anomalies.notify.trying import target_test, who_would_be_told
from common.errors import NotFoundError
from telemetry.equipment import machine_for


class NotificationNotFoundError(NotFoundError):
    """No message of that number in this factory."""

    code = "notification_not_found"


@extend_schema(tags=["notifications"])
class NotificationsView(GenericAPIView[Notification]):
    """Every message, and what came of it."""

    permission_classes = [requires(DELIVERIES)]  # noqa: RUF012  # as DRF declares it
    serializer_class = NotificationSerializer
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="notifications_list",
        summary="List messages, the newest first",
        responses=NotificationSerializer(many=True),
        parameters=[
            OpenApiParameter("state", description="pending, sent or dead (given up)."),
            OpenApiParameter("channel", description="email, sms, whatsapp, push, in_app, webhook, slack or teams."),
        ],
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(log_found(LogFilter.of(request.query_params.dict())))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


@extend_schema(tags=["notifications"])
class NotificationRetryView(APIView):
    """A given-up message, once more."""

    permission_classes = [requires(DELIVERIES)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="notification_retry",
        summary="Send a given-up message again",
        request=None,
        responses=NotificationSerializer,
    )
    def post(self, request: Request, notification_id: int) -> Response:
        row = Notification.objects.filter(pk=notification_id).first()
        if row is None:
            raise NotificationNotFoundError(f"There is no message {notification_id}.")
        notification_retry(row)
        audit_record(actor=request.user, action="notification.retry", target=f"{row.channel} {row.recipient}")
        row.refresh_from_db()
        return Response(NotificationSerializer(row).data)


@extend_schema(tags=["notifications"])
class RoutesView(APIView):
    """Who is told of which alerts."""

    permission_classes = [requires(NOTIFICATIONS)]  # noqa: RUF012  # as DRF declares it
    pagination_class = CursorPages

    @extend_schema(operation_id="routes_list", summary="List routes", responses=RouteSerializer(many=True))
    def get(self, request: Request) -> Response:
        found: Any = Route.objects.prefetch_related(
            "sites", "lines", "machines", "steps__people", "steps__schedules", "steps__targets"
        )
        return page_of(self, request, found, RouteSerializer)


@extend_schema(tags=["notifications"])
class PreviewView(APIView):
    """Who would be told now."""

    permission_classes = [requires(NOTIFICATIONS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="notification_preview",
        summary="Who would be told of an alert now, step by step",
        parameters=[
            OpenApiParameter("machine", required=True, description="A machine's key."),
            OpenApiParameter("severity", required=True, enum=Severity.values),
        ],
        responses=PreviewSerializer,
    )
    def get(self, request: Request) -> Response:
        asked = PreviewQuerySerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        machine = machine_for(asked.validated_data["machine"])
        stages = who_would_be_told(machine, asked.validated_data["severity"])
        return Response(PreviewSerializer({"stages": stages}).data)


@extend_schema(tags=["notifications"])
class TargetsView(APIView):
    """Webhooks and chat rooms."""

    permission_classes = [requires(NOTIFICATIONS)]  # noqa: RUF012  # as DRF declares it
    pagination_class = CursorPages

    @extend_schema(
        operation_id="targets_list", summary="List webhooks and chat rooms", responses=TargetSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return page_of(self, request, NotificationTarget.objects.all(), TargetSerializer)

    @extend_schema(
        operation_id="target_create",
        summary="Add a webhook or a chat room",
        description="The secret that signs a webhook's deliveries is in this answer alone.",
        request=TargetSerializer,
        responses={201: TargetMadeSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = TargetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        target, secret = target_create(actor=person_asking(request), **asked.validated_data)
        made: dict[str, Any] = {**TargetSerializer(target).data, "secret": secret}
        return Response(made, status=status.HTTP_201_CREATED)


@extend_schema(tags=["notifications"])
class TargetView(APIView):
    """One of them."""

    permission_classes = [requires(NOTIFICATIONS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(operation_id="target_delete", summary="Remove it", request=None, responses={204: None})
    def delete(self, request: Request, target_id: int) -> Response:
        target_delete(actor=person_asking(request), target=target_get(target_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["notifications"])
class TargetTestView(APIView):
    """A test to one of them."""

    permission_classes = [requires(NOTIFICATIONS)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="target_test", summary="Send it a test", request=None, responses={202: NotificationSerializer}
    )
    def post(self, request: Request, target_id: int) -> Response:
        row = target_test(target_get(target_id))
        return Response(NotificationSerializer(row).data, status=status.HTTP_202_ACCEPTED)


@extend_schema(tags=["notifications"])
class OnCallView(APIView):
    """Who is on call."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it
    pagination_class = CursorPages

    @extend_schema(operation_id="on_call", summary="Who is on call now", responses=OnCallSerializer(many=True))
    def get(self, request: Request) -> Response:
        schedules: Any = OnCallSchedule.objects.prefetch_related("members__user", "overrides")
        return page_of(self, request, schedules, OnCallSerializer)
