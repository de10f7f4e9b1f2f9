"""/api/v1: people and invitations, for whoever looks after people; the rules are those of the pages."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import Access
from accounts.actions import SINGLE_ACTIONS
from accounts.invitations import invitation_create, invitation_get, invitation_resend, invitation_revoke
from accounts.models import CustomRole, Invitation, Role, User
from accounts.paging import NewestFirst, checked, page_of
from accounts.people import access_change, person_asking, person_deactivate, person_get, person_reactivate
from accounts.permissions import PEOPLE, actions_of, requires
from accounts.reach import reach_checked
from accounts.roles import role_get


class ReachSerializer(serializers.Serializer[Any]):
    """The part of the plant that a person is restricted to."""

    sites = serializers.ListField(child=serializers.IntegerField(), required=False)
    lines = serializers.ListField(child=serializers.IntegerField(), required=False)


class AccessSerializer(serializers.Serializer[Any]):
    """What a person may do and see; what is left out stays as it is."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
    custom_role = serializers.IntegerField(
        required=False, allow_null=True, help_text="Id of a role of the factory's own, in place of `role`."
    )
    extra_actions = serializers.ListField(
        child=serializers.ChoiceField(choices=SINGLE_ACTIONS), required=False, help_text="Single permissions on top."
    )
    reach = ReachSerializer(required=False, allow_null=True, help_text="null: the whole factory.")

    def changed(self, before: Access) -> Access:
        """The access that was asked for, of somebody who has `before`. Raises DomainError."""
        data = checked(self)
        role, custom_role = data.get("role", before.role), before.custom_role
        if "role" in data:
            custom_role = None
        if data.get("custom_role") is not None:
            role, custom_role = Role.VIEWER.value, role_get(data["custom_role"])
        elif "custom_role" in data:
            custom_role = None
        extra = frozenset(data["extra_actions"]) if "extra_actions" in data else before.extra_actions
        reach = reach_checked(data["reach"]) if "reach" in data else before.reach
        return Access(role, custom_role, extra, reach)


class PersonSerializer(serializers.ModelSerializer[User]):
    """A person of the factory."""

    custom_role = serializers.PrimaryKeyRelatedField[CustomRole](read_only=True)
    extra_actions = serializers.ListField(child=serializers.CharField(), read_only=True)
    reach = ReachSerializer(read_only=True, allow_null=True)
    actions = serializers.SerializerMethodField(help_text="Everything that the person may do.")

    class Meta:
        model = User
        fields = (
            "id",
            "email",
            "first_name",
            "last_name",
            "role",
            "custom_role",
            "extra_actions",
            "reach",
            "actions",
            "is_active",
            "last_login",
            "date_joined",
        )
        read_only_fields = fields

    def get_actions(self, person: User) -> list[str]:
        return sorted(actions_of(person))


class PersonChangeSerializer(AccessSerializer):
    """What may be changed of a person."""

    is_active = serializers.BooleanField(required=False)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """An invitation, without its token."""

    custom_role = serializers.PrimaryKeyRelatedField[CustomRole](read_only=True)
    reach = ReachSerializer(read_only=True, allow_null=True)

    class Meta:
        model = Invitation
        fields = (
            "id",
            "email",
            "role",
            "custom_role",
            "reach",
            "created_at",
            "expires_at",
            "accepted_at",
            "revoked_at",
        )
        read_only_fields = fields


class InvitingSerializer(AccessSerializer):
    """Whom to invite, as what: an operator of the whole factory unless told."""

    email = serializers.EmailField(max_length=254)
    # Single permissions are given to people, not to addresses.
    extra_actions = None  # type: ignore[assignment]  # as DRF takes a field away


class PeopleView(APIView):
    """Everybody of the factory."""

    permission_classes = (requires(PEOPLE),)
    pagination_class = NewestFirst

    @extend_schema(responses=PersonSerializer(many=True))
    def get(self, request: Request) -> Response:
        return page_of(self, request, User.objects.select_related("custom_role"), PersonSerializer)

    @extend_schema(request=InvitingSerializer, responses={201: InvitationSerializer})
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
        """Change what they may do or see, or shut them out and let them in."""
        actor, person = person_asking(request), person_get(person_id)
        wanted = PersonChangeSerializer(data=request.data)
        access = wanted.changed(Access.of(person))
        is_active = wanted.validated_data.get("is_active", person.is_active)
        with transaction.atomic():
            access_change(actor=actor, person=person, access=access)
            if is_active != person.is_active:
                (person_reactivate if is_active else person_deactivate)(actor=actor, person=person)
        return Response(PersonSerializer(person).data)


class InvitationsView(APIView):
    """Invitations, newest first."""

    permission_classes = (requires(PEOPLE),)
    pagination_class = NewestFirst

    @extend_schema(responses=InvitationSerializer(many=True))
    def get(self, request: Request) -> Response:
        return page_of(self, request, Invitation.objects.select_related("custom_role"), InvitationSerializer)

    @extend_schema(request=InvitingSerializer, responses={201: InvitationSerializer})
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


class InvitationAgainView(APIView):
    """An invitation whose mail was lost or whose time is over."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(request=None, responses=InvitationSerializer)
    def post(self, request: Request, invitation_id: int) -> Response:
        """Send it again with a new link, good for 48 hours; the old link dies."""
        invitation = invitation_resend(actor=person_asking(request), invitation=invitation_get(invitation_id))
        return Response(InvitationSerializer(invitation).data)


def _invited(request: Request) -> Response:
    wanted = InvitingSerializer(data=request.data)
    access = wanted.changed(Access(Role.OPERATOR.value))
    email = wanted.validated_data["email"]
    invitation = invitation_create(actor=person_asking(request), email=email, access=access)
    return Response(InvitationSerializer(invitation).data, status=201)
