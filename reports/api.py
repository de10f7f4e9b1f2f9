"""The API about reports, under /api/v1."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit import audit_record
from accounts.models import User
from accounts.paging import CursorPages, NewestFirst, page_of
from accounts.permissions import REPORTS, VIEW, permits, requires_by_method
from common import clock
from common.errors import NotFoundError
from reports.downloads import CONTENT_TYPES, format_check, link_check, report_response
from reports.models import Report, Schedule
from reports.pages import factory_asked
from reports.requesting import report_request, schedules_ensured
from reports.schedule import Period, week_until
from reports.serializers import ReportSerializer, RequestSerializer, ScheduleSerializer
from reports.tasks import report_enqueue

_PERMISSIONS = [requires_by_method(default=VIEW, POST=REPORTS)]


class ReportNotFoundError(NotFoundError):
    """No report of that id in this factory."""

    code = "report_not_found"


def report_for(report_id: int) -> Report:
    """The factory's report of this id. Raises ReportNotFoundError."""
    report = Report.objects.select_related("requested_by").filter(pk=report_id).first()
    if report is None:
        raise ReportNotFoundError(f"There is no report {report_id}.")
    return report


@extend_schema(tags=["reports"])
class ReportsView(GenericAPIView[Report]):
    """The factory's equipment-health reports."""

    permission_classes = _PERMISSIONS
    serializer_class = ReportSerializer
    pagination_class = NewestFirst

    @extend_schema(operation_id="reports_list", summary="List reports", responses=ReportSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(Report.objects.select_related("requested_by").defer("pdf", "contents"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="reports_create",
        summary="Ask for a report; poll the Location until it is ready",
        request=RequestSerializer,
        responses={202: ReportSerializer},
    )
    def post(self, request: Request) -> Response:
        wanted = RequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        factory, now = factory_asked(), clock.now()
        asked = wanted.validated_data
        period = Period(asked["from"], asked["to"]) if asked else week_until(now)
        person = request.user if isinstance(request.user, User) else None
        report = report_request(factory=factory, period=period, requested_by=person, now=now)
        report_enqueue(factory, report)
        body = self.get_serializer(report).data
        return Response(body, status=status.HTTP_202_ACCEPTED, headers={"Location": f"{request.path}/{report.pk}"})


@extend_schema(tags=["reports"])
class ReportView(GenericAPIView[Report]):
    """One report: how far it came, and expiring links to its files once it is ready."""

    permission_classes = _PERMISSIONS
    serializer_class = ReportSerializer

    @extend_schema(operation_id="reports_read", summary="Read a report's state and download links")
    def get(self, request: Request, report_id: int) -> Response:
        return Response(self.get_serializer(report_for(report_id)).data)


class MayDownload(BasePermission):
    """Somebody who may look at the factory, or anybody with a link that is good."""

    # For docs/permissions.md: what is asked of whoever comes without a link.
    required_action = staticmethod(lambda method: VIEW)

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.query_params.get("token")
        if token is None:
            return permits(request.user, VIEW)
        link_check(
            token,
            factory=factory_asked(),
            report_id=view.kwargs["report_id"],
            file_format=request.query_params.get("format", "pdf"),
        )
        return True


class _IgnoreFormat(BaseContentNegotiation):
    """`?format=` names the file here; the framework would take it for the renderer of the answer."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


@extend_schema(tags=["reports"])
class DownloadView(APIView):
    """The file of a finished report."""

    permission_classes = (MayDownload,)
    content_negotiation_class = _IgnoreFormat

    @extend_schema(
        operation_id="reports_download",
        summary="Download a finished report",
        parameters=[
            OpenApiParameter("format", enum=sorted(CONTENT_TYPES), default="pdf"),
            OpenApiParameter("token", description="From the report's download links; needs no other authentication."),
        ],
        responses={(200, content_type): OpenApiTypes.BINARY for content_type in CONTENT_TYPES.values()},
    )
    def get(self, request: Request, report_id: int) -> HttpResponse:
        file_format = request.query_params.get("format", "pdf")
        format_check(file_format)
        report = report_for(report_id)
        by_link = "token" in request.query_params
        return report_response(report, file_format, actor="a download link" if by_link else request.user)


@extend_schema(tags=["reports"])
class SchedulesView(GenericAPIView[Schedule]):
    """When reports are made by themselves, in plant time."""

    permission_classes = _PERMISSIONS
    serializer_class = ScheduleSerializer
    pagination_class = CursorPages

    @extend_schema(
        operation_id="report_schedules_list", summary="List report schedules", responses=ScheduleSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        return page_of(self, request, schedules_ensured(), ScheduleSerializer)

    @extend_schema(operation_id="report_schedules_create", summary="Add a report schedule")
    def post(self, request: Request) -> Response:
        wanted = self.get_serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        schedule: Schedule = wanted.save()
        audit_record(actor=request.user, action="report_schedule.created", target=str(schedule))
        return Response(self.get_serializer(schedule).data, status=status.HTTP_201_CREATED)
