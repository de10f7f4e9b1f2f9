"""The MQTT door's questions about keys. They may wait for PostgreSQL, so they run in threads."""

from collections.abc import Iterable

from accounts.api_keys import VerifiedKey, require_factory, verify_key
from accounts.models import ApiKey, Scope
from telemetry.ingest.admission import plan_learn
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
    return verified


def keys_gone(keys: Iterable[VerifiedKey]) -> set[VerifiedKey]:
    """Which of the keys are revoked, have lost the scope, are over, or belong to a factory that is no more.

    One query per factory, however many devices.
    """
    by_factory: dict[str, set[VerifiedKey]] = {}
    for key in keys:
        by_factory.setdefault(key.factory, set()).add(key)
    gone: set[VerifiedKey] = set()
    for slug, of_factory in by_factory.items():
        living = _living(slug, of_factory)
        gone |= {key for key in of_factory if key.over or (key.prefix, key.mark) not in living}
    return gone


def _living(slug: str, keys: set[VerifiedKey]) -> set[tuple[str, str]]:
    """Prefix and mark of every secret that still proves a key for sending."""
    factory = factory_of_slug(slug)
    if factory is None or factory.shut:
        return set()
    plan_learn(factory)
    with factory_context(factory):
        found = ApiKey.objects.filter(prefix__in={key.prefix for key in keys}, revoked_at=None)
        return {
            (key.prefix, secret_hash[:8])
            for key in found
            for secret_hash in (key.secret_hash, key.old_secret_hash)
            if Scope.INGEST in key.scopes
        }
