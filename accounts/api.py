"""/api/v1: people, invitations, keys and the audit trail, for admins and owners; the rules are those of the pages."""

from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_keys import api_key_create, api_key_revoke
from accounts.invitations import invitation_create, invitation_get, invitation_revoke
from accounts.models import ApiKey, AuditEntry, Invitation, Role, Scope, User
from accounts.people import person_asking, person_deactivate, person_get, person_reactivate, role_change
from accounts.permissions import AUDIT, PEOPLE, requires
from common.errors import ConflictError, InvalidInputError, NotFoundError

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200


class KeyNotFoundError(NotFoundError):
    """No key of that id in this factory."""

    code = "api_key_not_found"


class KeyRevokedError(ConflictError):
    """The key was revoked, so it can't be rotated."""

    code = "api_key_revoked"


class CursorInvalidError(InvalidInputError):
    """The cursor or limit is not one that a list gave."""

    code = "cursor_invalid"


class PersonSerializer(serializers.ModelSerializer[User]):
    """A person of the factory."""

    class Meta:
        model = User
        fields = ("id", "email", "first_name", "last_name", "role", "is_active", "last_login", "date_joined")
        read_only_fields = ("id", "email", "first_name", "last_name", "last_login", "date_joined")


class PersonChangeSerializer(serializers.Serializer[Any]):
    """What may be changed of a person."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
    is_active = serializers.BooleanField(required=False)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An invitation, without its token."""

    class Meta:
        model = Invitation
        fields = ("id", "email", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
        read_only_fields = ("id", "created_at", "expires_at", "accepted_at", "revoked_at")


class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    """A key, without its secret."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices), allow_empty=False)

    class Meta:
        model = ApiKey
        fields = ("id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at")
        read_only_fields = ("id", "prefix", "created_at", "last_used_at", "revoked_at")


class NewApiKeySerializer(ApiKeySerializer):
    """A key that was just made, with what is shown this once."""

    key = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = (*ApiKeySerializer.Meta.fields, "key")  # type: ignore[assignment]  # one longer


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    """One deed."""

    class Meta:
        model = AuditEntry
        fields = ("id", "at", "actor", "action", "target", "details", "request_id")


class PeopleView(APIView):
    """Everybody of the factory."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses=PersonSerializer(many=True))
    def get(self, request: Request) -> Response:
        return _page(request, User.objects.all(), PersonSerializer)

    @extend_schema(request=InvitationSerializer, responses={201: InvitationSerializer})
    def post(self, request: Request) -> Response:
        """Invite somebody: nobody's password is ever chosen by somebody else."""
        return _invited(request)


class PersonView(APIView):
    """One person."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses=PersonSerializer)
    def get(self, request: Request, person_id: int) -> Response:
        return Response(PersonSerializer(person_get(person_id)).data)

    @extend_schema(request=PersonChangeSerializer, responses=PersonSerializer)
    def patch(self, request: Request, person_id: int) -> Response:
        """Change the role, or shut out and let in."""
        change = _checked(PersonChangeSerializer(data=request.data))
        actor, person = person_asking(request), person_get(person_id)
        with transaction.atomic():
            if "role" in change:
                role_change(actor=actor, person=person, role=change["role"])
            if change.get("is_active", person.is_active) != person.is_active:
                (person_reactivate if change["is_active"] else person_deactivate)(
                    actor=person_asking(request), person=person
                )
        return Response(PersonSerializer(person).data)


class InvitationsView(APIView):
    """Invitations, newest first."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses=InvitationSerializer(many=True))
    def get(self, request: Request) -> Response:
        return _page(request, Invitation.objects.all(), InvitationSerializer)

    @extend_schema(request=InvitationSerializer, responses={201: InvitationSerializer})
    def post(self, request: Request) -> Response:
        """Send one."""
        return _invited(request)


class InvitationView(APIView):
    """One invitation."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, invitation_id: int) -> Response:
        """Take it back."""
        invitation_revoke(actor=person_asking(request), invitation=invitation_get(invitation_id))
        return Response(status=204)


class ApiKeysView(APIView):
    """Keys, newest first."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses=ApiKeySerializer(many=True))
    def get(self, request: Request) -> Response:
        return _page(request, ApiKey.objects.all(), ApiKeySerializer)

    @extend_schema(request=ApiKeySerializer, responses={201: NewApiKeySerializer})
    def post(self, request: Request) -> Response:
        """Make one; the answer alone holds the key itself."""
        wanted = _checked(ApiKeySerializer(data=request.data))
        return _key_made(
            *api_key_create(name=wanted["name"], scopes=wanted["scopes"], created_by=person_asking(request))
        )


class ApiKeyView(APIView):
    """One key."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key_id: int) -> Response:
        """Revoke it."""
        api_key_revoke(key=_key_get(key_id), revoked_by=person_asking(request))
        return Response(status=204)


class ApiKeyRotateView(APIView):
    """A new secret for the same purpose."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(request=None, responses={201: NewApiKeySerializer})
    def post(self, request: Request, key_id: int) -> Response:
        """Make a key of the same name and scopes, and revoke this one."""
        old = _key_get(key_id)
        if old.revoked_at:
            raise KeyRevokedError(_("This key is revoked. Make a new one instead."))
        with transaction.atomic():
            made = api_key_create(name=old.name, scopes=old.scopes, created_by=person_asking(request))
            api_key_revoke(key=old, revoked_by=person_asking(request))
        return _key_made(*made)


class AuditView(APIView):
    """Who did what, newest first."""

    permission_classes = (requires(AUDIT),)

    @extend_schema(responses=AuditSerializer(many=True))
    def get(self, request: Request) -> Response:
        return _page(request, AuditEntry.objects.all(), AuditSerializer)


def _checked(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def _invited(request: Request) -> Response:
    wanted = _checked(InvitationSerializer(data=request.data))
    invitation = invitation_create(
        actor=person_asking(request), email=wanted["email"], role=wanted.get("role", Role.OPERATOR.value)
    )
    return Response(InvitationSerializer(invitation).data, status=201)


def _key_get(key_id: int) -> ApiKey:
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise KeyNotFoundError(_("There is no such key in this factory."))
    return key


def _key_made(key: ApiKey, raw: str) -> Response:
    return Response({**ApiKeySerializer(key).data, "key": raw}, status=201)


def _page(request: Request, rows: QuerySet[Any], serializer: type[serializers.ModelSerializer[Any]]) -> Response:
    """Newest first, at most `limit`; `next_cursor` is the `cursor` of what follows. Raises CursorInvalidError."""
    limit = min(_number(request, "limit", DEFAULT_LIMIT), LARGEST_LIMIT)
    cursor = _number(request, "cursor", 0)
    if cursor:
        rows = rows.filter(pk__lt=cursor)
    found: list[Model] = list(rows.order_by("-pk")[: limit + 1])
    more = len(found) > limit
    results = serializer(found[:limit], many=True).data
    return Response({"results": results, "next_cursor": str(found[limit - 1].pk) if more else None})


def _number(request: Request, name: str, default: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and 0 < len(given) < 19) or int(given) == 0:
        raise CursorInvalidError(_("“%(name)s” is not a number that a list gave.") % {"name": name})
    return int(given)
