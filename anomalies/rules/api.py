"""The API about rules, under /api/v1."""

from collections.abc import Mapping
from typing import IO, Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit import audit_record
from accounts.paging import CursorPages
from accounts.permissions import RULES, VIEW, requires, requires_by_method
from anomalies.models import Rule
from anomalies.rules.backtest import backtest
from anomalies.rules.conditions import rule_as_data
from anomalies.rules.keeping import RuleInvalidError, rule_change, rule_checked, rule_create, rule_delete, rule_get
from anomalies.rules.sentences import Names, rule_sentence
from anomalies.rules.serializers import (
    BacktestAskedSerializer,
    BacktestSerializer,
    ImportedSerializer,
    RuleSerializer,
    RuleWriteSerializer,
)
from anomalies.rules.validation import rule_parse
from anomalies.rules.yaml_files import FILE_MOST, rule_text, rules_export, rules_import
from common.times import rfc3339
from telemetry.history.windows import window_of

_DAYS_30_S = 30 * 86_400
_PERMISSIONS = [requires_by_method(default=VIEW, POST=RULES, PUT=RULES, PATCH=RULES, DELETE=RULES)]


class ByName(CursorPages):
    """Rules by name."""

    ordering = "name"


@extend_schema(tags=["rules"])
class RulesView(GenericAPIView[Rule]):
    """The factory's rules."""

    permission_classes = _PERMISSIONS
    serializer_class = RuleSerializer
    pagination_class = ByName

    @extend_schema(
        operation_id="rules_list",
        summary="List rules by name",
        responses=RuleSerializer(many=True),
        parameters=[
            OpenApiParameter("enabled", description="`true` or `false`."),
            OpenApiParameter("severity", description="One or several, separated by commas."),
        ],
    )
    def get(self, request: Request) -> Response:
        rows: QuerySet[Rule] = Rule.objects.all()
        if request.query_params.get("enabled") in {"true", "false"}:
            rows = rows.filter(enabled=request.query_params["enabled"] == "true")
        if request.query_params.get("severity"):
            rows = rows.filter(severity__in=request.query_params["severity"].split(","))
        names = Names.load()
        page: Any = self.paginate_queryset(rows) or ()
        return self.get_paginated_response([rule_row(row, names) for row in page])

    @extend_schema(
        operation_id="rules_create",
        summary="Write a rule",
        request=RuleWriteSerializer,
        responses={201: RuleSerializer},
    )
    def post(self, request: Request) -> Response:
        row = rule_create(actor=request.user, data=request.data)
        return Response(rule_row(row, Names.load()), status=status.HTTP_201_CREATED)


@extend_schema(tags=["rules"])
class RuleView(APIView):
    """One rule."""

    permission_classes = _PERMISSIONS

    @extend_schema(operation_id="rules_read", summary="Read a rule", responses=RuleSerializer)
    def get(self, request: Request, rule_id: int) -> Response:
        return Response(rule_row(rule_get(rule_id), Names.load()))

    @extend_schema(
        operation_id="rules_replace", summary="Replace a rule", request=RuleWriteSerializer, responses=RuleSerializer
    )
    def put(self, request: Request, rule_id: int) -> Response:
        row = rule_change(rule_get(rule_id), actor=request.user, data=request.data)
        return Response(rule_row(row, Names.load()))

    @extend_schema(
        operation_id="rules_change",
        summary="Change parts of a rule",
        description="Each field that is sent replaces the present one as a whole.",
        request=RuleWriteSerializer(partial=True),
        responses=RuleSerializer,
    )
    def patch(self, request: Request, rule_id: int) -> Response:
        row = rule_get(rule_id)
        data = {**row.as_data(), **_object(request.data)}
        return Response(rule_row(rule_change(row, actor=request.user, data=data), Names.load()))

    @extend_schema(operation_id="rules_delete", summary="Delete a rule", responses={204: None})
    def delete(self, request: Request, rule_id: int) -> Response:
        rule_delete(rule_get(rule_id), actor=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema(tags=["rules"])
class BacktestView(APIView):
    """A rule's past."""

    permission_classes = [requires(RULES)]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="rules_backtest",
        summary="How often a rule would have fired",
        description="Runs a rule, saved or not, over stored readings: the last 30 days, or at most 31 days from `from` "
        "to `to`. Takes about 20 seconds at most; where that is too little, `complete` is false.",
        request=BacktestAskedSerializer,
        responses=BacktestSerializer,
    )
    def post(self, request: Request) -> Response:
        data = dict(_object(request.data))
        asked: dict[str, str] = {name: str(data.pop(name)) for name in ("from", "to") if name in data}
        window = window_of(asked, default_s=_DAYS_30_S)
        rule = rule_checked({"name": "-", **data})
        return Response(backtest(rule, from_ms=window.from_ms, to_ms=window.to_ms).as_data())


class YamlParser(BaseParser):
    """The text of a file, read by `yaml_files`."""

    media_type = "application/yaml"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        """The file's text."""
        body = stream.read(FILE_MOST + 1)
        if len(body) > FILE_MOST:
            raise RuleInvalidError("The file is larger than 1 MB.")
        try:
            return body.decode()
        except UnicodeDecodeError as error:
            raise RuleInvalidError("The file is not UTF-8.") from error


class TextYamlParser(YamlParser):
    """As some programs call it."""

    media_type = "text/yaml"


@extend_schema(tags=["rules"])
class RulesFileView(APIView):
    """All rules as one file."""

    permission_classes = [requires_by_method(default=VIEW, POST=RULES)]  # noqa: RUF012  # as DRF declares it
    parser_classes = [YamlParser, TextYamlParser, JSONParser]  # noqa: RUF012  # as DRF declares it

    @extend_schema(
        operation_id="rules_export",
        summary="Export all rules as YAML",
        responses={(200, "application/yaml"): OpenApiResponse(OpenApiTypes.STR)},
    )
    def get(self, request: Request) -> HttpResponse:
        return rules_file(request.user)

    @extend_schema(
        operation_id="rules_import",
        summary="Import rules from YAML",
        description="All rules of the file, or none. A rule of a known name is replaced.",
        request={"application/yaml": OpenApiTypes.STR},
        responses=ImportedSerializer,
    )
    def post(self, request: Request) -> Response:
        # JSON is YAML, too.
        data: Any = request.data
        text = data if isinstance(data, str) else rule_text(data)
        done = rules_import(text, actor=request.user)
        return Response({"created": done.created, "changed": done.changed})


def rules_file(actor: Any) -> HttpResponse:
    """All rules, to be saved as a file; who took them along is written down."""
    audit_record(actor=actor, action="rules.exported")
    response = HttpResponse(rules_export(Rule.objects.all()), content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="rules.yaml"'
    return response


def rule_row(row: Rule, names: Names) -> dict[str, Any]:
    """A rule as the API answers it."""
    rule = rule_parse(row.as_data())
    return {
        "id": row.pk,
        **rule_as_data(rule),
        "sentence": rule_sentence(rule, names),
        "template": row.template,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def _object(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise RuleInvalidError("Send a JSON object.")
    return data
