"""/api/v1/sessions: where the person who asks is signed in."""

from allauth.usersessions.models import UserSession
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.people import person_asking
from accounts.permissions import VIEW, requires
from accounts.sessions import device_named, session_end, sessions_of


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    """A browser that is signed in."""

    device = serializers.SerializerMethodField()
    address = serializers.CharField(source="ip")
    current = serializers.SerializerMethodField(help_text="Whether it is the one that asks.")

    class Meta:
        model = UserSession
        fields = ("id", "device", "address", "created_at", "last_seen_at", "current")

    def get_device(self, session: UserSession) -> str:
        """Browser and system."""
        return device_named(session.user_agent)

    def get_current(self, session: UserSession) -> bool:
        """By the cookie that came along."""
        return bool(session.session_key == self.context["session_key"])


class SessionListSerializer(serializers.Serializer[object]):
    """A person's sessions, the last used first."""

    results = SessionSerializer(many=True)


class SessionsView(APIView):
    """Your browser sessions."""

    permission_classes = (requires(VIEW),)

    @extend_schema(operation_id="sessions_list", responses=SessionListSerializer)
    def get(self, request: Request) -> Response:
        """Where you are signed in. Programs' tokens are ended by `auth/logout`."""
        context = {"session_key": request.session.session_key}
        rows = sessions_of(person_asking(request))
        return Response(SessionListSerializer({"results": rows}, context=context).data)


class SessionView(APIView):
    """One of them."""

    permission_classes = (requires(VIEW),)

    @extend_schema(operation_id="sessions_end", responses={204: None})
    def delete(self, request: Request, session_id: int) -> Response:
        """End it: that browser has to sign in again, and what it watches is shut within a second."""
        session_end(actor=person_asking(request), session_id=session_id)
        return Response(status=204)
