"""People's tokens (JWT): bound to the factory and to a session that can be ended, on top of simplejwt's signatures."""

import hmac
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from accounts.login import second_factor_check
from accounts.models import User
from common import clock
from common.errors import NotAuthenticatedError
from tenants.context import factory_current
from tenants.session_life import LONGEST_S

_log = structlog.get_logger(__name__)
FACTORY_CLAIM = "factory"
_SESSION_CLAIM = "sid"  # the same over every refresh of one login
_PROOF_CLAIM = "pwd"  # changes with the password, so a new password ends every session
_BEGUN_CLAIM = "begun"  # when somebody signed in, in epoch seconds
_PROOF_LENGTH = 16
# Whoever lost the answer on the way tries again, and is no thief.
_TRIED_AGAIN = timedelta(seconds=30)
_ALGORITHM = "HS256"


class TokenInvalidError(NotAuthenticatedError):
    """The token is malformed, expired, ended, or of another factory: which of these is nobody's business."""

    code = "token_invalid"


def tokens_issue(user: User) -> dict[str, str]:
    """A new session's tokens: {"access", "refresh"}."""
    refresh = RefreshToken.for_user(user)
    refresh[FACTORY_CLAIM] = _slug()
    refresh[_SESSION_CLAIM] = uuid4().hex
    refresh[_PROOF_CLAIM] = _proof(user)
    refresh[_BEGUN_CLAIM] = refresh["iat"]
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def tokens_refresh(raw: str) -> dict[str, str]:
    """New tokens for a refresh token, which is used up; two weeks after signing in there are none.

    Raises TokenInvalidError, SecondFactorMissingError.
    """
    try:
        user, old = _verified(RefreshToken, raw)
    except TokenInvalidError:
        _end_if_used_before(raw)
        raise
    # Required since the program signed in: it goes on for the minutes of its access token, and no longer.
    second_factor_check(user)
    new = RefreshToken.for_user(user)
    for claim in (FACTORY_CLAIM, _SESSION_CLAIM, _PROOF_CLAIM):
        new[claim] = old[claim]
    # Tokens from before it was written down begin now.
    new[_BEGUN_CLAIM] = begun_s = int(old.get(_BEGUN_CLAIM, old["iat"]))
    ends_at = datetime_from_epoch(begun_s + LONGEST_S)
    if ends_at <= clock.now():
        raise _invalid()
    new["exp"] = min(new["exp"], begun_s + LONGEST_S)
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
    _session_end(user, token)


def access_verify(raw: str) -> tuple[User, Any]:
    """The person and the token of a raw access token. Raises TokenInvalidError."""
    return _verified(AccessToken, raw)


def _session_end(user: User, token: Any) -> None:
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


class _UsedRefreshToken(RefreshToken):
    """Read whether or not it was used."""

    def check_blacklist(self) -> None:
        """Nothing is asked."""


def _end_if_used_before(raw: str) -> None:
    """A used-up token that comes again is a thief's, or their victim's: nobody knows whose, so nobody goes on."""
    try:
        user, token = _verified(_UsedRefreshToken, raw)
    except TokenInvalidError:
        return
    used = BlacklistedToken.objects.filter(token__jti=token["jti"]).first()
    if used is not None and clock.now() - used.blacklisted_at > _TRIED_AGAIN:
        _session_end(user, token)
        _log.warning("refresh_token_used_again", person=user.pk)


def _verified(kind: type[Token], raw: str) -> tuple[User, Any]:
    token = _read(kind, raw)
    if token.get(FACTORY_CLAIM) != _slug():
        raise _invalid()
    user = User.objects.filter(pk=token.get("user_id"), is_active=True).first()
    if user is None or not _is_proof(str(token.get(_PROOF_CLAIM, "")), user):
        raise _invalid()
    if BlacklistedToken.objects.filter(token__jti=token.get(_SESSION_CLAIM)).exists():
        raise _invalid()
    return user, token


def _read(kind: type[Token], raw: str) -> Token:
    """By our secret, or by one before it, which signs nothing any more. Raises TokenInvalidError."""
    for backend in (None, *(TokenBackend(_ALGORITHM, secret) for secret in settings.SECRET_KEY_FALLBACKS)):
        try:
            return type(kind.__name__, (kind,), {"_token_backend": backend})(raw)
        except TokenError:
            continue
    raise _invalid()


def _is_proof(claimed: str, user: User) -> bool:
    proofs = [_proof(user), *(former[:_PROOF_LENGTH] for former in user.get_session_auth_fallback_hash())]
    return any(hmac.compare_digest(claimed.encode(), proof.encode()) for proof in proofs)


def _slug() -> str:
    factory = factory_current()
    if factory is None:
        raise _invalid()
    return factory.slug


def _proof(user: User) -> str:
    return user.get_session_auth_hash()[:_PROOF_LENGTH]


def _invalid() -> TokenInvalidError:
    return TokenInvalidError(_("This token is not valid, or no longer."))
