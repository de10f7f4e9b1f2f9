"""/api/v1/auth: tokens for people's programs, and tickets for their sockets."""

from typing import Any

from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.audit import audit_record
from accounts.login import login_verify
from accounts.models import User
from accounts.permissions import VIEW, requires
from accounts.tokens import tokens_end, tokens_issue, tokens_refresh
from common.errors import NotPermittedError
from tenants.context import factory_current
from tenants.tickets import LIFETIME_S, ticket_make


class LoginSerializer(serializers.Serializer[Any]):
    """What signing in takes."""

    factory = serializers.CharField(
        max_length=40, required=False, help_text="Its address; needed on the public host alone, where no name says it."
    )
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)
    code = serializers.CharField(max_length=64, required=False, allow_blank=True, help_text="Second factor, if set up.")


class RefreshSerializer(serializers.Serializer[Any]):
    """A refresh token."""

    refresh = serializers.CharField(max_length=4096)


class LogoutSerializer(serializers.Serializer[Any]):
    """The session to end, by its refresh token."""

    refresh = serializers.CharField(max_length=4096)


class TokensSerializer(serializers.Serializer[Any]):
    """A session's tokens, good in this factory alone."""

    access = serializers.CharField()
    refresh = serializers.CharField()


class TicketSerializer(serializers.Serializer[Any]):
    """A proof for `/ws/live?ticket=`."""

    ticket = serializers.CharField()
    expires_in_s = serializers.IntegerField()


class OpenDoor(APIView):
    """Proves by its body, so neither cookie nor header is looked at, and CSRF has nothing to hold on to."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class LoginView(OpenDoor):
    """E-mail address and password for a pair of tokens."""

    @extend_schema(request=LoginSerializer, responses=TokensSerializer, tags=["auth"], auth=[])
    def post(self, request: Request) -> Response:
        """Sign in. 401 `login_failed` or `second_factor_required`; 429 after too many failures."""
        data = _valid(LoginSerializer, request)
        user = login_verify(
            request=request._request,  # DRF keeps Django's own request there
            email=data["email"],
            password=data["password"],
            code=data.get("code", ""),
        )
        update_last_login(None, user)  # type: ignore[arg-type]  # the sender is not used
        audit_record(actor=user, action="login.api", target=user.email)
        return Response(tokens_issue(user))


class RefreshView(OpenDoor):
    """A used-up refresh token for a new pair."""

    @extend_schema(request=RefreshSerializer, responses=TokensSerializer, tags=["auth"], auth=[])
    def post(self, request: Request) -> Response:
        """Renew. Each refresh token works once; 401 `token_invalid` afterwards."""
        return Response(tokens_refresh(_valid(RefreshSerializer, request)["refresh"]))


class LogoutView(OpenDoor):
    """Ends a session: its access and refresh tokens stop working at once."""

    @extend_schema(request=LogoutSerializer, responses={204: None}, tags=["auth"], auth=[])
    def post(self, request: Request) -> Response:
        """Sign out. 401 `token_invalid` for anything that is no live session of this factory."""
        tokens_end(_valid(LogoutSerializer, request)["refresh"])
        return Response(status=204)


class SocketTicketView(APIView):
    """A ticket for a program that can't send a cookie with its socket."""

    permission_classes = (requires(VIEW),)

    @extend_schema(request=None, responses=TicketSerializer, tags=["auth"])
    def post(self, request: Request) -> Response:
        """A ticket, good for one minute, for the person who asks."""
        factory = factory_current()
        if factory is None or not isinstance(request.user, User):
            raise NotPermittedError("Tickets are for people; a key can't open a socket.")
        proof = request.user.get_session_auth_hash()[:16]
        ticket = ticket_make(factory=factory.slug, user_id=request.user.pk, proof=proof)
        return Response({"ticket": ticket, "expires_in_s": LIFETIME_S})


def _valid(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
