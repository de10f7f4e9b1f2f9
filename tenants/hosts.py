"""From a host name or a slug to its factory, remembered for moments so that a request costs no query."""

import re
from functools import cache

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django_tenants.utils import get_public_schema_name, schema_context

from common.expiring import ExpiringMap
from tenants.addresses import factory_host
from tenants.models import SLUG_PATTERN, Factory

_log = structlog.get_logger(__name__)
# Short, because a deleted factory must be gone within a second or so; long enough to take the query off busy hosts.
_FRESH_S = 1.0
_STALE_S = 3600.0
_found: ExpiringMap[str, Factory | None] = ExpiringMap(size=5_000, fresh_s=_FRESH_S)


@cache
def public_tenant() -> Factory:
    """The pseudo-tenant of the public site; it needs no row, so the public site answers before any is made."""
    return Factory(schema_name=get_public_schema_name(), slug=get_public_schema_name(), name="FactoryPulse")


def factory_of_host(host: str) -> Factory | None:
    """The factory that answers at a host name (without port), or None."""
    host = host.lower().rstrip(".")
    held = _found.fresh(host)
    if held:
        return held.value
    try:
        factory = _look_up(host)
    except DatabaseError as error:
        # Ingest must go on while PostgreSQL restarts; everything else fails by itself a moment later.
        kept = _found.stale(host, within_s=_STALE_S)
        if kept is None:
            raise
        _log.warning("host_believed_without_database", host=host, error=str(error))
        return kept.value
    _found.put(host, factory)
    return factory


def factory_of_slug(slug: str) -> Factory | None:
    """The factory with this slug, or None; anything that can't be a slug is None without a query."""
    return factory_of_host(factory_host(slug)) if re.fullmatch(SLUG_PATTERN, slug) else None


def is_public_host(host: str) -> bool:
    """Whether this is the public site's own name."""
    return host.lower().rstrip(".") in {settings.DOMAIN_HOST, f"www.{settings.DOMAIN_HOST}"}


def hosts_forget() -> None:
    """Drop everything remembered, after a factory came or went in this process."""
    _found.clear()


def _look_up(host: str) -> Factory | None:
    known = Factory.objects.select_related("plan").exclude(schema_name=get_public_schema_name())
    with schema_context(get_public_schema_name()):
        factory: Factory | None = known.filter(domains__domain=host).first()
    return factory
