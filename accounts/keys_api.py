"""/api/v1/api-keys: keys of devices and programs."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_keys import LONGEST_OVERLAP, OVERLAP, api_key_create, api_key_revoke, api_key_rotate
from accounts.key_changes import api_key_change
from accounts.models import ApiKey, Scope
from accounts.paging import NewestFirst, checked, page_of
from accounts.people import person_asking
from accounts.permissions import PEOPLE, requires
from common.errors import NotFoundError


class KeyNotFoundError(NotFoundError):
    """No key of that id in this factory."""

    code = "api_key_not_found"


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key, without its secret."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False)
    machines = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, help_text="Keys of machines; empty for all."
    )
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, help_text="Networks, as 192.0.2.0/24."
    )

    class Meta:
        model = ApiKey
        fields = (
            "id",
            "name",
            "prefix",
            "scopes",
            "machines",
            "addresses",
            "expires_at",
            "created_at",
            "last_used_at",
            "last_used_from",
            "old_secret_until_at",
            "revoked_at",
        )
        read_only_fields = (
            "id",
            "prefix",
            "created_at",
            "last_used_at",
            "last_used_from",
            "old_secret_until_at",
            "revoked_at",
        )


class NewApiKeySerializer(ApiKeySerializer):
    """A key that was just made or rotated, with what is shown this once."""

    key = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")  # type: ignore[assignment]  # one longer


class RotationSerializer(serializers.Serializer[Any]):
    """How long both secrets live."""

    overlap_s = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        default=int(OVERLAP.total_seconds()),
        help_text="Seconds for which the secret before goes on; 0 ends it at once.",
    )


class ApiKeysView(APIView):
    """Keys, newest first."""

    permission_classes = (requires(PEOPLE),)
    pagination_class = NewestFirst

    @extend_schema(responses=ApiKeySerializer(many=True))
    def get(self, request: Request) -> Response:
        return page_of(self, request, ApiKey.objects.all(), ApiKeySerializer)

    @extend_schema(request=ApiKeySerializer, responses={201: NewApiKeySerializer})
    def post(self, request: Request) -> Response:
        """Make one; the answer alone holds the key itself."""
        wanted = checked(ApiKeySerializer(data=request.data))
        return _told(*api_key_create(**wanted, created_by=person_asking(request)))


class ApiKeyView(APIView):
    """One key."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses=ApiKeySerializer)
    def get(self, request: Request, key_id: int) -> Response:
        return Response(ApiKeySerializer(key_get(key_id)).data)

    @extend_schema(request=ApiKeySerializer(partial=True), responses=ApiKeySerializer)
    def patch(self, request: Request, key_id: int) -> Response:
        """Change what it may do and from where; the secret stays, and devices on the line are asked to come back."""
        wanted = checked(ApiKeySerializer(data=request.data, partial=True))
        changed = api_key_change(key=key_get(key_id), wanted=wanted, changed_by=person_asking(request))
        return Response(ApiKeySerializer(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key_id: int) -> Response:
        """Revoke it."""
        api_key_revoke(key=key_get(key_id), revoked_by=person_asking(request))
        return Response(status=204)


class ApiKeyRotateView(APIView):
    """A new secret for the same key."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(request=RotationSerializer, responses={201: NewApiKeySerializer})
    def post(self, request: Request, key_id: int) -> Response:
        """Make a new secret; the one before goes on for `overlap_s`, so that devices can change one by one."""
        key = key_get(key_id)
        overlap = timedelta(seconds=checked(RotationSerializer(data=request.data or {}))["overlap_s"])
        return _told(key, api_key_rotate(key=key, rotated_by=person_asking(request), overlap=overlap))


def key_get(key_id: int) -> ApiKey:
    """The factory's key. Raises KeyNotFoundError."""
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise KeyNotFoundError(_("There is no such key in this factory."))
    return key


def _told(key: ApiKey, raw: str) -> Response:
    return Response({**ApiKeySerializer(key).data, "key": raw}, status=201)
