"""The API about alerts, under /api/v1."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.paging import NewestFirst, WorkedOut, page_of
from accounts.permissions import ACKNOWLEDGE, ANALYTICS, VIEW, requires
from anomalies.alerts.accepting import alert_accept
from anomalies.alerts.handling import (
    alert_acknowledge,
    alert_close,
    alert_comment,
    alert_get,
    alert_shelve,
    alert_unshelve,
    alerts_handle,
)
from anomalies.alerts.search import alerts_found
from anomalies.alerts.serializers import (
    WHEN,
    BulkDoneSerializer,
    BulkSerializer,
    CloseSerializer,
    CommentSerializer,
    OptionalCommentSerializer,
    ShelveSerializer,
    SimilarSerializer,
)
from anomalies.alerts.similar import alerts_similar
from anomalies.models import Alert
from anomalies.serializers import AlertDetailSerializer, AlertSerializer

Deed = Callable[[Alert], Alert]


@extend_schema(tags=["alerts"])
class AlertsView(GenericAPIView[Alert]):
    """The factory's alerts."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it
    serializer_class = AlertSerializer
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="alerts_list",
        summary="List alerts, the newest first",
        responses=AlertSerializer(many=True),
        parameters=[
            OpenApiParameter("state", description="A state, `open`, `active` or `hidden`; several by commas."),
            OpenApiParameter("severity", description="One or several, separated by commas."),
            OpenApiParameter("verdict", description="true, false or expected; several by commas."),
            OpenApiParameter("machine", description="A machine's key."),
            OpenApiParameter("group", description="The number of a storm."),
            OpenApiParameter("from", description=f"{WHEN} Alerts that were active at or after it."),
            OpenApiParameter("to", description=f"{WHEN} Alerts that began before it."),
        ],
    )
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(alerts_found(request.query_params.dict()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


@extend_schema(tags=["alerts"])
class AlertView(APIView):
    """One alert."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="alert_read", summary="Read an alert with its timeline", responses=AlertDetailSerializer
    )
    def get(self, request: Request, alert_id: int) -> Response:
        return Response(AlertDetailSerializer(alert_get(alert_id)).data)


@extend_schema(tags=["alerts"])
class SimilarView(APIView):
    """What it was the last times."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it
    pagination_class = WorkedOut

    @extend_schema(
        operation_id="alert_similar",
        summary="Earlier alerts like this one, with their verdicts",
        responses=SimilarSerializer(many=True),
    )
    def get(self, request: Request, alert_id: int) -> Response:
        return page_of(self, request, alerts_similar(alert_get(alert_id)), SimilarSerializer)


class DeedView(APIView):
    """Something a person, or a key that may write, does to one alert."""

    permission_classes = [requires(ACKNOWLEDGE)]  # noqa: RUF012  # as DRF declares it
    asked: ClassVar[type[Serializer[Any]]]
    deed: ClassVar[Callable[..., Alert]]

    def answer(self, request: Request, alert_id: int) -> Response:
        """Check the body, do it, and answer the alert with its timeline."""
        body = self.asked(data=request.data)
        body.is_valid(raise_exception=True)
        alert = type(self).deed(alert=alert_get(alert_id), user=request.user, **body.validated_data)
        return Response(AlertDetailSerializer(alert).data)


@extend_schema(tags=["alerts"])
class AcknowledgeView(DeedView):
    """Somebody has seen it."""

    asked = OptionalCommentSerializer
    deed = staticmethod(alert_acknowledge)

    @extend_schema(
        operation_id="alert_acknowledge",
        summary="Acknowledge an alert",
        description="The first acknowledgement stands: a second one changes nothing and gets the same answer.",
        request=OptionalCommentSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        return self.answer(request, alert_id)


@extend_schema(tags=["alerts"])
class ShelveView(DeedView):
    """Not now."""

    asked = ShelveSerializer
    deed = staticmethod(alert_shelve)

    @extend_schema(
        operation_id="alert_shelve",
        summary="Shelve an alert until an instant",
        description="It comes back by itself. Shelving it again changes reason and end. `409 alert_state` for one "
        "that is cleared, suppressed or out of service.",
        request=ShelveSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        return self.answer(request, alert_id)


@extend_schema(tags=["alerts"])
class UnshelveView(DeedView):
    """Now, after all."""

    asked = OptionalCommentSerializer
    deed = staticmethod(alert_unshelve)

    @extend_schema(
        operation_id="alert_unshelve",
        summary="Take an alert back from the shelf",
        description="What is still wrong is active and unacknowledged again.",
        request=OptionalCommentSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        return self.answer(request, alert_id)


@extend_schema(tags=["alerts"])
class CommentView(DeedView):
    """Words for whoever reads on."""

    asked = CommentSerializer
    deed = staticmethod(alert_comment)

    @extend_schema(
        operation_id="alert_comment",
        summary="Comment an alert, whatever its state",
        request=CommentSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        return self.answer(request, alert_id)


@extend_schema(tags=["alerts"])
class CloseView(DeedView):
    """It is dealt with."""

    asked = CloseSerializer
    deed = staticmethod(alert_close)

    @extend_schema(
        operation_id="alert_close",
        summary="Close an alert with a verdict",
        description="One that has cleared by itself gets its verdict, or another one, this way too. What is still "
        "wrong is not raised again before it has been right in between.",
        request=CloseSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        return self.answer(request, alert_id)


@extend_schema(tags=["alerts"])
class AcceptView(DeedView):
    """It is meant to be so."""

    permission_classes = [requires(ANALYTICS)]  # noqa: RUF012  # as DRF declares it
    asked = OptionalCommentSerializer
    deed = staticmethod(alert_accept)

    @extend_schema(
        operation_id="alert_accept",
        summary="Accept what a machine does now as normal",
        description="For a detector's alert that still lasts, after a changed recipe or product: closes it with the "
        "verdict `expected`; followed levels begin anew from the present data, and as soon as there is enough, the "
        "machine is taught by it alone. `409 alert_state` for any other alert.",
        request=OptionalCommentSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        return self.answer(request, alert_id)


# What each action of a bulk request takes beside the ids, and does.
DEEDS: dict[str, tuple[type[Serializer[Any]], Callable[..., Alert]]] = {
    "acknowledge": (OptionalCommentSerializer, alert_acknowledge),
    "shelve": (ShelveSerializer, alert_shelve),
    "unshelve": (OptionalCommentSerializer, alert_unshelve),
    "comment": (CommentSerializer, alert_comment),
    "close": (CloseSerializer, alert_close),
}


@extend_schema(tags=["alerts"])
class BulkView(APIView):
    """The same for many."""

    permission_classes = [requires(ACKNOWLEDGE)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="alerts_bulk",
        summary="Do the same to several alerts",
        description="Each in a transaction of its own. `refused` names those that do not exist or have moved on.",
        request=BulkSerializer,
        responses=BulkDoneSerializer,
    )
    def post(self, request: Request) -> Response:
        body = BulkSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, deed = DEEDS[body.validated_data["action"]]
        single = asked(data=request.data)
        single.is_valid(raise_exception=True)
        ids = list(dict.fromkeys(body.validated_data["ids"]))
        done, refused = alerts_handle(ids, lambda alert: deed(alert=alert, user=request.user, **single.validated_data))
        return Response({"done": [alert.pk for alert in done], "refused": refused})
