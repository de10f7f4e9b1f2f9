"""People's tokens (JWT): bound to the factory and to a session that can be ended, on top of simplejwt's signatures."""

import hmac
from typing import Any
from uuid import uuid4

from django.utils.translation import gettext as _
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import User
from common import clock
from common.errors import NotAuthenticatedError
from tenants.context import factory_current

FACTORY_CLAIM = "factory"
_SESSION_CLAIM = "sid"  # the same over every refresh of one login
_PROOF_CLAIM = "pwd"  # changes with the password, so a new password ends every session


class TokenInvalidError(NotAuthenticatedError):
    """The token is malformed, expired, ended, or of another factory: which of these is nobody's business."""

    code = "token_invalid"


def tokens_issue(user: User) -> dict[str, str]:
    """A new session's tokens: {"access", "refresh"}."""
    refresh = RefreshToken.for_user(user)
    refresh[FACTORY_CLAIM] = _slug()
    refresh[_SESSION_CLAIM] = uuid4().hex
    refresh[_PROOF_CLAIM] = _proof(user)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def tokens_refresh(raw: str) -> dict[str, str]:
    """New tokens for a refresh token, which is used up. Raises TokenInvalidError."""
    user, old = _verified(RefreshToken, raw)
    new = RefreshToken.for_user(user)
    for claim in (FACTORY_CLAIM, _SESSION_CLAIM, _PROOF_CLAIM):
        new[claim] = old[claim]
    _row, first = old.blacklist()
    if not first:  # two programs refreshed at once, and the other one won
        raise _invalid()
    return {"access": str(new.access_token), "refresh": str(new)}


def tokens_end(raw: str) -> None:
    """End the session of a refresh or access token at once: none of its tokens works any more.

    Raises TokenInvalidError.
    """
    try:
        user, token = _verified(RefreshToken, raw)
    except TokenInvalidError:
        user, token = _verified(AccessToken, raw)
    # The session's own id stands in the blacklist beside single tokens, and expires with the longest of them.
    outstanding, _made = OutstandingToken.objects.get_or_create(
        jti=token[_SESSION_CLAIM],
        defaults={
            "user": user,
            "token": "",
            "created_at": clock.now(),
            "expires_at": clock.now() + RefreshToken.lifetime,
        },
    )
    BlacklistedToken.objects.get_or_create(token=outstanding)


def access_verify(raw: str) -> tuple[User, Any]:
    """The person and the token of a raw access token. Raises TokenInvalidError."""
    return _verified(AccessToken, raw)


def _verified(kind: type[Token], raw: str) -> tuple[User, Any]:
    try:
        token = kind(raw)
    except TokenError as error:
        raise _invalid() from error
    if token.get(FACTORY_CLAIM) != _slug():
        raise _invalid()
    user = User.objects.filter(pk=token.get("user_id"), is_active=True).first()
    if user is None or not hmac.compare_digest(str(token.get(_PROOF_CLAIM, "")), _proof(user)):
        raise _invalid()
    if BlacklistedToken.objects.filter(token__jti=token.get(_SESSION_CLAIM)).exists():
        raise _invalid()
    return user, token


def _slug() -> str:
    factory = factory_current()
    if factory is None:
        raise _invalid()
    return factory.slug


def _proof(user: User) -> str:
    return user.get_session_auth_hash()[:16]


def _invalid() -> TokenInvalidError:
    return TokenInvalidError(_("This token is not valid, or no longer."))
