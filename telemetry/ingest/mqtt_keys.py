"""The MQTT door's questions about keys. They may wait for PostgreSQL, so they run in threads."""

from collections.abc import Iterable

from accounts.api_keys import VerifiedKey, key_verified, require_factory, verify_key
from accounts.models import ApiKey, Scope
from telemetry.ingest.admission import plan_learn
from telemetry.ingest.plan_room import room_learn
from tenants.context import factory_context
from tenants.hosts import factory_of_slug


def key_check(user_name: str, password: str) -> VerifiedKey:
    """Prove that the password is a key of the factory that the user name says, with scope ingest.

    Raises KeyInvalidError, KeyOfOtherFactoryError, ScopeMissingError; a database error when nobody can tell.
    """
    verified = verify_key(password, scope=Scope.INGEST)
    require_factory(verified, user_name)
    factory = factory_of_slug(verified.factory)
    if factory is not None:
        plan_learn(factory)
        room_learn(factory)
    return verified


def keys_gone(keys: Iterable[VerifiedKey]) -> set[VerifiedKey]:
    """Which of the keys are revoked, over, changed in what they may do, or of a factory that is gone.

    One query per factory, however many devices.
    """
    by_factory: dict[str, set[VerifiedKey]] = {}
    for key in keys:
        by_factory.setdefault(key.factory, set()).add(key)
    gone: set[VerifiedKey] = set()
    for slug, of_factory in by_factory.items():
        living = _living(slug, of_factory)
        gone |= {key for key in of_factory if key.over or key not in living}
    return gone


def _living(slug: str, keys: set[VerifiedKey]) -> set[VerifiedKey]:
    """What every secret proves that still is good for sending."""
    factory = factory_of_slug(slug)
    if factory is None or factory.shut:
        return set()
    plan_learn(factory)
    room_learn(factory)
    with factory_context(factory):
        found = ApiKey.objects.filter(prefix__in={key.prefix for key in keys}, revoked_at=None)
        proven = [
            key_verified(slug, key, secret_hash)
            for key in found
            for secret_hash in (key.secret_hash, key.old_secret_hash)
            if secret_hash and Scope.INGEST in key.scopes
        ]
        # Asked anew: since the device came, the key's end may have moved, or its secret been replaced.
        return {key for key in proven if not key.over}
