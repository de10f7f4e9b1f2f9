"""API keys: `fp_<factory>_<prefix>_<secret>`, where the visible part finds the row and the secret proves it."""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import Error as DatabaseError
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import ApiKey, Scope, User
from common import clock
from common.errors import InvalidInputError, NotAuthenticatedError, NotPermittedError
from common.expiring import ExpiringMap
from tenants.context import FactoryNotFoundError, factory_context, factory_current

_log = structlog.get_logger(__name__)
_ALPHABET = string.ascii_letters + string.digits
_PREFIX_LENGTH = 8
_SECRET_LENGTH = 32  # of 62 signs: 190 bits, so a plain SHA-256 needs no salt and no stretching
_KEY = re.compile(
    r"fp_(?P<factory>[a-z][a-z0-9-]{0,39})"
    rf"_(?P<prefix>[A-Za-z0-9]{{{_PREFIX_LENGTH}}})_(?P<secret>[A-Za-z0-9]{{{_SECRET_LENGTH}}})"
)
_FRESH_S = 1.0  # how long a revoked key may go on
_STALE_S = 3600.0  # how long a known key is believed while PostgreSQL is away
_USE_NOTED_EVERY = timedelta(minutes=1)


class KeyInvalidError(NotAuthenticatedError):
    """The key is malformed, unknown, or revoked: which of these is nobody's business."""

    code = "key_invalid"


class ScopeMissingError(NotPermittedError):
    """The key is good and does not carry the scope."""

    code = "scope_missing"


class KeyOfOtherFactoryError(NotPermittedError):
    """The key belongs to another factory than the one asked."""

    code = "key_of_other_factory"


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """The three parts of a raw key; nothing is proven by it."""

    factory: str
    prefix: str
    secret: str


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A key that proved itself: the slug of its factory, its visible prefix, its name and scopes."""

    factory: str
    prefix: str
    name: str
    scopes: frozenset[str]


# By SHA-256 of the raw key; None means refused. Holds no secret.
_verified: ExpiringMap[str, VerifiedKey | None] = ExpiringMap(size=10_000, fresh_s=_FRESH_S)


def parse_key(raw: str) -> ParsedKey:
    """Split a raw key. Raises KeyInvalidError."""
    match = _KEY.fullmatch(raw)
    if match is None:
        raise _invalid()
    return ParsedKey(match["factory"], match["prefix"], match["secret"])


def api_key_create(*, name: str, scopes: Sequence[str], created_by: User | None = None) -> tuple[ApiKey, str]:
    """Create a key of the current factory; the raw key is returned once and never stored.

    Raises InvalidInputError for no scope or an unknown one.
    """
    factory = factory_current()
    if factory is None:
        raise RuntimeError("an API key belongs to a factory: call this inside factory_context")
    wanted = list(dict.fromkeys(scopes))
    if not wanted or not set(wanted) <= set(Scope.values):
        raise InvalidInputError(_("Choose at least one of: %(scopes)s.") % {"scopes": ", ".join(Scope.values)})
    secret = _random(_SECRET_LENGTH)
    key = ApiKey.objects.create(
        name=name, prefix=_random(_PREFIX_LENGTH), secret_hash=_digest(secret), scopes=wanted, created_by=created_by
    )
    audit_record(actor=created_by or "system", action="api_key.created", target=key.prefix, name=name, scopes=wanted)
    return key, f"fp_{factory.slug}_{key.prefix}_{secret}"


def api_key_revoke(*, key: ApiKey, revoked_by: User | None = None) -> None:
    """Revoke a key; every process refuses it within a second."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now())
    key.refresh_from_db()
    audit_record(actor=revoked_by or "system", action="api_key.revoked", target=key.prefix, name=key.name)


def verify_key(raw: str, *, scope: str | None) -> VerifiedKey:
    """Prove a raw key and that it carries the scope (None: any); from any thread, inside or outside a factory.

    Answers are remembered for a second in this process; while PostgreSQL is away, a key that was good goes on.
    Raises KeyInvalidError, ScopeMissingError.
    """
    parsed = parse_key(raw)
    digest = _digest(raw)
    held = _verified.fresh(digest)
    verified = held.value if held else _verify_afresh(parsed, digest)
    if verified is None:
        raise _invalid()
    if scope is not None and scope not in verified.scopes:
        raise ScopeMissingError(_("This key lacks the scope “%(scope)s”.") % {"scope": scope})
    return verified


def require_factory(verified: VerifiedKey, slug: str) -> None:
    """Refuse a key at another factory's door. Raises KeyOfOtherFactoryError."""
    if verified.factory != slug:
        raise KeyOfOtherFactoryError(_("This key belongs to another factory."))


def keys_forget() -> None:
    """Drop every remembered answer of this process."""
    _verified.clear()


def _verify_afresh(parsed: ParsedKey, digest: str) -> VerifiedKey | None:
    try:
        verified = _look_up(parsed)
    except DatabaseError as error:
        held = _verified.stale(digest, within_s=_STALE_S)
        if held is None:
            raise
        _log.warning("key_believed_without_database", factory=parsed.factory, prefix=parsed.prefix, error=str(error))
        return held.value
    _verified.put(digest, verified)
    return verified


def _look_up(parsed: ParsedKey) -> VerifiedKey | None:
    try:
        with factory_context(parsed.factory):
            key = ApiKey.objects.filter(prefix=parsed.prefix, revoked_at=None).first()
            # Compared even when there is no row, so that timing doesn't tell which prefixes exist.
            expected = key.secret_hash if key else _digest("")
            if not hmac.compare_digest(expected, _digest(parsed.secret)) or key is None:
                return None
            _note_use(key)
            return VerifiedKey(parsed.factory, key.prefix, key.name, frozenset(key.scopes))
    except FactoryNotFoundError:
        return None


def _note_use(key: ApiKey) -> None:
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


def _invalid() -> KeyInvalidError:
    return KeyInvalidError(_("This key is not valid."))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _sign in range(length))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
