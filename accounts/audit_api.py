"""/api/v1/audit: who did what."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit_trail import audit_find
from accounts.models import AuditEntry
from accounts.paging import NewestFirst, page_of
from accounts.permissions import AUDIT, requires


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    """One deed."""

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "actor", "action", "target", "before", "after", "details", "address", "request_id")


class AuditView(APIView):
    """Who did what, newest first."""

    permission_classes = (requires(AUDIT),)
    pagination_class = NewestFirst

    @extend_schema(
        responses=AuditSerializer(many=True),
        parameters=[
            OpenApiParameter("actor", str, description="A part of who did it."),
            OpenApiParameter("action", str, description="How the action begins, such as `person.`."),
            OpenApiParameter("target", str, description="A part of what it was done to."),
            OpenApiParameter("from", str, description="A day of the factory, or RFC 3339."),
            OpenApiParameter("to", str, description="A day of the factory, or RFC 3339."),
        ],
    )
    def get(self, request: Request) -> Response:
        return page_of(self, request, audit_find(request.query_params), AuditSerializer)
