"""API keys: `fp_<factory>_<prefix>_<secret>`, where the visible part finds the row and the secret proves it.

A key may be for some machines, for some networks and for a time; while it is rotated it has two secrets.
"""

import hashlib
import hmac
import ipaddress
import re
import secrets
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.key_scopes import scopes_check
from accounts.models import ApiKey, Scope, User
from common import clock
from common.errors import ConflictError, InvalidInputError, NotAuthenticatedError, NotPermittedError
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
# How long devices have to take over a new secret, unless somebody says otherwise.
OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=30)


class KeyInvalidError(NotAuthenticatedError):
    """The key is malformed, unknown, or revoked: which of these is nobody's business."""

    code = "key_invalid"


class KeyRevokedError(ConflictError):
    """The key was revoked, so it can't be rotated."""

    code = "api_key_revoked"


class ScopeMissingError(NotPermittedError):
    """The key is good and does not carry the scope."""

    code = "scope_missing"


class KeyFromElsewhereError(NotPermittedError):
    """The key is good and was used from a network that it is not for."""

    code = "key_from_elsewhere"


class KeyOfOtherFactoryError(NotPermittedError):
    """The key belongs to another factory than the one asked."""

    code = "key_of_other_factory"


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """The three parts of a raw key; nothing is proven by it."""

    factory: str
    prefix: str
    secret: str


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A key that proved itself: the slug of its factory, its visible prefix, its name and scopes.

    machines: keys of the machines it is for, empty for all. networks: where it may be used from, empty for anywhere.
    good_until: when the secret that proved it ends, None for never. mark: tells its secrets apart, and proves nothing.
    Equal are those that may do the same, whatever the key's name and end.
    """

    factory: str
    prefix: str
    name: str = field(compare=False)
    scopes: frozenset[str]
    machines: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    good_until: datetime | None = field(default=None, compare=False)
    mark: str = ""

    @property
    def over(self) -> bool:
        """Whether its time has run out."""
        return self.good_until is not None and self.good_until <= clock.now()


# By SHA-256 of the raw key; None means refused. Holds no secret.
_verified: ExpiringMap[str, VerifiedKey | None] = ExpiringMap(size=10_000, fresh_s=_FRESH_S)


def parse_key(raw: str) -> ParsedKey:
    """Split a raw key. Raises KeyInvalidError."""
    match = _KEY.fullmatch(raw)
    if match is None:
        raise _invalid()
    return ParsedKey(match["factory"], match["prefix"], match["secret"])


def api_key_create(
    *,
    name: str,
    scopes: Sequence[str],
    machines: Sequence[str] = (),
    addresses: Sequence[str] = (),
    expires_at: datetime | None = None,
    created_by: User | None = None,
) -> tuple[ApiKey, str]:
    """Create a key of the current factory; the raw key is returned once and never stored.

    machines, addresses, expires_at: see `ApiKey`. Raises InvalidInputError for no scope or an unknown one, for what is
    no network, and for an end that has passed; ScopeTooHighError.
    """
    factory = factory_current()
    if factory is None:
        raise RuntimeError("an API key belongs to a factory: call this inside factory_context")
    limits = limits_read({"scopes": scopes, "machines": machines, "addresses": addresses, "expires_at": expires_at})
    scopes_check(created_by, limits["scopes"])
    secret = _random(_SECRET_LENGTH)
    with transaction.atomic():
        key = ApiKey.objects.create(
            name=name,
            prefix=_random(_PREFIX_LENGTH),
            secret_hash=_digest(secret),
            created_by=created_by,
            **limits,
        )
        told = {"name": name, **limits, "expires_at": expires_at and expires_at.isoformat()}
        audit_record(actor=created_by or "system", action="api_key.created", target=key.prefix, after=told)
    return key, f"fp_{factory.slug}_{key.prefix}_{secret}"


def limits_read(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given ones of a key's fields as they are stored. Raises InvalidInputError as `api_key_create` does."""
    read = dict(given)
    if "scopes" in given:
        read["scopes"] = list(dict.fromkeys(given["scopes"]))
        if not read["scopes"] or not set(read["scopes"]) <= set(Scope.values):
            raise InvalidInputError(_("Choose at least one of: %(scopes)s.") % {"scopes": ", ".join(Scope.values)})
    if given.get("expires_at") is not None and given["expires_at"] <= clock.now():
        raise InvalidInputError(_("This end has passed already."))
    if "machines" in given:
        read["machines"] = sorted({machine.strip() for machine in given["machines"] if machine.strip()})
    if "addresses" in given:
        read["addresses"] = [str(network) for network in networks_read(given["addresses"])]
    return read


def api_key_rotate(*, key: ApiKey, rotated_by: User | None = None, overlap: timedelta = OVERLAP) -> str:
    """Give a key a new secret and return it whole, once; the secret before is good for `overlap` longer.

    Raises KeyRevokedError, ScopeTooHighError, InvalidInputError for an overlap beyond 30 days.
    """
    factory = factory_current()
    if factory is None:
        raise RuntimeError("an API key belongs to a factory: call this inside factory_context")
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidInputError(_("Two secrets may live side by side for up to 30 days."))
    secret = _random(_SECRET_LENGTH)
    with transaction.atomic():
        # Locked, so that of two who rotate at once the second one's “before” is the first one's secret.
        held = ApiKey.objects.select_for_update().get(pk=key.pk)
        if held.revoked_at:
            raise KeyRevokedError(_("This key is revoked. Make a new one instead."))
        scopes_check(rotated_by, held.scopes)
        held.old_secret_hash = held.secret_hash if overlap else ""
        held.old_secret_until_at = clock.now() + overlap if overlap else None
        held.secret_hash = _digest(secret)
        held.save(update_fields=["secret_hash", "old_secret_hash", "old_secret_until_at"])
        audit_record(
            actor=rotated_by or "system",
            action="api_key.rotated",
            target=key.prefix,
            name=key.name,
            overlap_s=int(overlap.total_seconds()),
        )
    key.refresh_from_db()
    return f"fp_{factory.slug}_{key.prefix}_{secret}"


def networks_read(addresses: Sequence[str]) -> list[Network]:
    """Addresses and networks in CIDR notation. Raises InvalidInputError."""
    networks = []
    for text in addresses:
        try:
            networks.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError as error:
            raise InvalidInputError(_("“%(text)s” is no network such as 192.0.2.0/24.") % {"text": text}) from error
    return networks


def api_key_revoke(*, key: ApiKey, revoked_by: User | None = None) -> None:
    """Revoke a key, both its secrets; every process refuses it within a second."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(
        revoked_at=clock.now(), old_secret_hash="", old_secret_until_at=None
    )
    key.refresh_from_db()
    if not revoked:
        return
    audit_record(actor=revoked_by or "system", action="api_key.revoked", target=key.prefix, name=key.name)


def verify_key(raw: str, *, scope: str | None, address: Callable[[], str] | None = None) -> VerifiedKey:
    """Prove a raw key and that it carries the scope (None: any); from any thread, inside or outside a factory.

    address: where it is used from, noted with its last use now and then; `require_address` is what refuses. Answers
    are remembered for a second in this process; while PostgreSQL is away, a key that was good goes on.
    Raises KeyInvalidError, ScopeMissingError.
    """
    parsed = parse_key(raw)
    digest = _digest(raw)
    held = _verified.fresh(digest)
    verified = held.value if held else _verify_afresh(parsed, digest, address)
    if verified is None or verified.over:
        raise _invalid()
    if scope is not None and scope not in verified.scopes:
        raise ScopeMissingError(_("This key lacks the scope “%(scope)s”.") % {"scope": scope})
    return verified


def require_factory(verified: VerifiedKey, slug: str) -> None:
    """Refuse a key at another factory's door. Raises KeyOfOtherFactoryError."""
    if verified.factory != slug:
        raise KeyOfOtherFactoryError(_("This key belongs to another factory."))


def require_address(verified: VerifiedKey, address: Callable[[], str]) -> None:
    """Refuse a key that is used from a network it is not for. Raises KeyFromElsewhereError.

    address: asked only for keys that are bound to networks; what is no address is in none.
    """
    if not verified.networks:
        return
    try:
        here = ipaddress.ip_address(address())
    except ValueError:
        here = None
    mapped = getattr(here, "ipv4_mapped", None) or here
    if mapped is None or not any(mapped in network for network in verified.networks):
        _log.warning("key_from_elsewhere", factory=verified.factory, prefix=verified.prefix, address=str(here))
        raise KeyFromElsewhereError(_("This key may not be used from your network."))


def keys_forget() -> None:
    """Drop every remembered answer of this process."""
    _verified.clear()


def _verify_afresh(parsed: ParsedKey, digest: str, address: Callable[[], str] | None) -> VerifiedKey | None:
    try:
        verified = _look_up(parsed, address)
    except DatabaseError as error:
        held = _verified.stale(digest, within_s=_STALE_S)
        if held is None:
            raise
        _log.warning("key_believed_without_database", factory=parsed.factory, prefix=parsed.prefix, error=str(error))
        return held.value
    _verified.put(digest, verified)
    return verified


def _look_up(parsed: ParsedKey, address: Callable[[], str] | None) -> VerifiedKey | None:
    try:
        with factory_context(parsed.factory) as factory:
            if factory.shut:
                return None
            key = ApiKey.objects.filter(prefix=parsed.prefix, revoked_at=None).first()
            proven = _proven(key, _digest(parsed.secret))
            if key is None or proven is None:
                return None
            _note_use(key, address() if address else "")
            return key_verified(parsed.factory, key, proven)
    except FactoryNotFoundError:
        return None


def key_verified(factory: str, key: ApiKey, secret_hash: str) -> VerifiedKey:
    """A key as whoever proved it by this secret may use it."""
    ends = [key.expires_at]
    if secret_hash == key.old_secret_hash:
        ends.append(key.old_secret_until_at)
    return VerifiedKey(
        factory,
        key.prefix,
        key.name,
        frozenset(key.scopes),
        frozenset(key.machines),
        tuple(networks_read(key.addresses)),
        min((end for end in ends if end is not None), default=None),
        secret_hash[:8],
    )


def _proven(key: ApiKey | None, digest: str) -> str | None:
    """Which of the key's stored hashes the secret's digest is."""
    # Compared even when there is no row, so that timing doesn't tell which prefixes exist.
    held = (key.secret_hash, key.old_secret_hash) if key else (_digest(""), "")
    matching = [stored for stored in held if hmac.compare_digest(stored, digest)]
    return matching[0] if key and matching else None


def _note_use(key: ApiKey, address: str) -> None:
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now, last_used_from=address[:45])


def _invalid() -> KeyInvalidError:
    return KeyInvalidError(_("This key is not valid."))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _sign in range(length))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
