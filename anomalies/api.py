"""The API about what is wrong: alerts, analysis on demand, the plant's figures; under /api/v1."""

from collections.abc import Mapping

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import ACKNOWLEDGE, VIEW, requires
from anomalies.alerts.opening import alert_acknowledge, alert_get
from anomalies.detection.score import analyze
from anomalies.models import OPEN_STATES, Alert, AlertState, Severity
from anomalies.serializers import (
    AcknowledgeSerializer,
    AlertDetailSerializer,
    AlertSerializer,
    AnalysisSerializer,
    AnalyzeSerializer,
    SummarySerializer,
)
from anomalies.summary import dashboard_summary
from common.errors import InvalidInputError
from common.times import from_ms
from telemetry.api import CursorPages
from telemetry.equipment import machine_for
from telemetry.history.windows import window_of

_TIME = "RFC 3339 with offset, or epoch milliseconds."
# The window of a list whose `from` is left out: as good as always.
_ALWAYS_S = 10 * 366 * 86_400


class NewestFirst(CursorPages):
    """Alerts, the newest first."""

    ordering = "-pk"


@extend_schema(tags=["alerts"])
class AlertsView(GenericAPIView[Alert]):
    """The factory's alerts."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it  # the framework's attribute
    serializer_class = AlertSerializer
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="alerts_list",
        summary="List alerts, the newest first",
        parameters=[
            OpenApiParameter("state", description="A state, `open` or `active`; several separated by commas."),
            OpenApiParameter("severity", description="One or several, separated by commas."),
            OpenApiParameter("machine", description="A machine's key."),
            OpenApiParameter("from", description=f"{_TIME} Alerts that were active at or after it."),
            OpenApiParameter("to", description=f"{_TIME} Alerts that began before it."),
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
class AcknowledgeView(APIView):
    """Somebody has seen it."""

    permission_classes = [requires(ACKNOWLEDGE)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="alert_acknowledge",
        summary="Acknowledge an alert",
        description="The first acknowledgement stands: a second one changes nothing and gets the same answer.",
        request=AcknowledgeSerializer,
        responses=AlertDetailSerializer,
    )
    def post(self, request: Request, alert_id: int) -> Response:
        asked = AcknowledgeSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        alert = alert_acknowledge(
            alert=alert_get(alert_id), user=request.user, comment=asked.validated_data["comment"].strip()
        )
        return Response(AlertDetailSerializer(alert).data)


@extend_schema(tags=["telemetry"])
class AnalyzeView(APIView):
    """A window, scored now."""

    permission_classes = [requires(ACKNOWLEDGE)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="telemetry_analyze",
        summary="Score a machine's window with its detector",
        description="At most one day. `learning` while the machine has no detector yet; nothing is scored then.",
        request=AnalyzeSerializer,
        responses=AnalysisSerializer,
    )
    def post(self, request: Request, machine: str) -> Response:
        found = machine_for(machine)
        if not isinstance(request.data, Mapping) or not {"from", "to"} <= set(request.data):
            raise InvalidInputError("Send a JSON object with “from” and “to”.")
        window = window_of({name: str(request.data[name]) for name in ("from", "to")}, default_s=3600)
        return Response(analyze(found, from_ms=window.from_ms, to_ms=window.to_ms))


@extend_schema(tags=["dashboard"])
class SummaryView(APIView):
    """The plant in a few figures."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="dashboard_summary",
        summary="Machines by state, open alerts by severity, health, ingest rate",
        responses=SummarySerializer,
    )
    def get(self, request: Request) -> Response:
        return Response(dashboard_summary())


def alerts_found(params: Mapping[str, str]) -> QuerySet[Alert]:
    """The alerts a query asks for. Raises InvalidInputError for a state or severity that does not exist."""
    found = Alert.objects.select_related("machine", "acknowledged_by")
    states = _states(params.get("state", ""))
    if states:
        found = found.filter(state__in=states)
    severities = _words(params.get("severity", ""), "severity", known=set(Severity.values))
    if severities:
        found = found.filter(severity__in=severities)
    if params.get("machine"):
        found = found.filter(machine=machine_for(params["machine"]))
    if params.get("from") or params.get("to"):
        window = window_of(params, default_s=_ALWAYS_S)
        after = Q(returned_at__isnull=True) | Q(returned_at__gte=from_ms(window.from_ms))
        found = found.filter(after, since_at__lt=from_ms(window.to_ms))
    return found


def _states(text: str) -> set[str]:
    active = {str(AlertState.ACTIVE_UNACKNOWLEDGED), str(AlertState.ACTIVE_ACKNOWLEDGED)}
    groups: dict[str, set[str]] = {"open": {str(state) for state in OPEN_STATES}, "active": active}
    words = _words(text, "state", known={*AlertState.values, *groups})
    return {state for word in words for state in groups.get(word, {word})}


def _words(text: str, name: str, *, known: set[str]) -> set[str]:
    words = {word.strip() for word in text.split(",") if word.strip()}
    for word in words - known:
        detail = f"There is no {name} “{word}”; use one of {', '.join(sorted(known))}."
        raise InvalidInputError(detail, errors=[{"field": name, "code": "unknown", "detail": detail}])
    return words
