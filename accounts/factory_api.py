"""/api/v1/factory: what owners decide about the factory as a whole, for their programs. Keys may do none of it."""

from typing import Any

from django.http import FileResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.attempts import network_address
from accounts.export_pages import export_response
from accounts.exports import export_get, export_progress, export_request
from accounts.factory_changes import factory_change, factory_leave, factory_prove, factory_stay, factory_told
from accounts.models import ExportState, FactoryExport
from accounts.paging import NewestFirst, checked, page_of
from accounts.people import person_asking
from accounts.permissions import FACTORY, VIEW, requires, requires_by_method
from common.times import zone_names
from tenants.context import factory_get
from tenants.models import LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES, Factory


class FactorySerializer(serializers.ModelSerializer[Factory]):
    """The factory itself; name, time zone and the rules about second factors and unused browsers can be changed."""

    name = serializers.CharField(max_length=120)
    time_zone = serializers.CharField(max_length=64, help_text="Such as `Europe/Warsaw`.")
    idle_minutes = serializers.IntegerField(
        min_value=LEAST_IDLE_MINUTES,
        max_value=MOST_IDLE_MINUTES,
        required=False,
        help_text="A browser that nobody uses for so long is signed out.",
    )
    address = serializers.CharField(source="slug", read_only=True)
    plan = serializers.CharField(source="plan.slug", read_only=True, allow_null=True)

    class Meta:
        model = Factory
        fields = (
            "address",
            "name",
            "time_zone",
            "mfa_required",
            "idle_minutes",
            "plan",
            "created_at",
            "delete_after_at",
        )
        read_only_fields = ("address", "plan", "created_at", "delete_after_at")

    def validate_time_zone(self, value: str) -> str:
        """Refuse what is no zone."""
        if value not in zone_names():
            raise serializers.ValidationError(gettext_lazy("There is no such time zone."))
        return value


class DeletionSerializer(serializers.Serializer[Any]):
    """The proof that it is meant."""

    confirm = serializers.CharField(max_length=60, help_text="The factory's address once more.")
    password = serializers.CharField(
        max_length=128, trim_whitespace=False, write_only=True, help_text="Of the owner who asks."
    )


class ExportProgressSerializer(serializers.Serializer[Any]):
    """How far the writing is."""

    stage = serializers.CharField(help_text="`tables`, `readings` or `files`.")
    done = serializers.IntegerField()
    total = serializers.IntegerField()


class ExportSerializer(serializers.ModelSerializer[FactoryExport]):
    """An export; `download` is there while its file is."""

    state = serializers.ChoiceField(choices=ExportState.choices, read_only=True)
    progress = serializers.SerializerMethodField()
    download = serializers.SerializerMethodField()

    class Meta:
        model = FactoryExport
        fields = ("id", "state", "requested_at", "finished_at", "expires_at", "size_bytes", "progress", "download")
        read_only_fields = fields

    def get_progress(self, export: FactoryExport) -> ExportProgressSerializer(allow_null=True):  # type: ignore[valid-type]  # read by drf-spectacular
        """While it runs."""
        progress = export_progress(export)
        return progress._asdict() if progress else None

    def get_download(self, export: FactoryExport) -> str | None:
        """The path of the file; the same proof of who asks opens it."""
        return reverse("api_factory_export_file", args=[export.pk]) if export.state == ExportState.READY else None


def _factory(request: Request) -> Factory:
    factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
    return factory


class FactoryView(APIView):
    """The factory itself."""

    permission_classes = (requires_by_method(default=VIEW, PATCH=FACTORY),)

    @extend_schema(operation_id="factory_read", responses=FactorySerializer)
    def get(self, request: Request) -> Response:
        """Name, time zone, plan, and whether it is about to be deleted."""
        return Response(FactorySerializer(_factory(request)).data)

    @extend_schema(operation_id="factory_change", request=FactorySerializer, responses=FactorySerializer)
    def patch(self, request: Request) -> Response:
        """Call it otherwise; its address stays."""
        factory, actor = _factory(request), person_asking(request)
        wanted = checked(FactorySerializer(factory, data=request.data, partial=True))
        factory_change(actor=actor, factory=factory, **{**factory_told(factory), **wanted})
        return Response(FactorySerializer(factory).data)


class DeletionView(APIView):
    """The deletion of the factory, and its undoing."""

    permission_classes = (requires(FACTORY),)

    @extend_schema(operation_id="factory_delete", request=DeletionSerializer, responses={202: FactorySerializer})
    def post(self, request: Request) -> Response:
        """Shut every door now; everything is deleted at `delete_after_at`, unless an owner takes it back before."""
        factory, actor = _factory(request), person_asking(request)
        proof = checked(DeletionSerializer(data=request.data))
        factory_prove(actor=actor, factory=factory, address=network_address(request), **proof)
        factory_leave(actor=actor, factory=factory)
        return Response(FactorySerializer(factory_get(factory.slug)).data, status=202)

    @extend_schema(operation_id="factory_keep", responses=FactorySerializer)
    def delete(self, request: Request) -> Response:
        """Take the deletion back: devices and people are let in again."""
        factory = _factory(request)
        factory_stay(actor=person_asking(request), factory=factory)
        return Response(FactorySerializer(factory_get(factory.slug)).data)


class ExportsView(APIView):
    """Exports of the whole factory, newest first."""

    permission_classes = (requires(FACTORY),)
    pagination_class = NewestFirst

    @extend_schema(operation_id="factory_exports_list", responses=ExportSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Those that were asked for, with their states."""
        return page_of(self, request, FactoryExport.objects.all(), ExportSerializer)

    @extend_schema(operation_id="factory_export_request", request=None, responses={202: ExportSerializer})
    def post(self, request: Request) -> Response:
        """Have everything written into one file, which `manage.py restore` reads. Poll what is answered."""
        export = export_request(actor=person_asking(request), factory=_factory(request))
        return Response(ExportSerializer(export).data, status=202)


class ExportView(APIView):
    """One export."""

    permission_classes = (requires(FACTORY),)

    @extend_schema(operation_id="factory_export_read", responses=ExportSerializer)
    def get(self, request: Request, export_id: int) -> Response:
        """How far it is, and where its file is once it is ready."""
        return Response(ExportSerializer(export_get(export_id)).data)


class ExportFileView(APIView):
    """The file of an export."""

    permission_classes = (requires(FACTORY),)

    @extend_schema(
        operation_id="factory_export_file",
        responses={(200, "application/gzip"): OpenApiResponse(OpenApiTypes.BINARY, description="The archive.")},
    )
    def get(self, request: Request, export_id: int) -> FileResponse:
        """Fetch it, for a day after it was written; 410 before and after."""
        export = export_get(export_id)
        return export_response(export, actor=person_asking(request), factory=_factory(request))
