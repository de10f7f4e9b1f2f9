"""The API about the alarm system itself, under /api/v1: its figures, and what verdicts say of rules and detectors."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.paging import WorkedOut, page_of
from accounts.permissions import RULES, VIEW, requires
from anomalies.alerts.measuring import alarm_figures
from anomalies.alerts.serializers import WHEN
from anomalies.alerts.verdicts import Precision, precisions, proposal_apply
from common.errors import InvalidInputError
from common.times import from_ms
from telemetry.history.windows import window_of

_WEEK_S = 7 * 86_400
_LONGEST = timedelta(days=366)


class ActorSerializer(serializers.Serializer[Any]):
    """A cause on a machine, and how often it was raised."""

    actor = serializers.CharField()
    machine = serializers.CharField()
    count = serializers.IntegerField()
    share = serializers.FloatField()


class FloodSerializer(serializers.Serializer[Any]):
    """A stretch with more than ten alerts in ten minutes."""

    from_at = serializers.DateTimeField()
    to_at = serializers.DateTimeField()
    alerts = serializers.IntegerField()
    peak = serializers.IntegerField()


class FiguresSerializer(serializers.Serializer[Any]):
    """ISA-18.2-2016 clause 16 and EEMUA 191; rates are for each operator, shares 0 to 1, times in seconds."""

    from_at = serializers.DateTimeField()
    to_at = serializers.DateTimeField()
    operators = serializers.IntegerField()
    alerts = serializers.IntegerField()
    per_operator_hour = serializers.FloatField()
    per_operator_10_min = serializers.FloatField()
    peak_10_min = serializers.IntegerField()
    flood_share = serializers.FloatField()
    floods = FloodSerializer(many=True)
    chattering = ActorSerializer(many=True)
    stale = serializers.IntegerField(help_text="Active for more than a day.")
    worst = ActorSerializer(many=True)
    worst_share = serializers.FloatField()
    acknowledged_share = serializers.FloatField(allow_null=True)
    acknowledge_median_s = serializers.FloatField(allow_null=True)
    acknowledge_p90_s = serializers.FloatField(allow_null=True)
    priorities = serializers.DictField(child=serializers.IntegerField())


class ProposalSerializer(serializers.Serializer[Any]):
    """A limit that would have spared false alarms and kept every real one."""

    limit = serializers.FloatField()
    present = serializers.FloatField()
    spared = serializers.IntegerField()
    false = serializers.IntegerField()
    kept = serializers.IntegerField()


class PrecisionSerializer(serializers.Serializer[Any]):
    """What one rule, detector or check raised in 90 days, and what it turned out to be."""

    kind = serializers.ChoiceField(["rule", "detector", "check"])
    name = serializers.CharField()
    rule_id = serializers.IntegerField(allow_null=True)
    machine = serializers.CharField(allow_null=True)
    true = serializers.IntegerField()
    false = serializers.IntegerField()
    expected = serializers.IntegerField()
    unjudged = serializers.IntegerField()
    precision = serializers.FloatField(allow_null=True, help_text="Real, expected ones included, of the judged.")
    useful = serializers.FloatField(allow_null=True, help_text="Real and not expected, of the judged.")
    proposal = ProposalSerializer(allow_null=True)


class AppliedSerializer(serializers.Serializer[Any]):
    """The rule that has its new limit."""

    rule_id = serializers.IntegerField()
    name = serializers.CharField()


@extend_schema(tags=["alerts"])
class FiguresView(APIView):
    """How the alarm system does."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="alert_figures",
        summary="Figures of the alarm system (ISA-18.2, EEMUA 191)",
        parameters=[
            OpenApiParameter("from", description=f"{WHEN} Seven days before `to`, if left out."),
            OpenApiParameter("to", description=f"{WHEN} Now, if left out; a year after `from` at most."),
            OpenApiParameter("operators", int, description="At work at any time; 1 if left out, 500 at most."),
        ],
        responses=FiguresSerializer,
    )
    def get(self, request: Request) -> Response:
        params = request.query_params.dict()
        window = window_of(params, default_s=_WEEK_S)
        from_at, to_at = from_ms(window.from_ms), from_ms(window.to_ms)
        if to_at - from_at > _LONGEST:
            raise InvalidInputError("A year at most.")
        found = alarm_figures(from_at=from_at, to_at=to_at, operators=_operators(params.get("operators", "1")))
        return Response(FiguresSerializer(asdict(found)).data)


@extend_schema(tags=["alerts"])
class PrecisionView(APIView):
    """How far rules and detectors can be trusted."""

    permission_classes = [requires(VIEW)]  # noqa: RUF012  # as DRF declares it
    pagination_class = WorkedOut

    @extend_schema(
        operation_id="alert_precision",
        summary="Verdicts by rule and detector, with proposed limits",
        responses=PrecisionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return page_of(self, request, [_row(each) for each in precisions()], PrecisionSerializer)


@extend_schema(tags=["alerts"])
class ApplyView(APIView):
    """A rule takes its proposed limit."""

    permission_classes = [requires(RULES)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="alert_proposal_apply",
        summary="Give a rule the limit that its verdicts propose",
        description="`409 no_proposal` where they propose none (any more).",
        request=None,
        responses=AppliedSerializer,
    )
    def post(self, request: Request, rule_id: int) -> Response:
        rule = proposal_apply(rule_id, actor=request.user)
        return Response({"rule_id": rule.pk, "name": rule.name})


def _row(found: Precision) -> dict[str, Any]:
    return {**asdict(found), "precision": found.precision, "useful": found.useful}


def _operators(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 500):
        raise InvalidInputError("“operators” is a number from 1 to 500.")
    return int(text)
