"""/api/v1/roles: the roles there are, and those of the factory's own."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actions import SINGLE_ACTIONS
from accounts.models import CustomRole
from accounts.paging import NewestFirst, checked, page_of
from accounts.people import person_asking
from accounts.permissions import PEOPLE, requires
from accounts.roles import role_create, role_delete, role_get, role_update


class CustomRoleSerializer(serializers.ModelSerializer[CustomRole]):
    """A role of the factory's own: to see everything within reach, and what it names."""

    # Who has the name already is told by the service, in one way for API and page.
    name = serializers.CharField(max_length=60)
    actions = serializers.ListField(child=serializers.ChoiceField(choices=SINGLE_ACTIONS))

    class Meta:
        model = CustomRole
        fields = ("id", "name", "actions", "created_at")
        read_only_fields = ("id", "created_at")


class RolesView(APIView):
    """The factory's own roles, newest first."""

    permission_classes = (requires(PEOPLE),)
    pagination_class = NewestFirst

    @extend_schema(responses=CustomRoleSerializer(many=True))
    def get(self, request: Request) -> Response:
        return page_of(self, request, CustomRole.objects.all(), CustomRoleSerializer)

    @extend_schema(request=CustomRoleSerializer, responses={201: CustomRoleSerializer})
    def post(self, request: Request) -> Response:
        """Make one, of what you may do yourself."""
        wanted = checked(CustomRoleSerializer(data=request.data))
        role = role_create(actor=person_asking(request), name=wanted["name"], actions=wanted["actions"])
        return Response(CustomRoleSerializer(role).data, status=201)


class RoleView(APIView):
    """One role."""

    permission_classes = (requires(PEOPLE),)

    @extend_schema(responses=CustomRoleSerializer)
    def get(self, request: Request, role_id: int) -> Response:
        return Response(CustomRoleSerializer(role_get(role_id)).data)

    @extend_schema(request=CustomRoleSerializer, responses=CustomRoleSerializer)
    def patch(self, request: Request, role_id: int) -> Response:
        """Change it for everybody who has it, at once."""
        role = role_get(role_id)
        wanted: dict[str, Any] = checked(CustomRoleSerializer(role, data=request.data, partial=True))
        name, actions = wanted.get("name", role.name), wanted.get("actions", role.actions)
        return Response(
            CustomRoleSerializer(role_update(actor=person_asking(request), role=role, name=name, actions=actions)).data
        )

    @extend_schema(responses={204: None})
    def delete(self, request: Request, role_id: int) -> Response:
        """Remove one that nobody has."""
        role_delete(actor=person_asking(request), role=role_get(role_id))
        return Response(status=204)
