"""The API about what is wrong: analysis on demand, the plant's figures; under /api/v1. Alerts: alerts/api.py."""

from collections.abc import Mapping

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import ACKNOWLEDGE, VIEW, requires
from anomalies.detection.score import analyze
from anomalies.serializers import AnalysisSerializer, AnalyzeSerializer, SummarySerializer
from anomalies.summary import dashboard_summary
from common.errors import InvalidInputError
from telemetry.equipment import machine_for
from telemetry.history.windows import window_of


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
