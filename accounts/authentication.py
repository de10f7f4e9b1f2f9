"""Who asks the API: an API key, a person's token, or a signed-in browser; always of the factory that is asked."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication
from rest_framework.request import Request

from accounts import tokens
from accounts.api_keys import VerifiedKey, require_address, require_factory, verify_key
from accounts.attempts import network_address
from accounts.models import User
from accounts.reach import reach_enter, reach_of
from tenants.context import factory_current


@dataclass(frozen=True, slots=True)
class KeyUser:
    """What `request.user` is when a key asks: somebody known who is no person and has no role."""

    key: VerifiedKey
    is_authenticated: bool = field(default=True, init=False)
    is_anonymous: bool = field(default=False, init=False)
    is_active: bool = field(default=True, init=False)
    pk: None = field(default=None, init=False)

    @property
    def scopes(self) -> frozenset[str]:
        """What `accounts.permissions.permits` reads instead of a role."""
        return self.key.scopes

    @property
    def name(self) -> str:
        """How the audit trail names it."""
        return f"key {self.key.prefix} ({self.key.name})"


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """`Authorization: Api-Key <key>` or `X-API-Key: <key>`."""

    def authenticate(self, request: Request) -> tuple[KeyUser, VerifiedKey] | None:
        raw = api_key_of(request)
        factory = factory_current()
        if raw is None or factory is None:
            return None
        address = partial(network_address, request)
        verified = verify_key(raw, scope=None, address=address)
        require_factory(verified, factory.slug)
        require_address(verified, address)
        asker = KeyUser(verified)
        reach_enter(reach_of(asker))
        return asker, verified

    def authenticate_header(self, request: Request) -> str:
        return 'Api-Key realm="FactoryPulse"'


class FactoryJWTAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <access token>`, good only in the factory that issued it."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        scheme, _space, raw = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        person, token = tokens.access_verify(raw.strip())
        reach_enter(reach_of(person))
        return person, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="FactoryPulse"'


class SessionAuthentication(authentication.SessionAuthentication):
    """The browser of somebody signed in at this factory, with the CSRF check that cookies need."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        if factory_current() is None:
            return None
        result: tuple[Any, None] | None = super().authenticate(request)
        if result is not None:
            reach_enter(reach_of(result[0]))
        return result


def api_key_of(request: Any) -> str | None:
    """The raw key of a request's headers, or None."""
    # Not by request.headers, which makes a dictionary of them all first: devices ask by the thousand a second.
    scheme, _space, value = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() == "api-key":
        return str(value).strip()
    return request.META.get("HTTP_X_API_KEY", "").strip() or None


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the API's documentation names a key."""

    target_class = "accounts.authentication.ApiKeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _("A device's or program's key.")}


class BearerScheme(OpenApiAuthenticationExtension):
    """How the API's documentation names a token."""

    target_class = "accounts.authentication.FactoryJWTAuthentication"
    name = "Bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class SessionScheme(OpenApiAuthenticationExtension):
    """How the API's documentation names a signed-in browser."""

    target_class = "accounts.authentication.SessionAuthentication"
    name = "Session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}
