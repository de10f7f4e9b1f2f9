"""The only way into a factory outside a request: tasks, consumers, commands, ingest."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django_tenants.utils import get_public_schema_name, schema_context

from common.errors import NotFoundError
from tenants.models import Factory
from tenants.search_path import connection, schema_bound


class FactoryNotFoundError(NotFoundError):
    """No factory of that name."""

    code = "factory_not_found"


def factory_get(slug: str) -> Factory:
    """The factory with this slug, read from the public schema. Raises FactoryNotFoundError."""
    with schema_context(get_public_schema_name()):
        factory: Factory | None = (
            Factory.objects.select_related("plan")
            .filter(slug=slug)
            .exclude(schema_name=get_public_schema_name())
            .first()
        )
    if factory is None:
        raise FactoryNotFoundError(f"There is no factory “{slug}”.")
    return factory


def factories_all() -> list[Factory]:
    """Every customer's factory, by slug; the public pseudo-tenant is not one."""
    with schema_context(get_public_schema_name()):
        return list(
            Factory.objects.select_related("plan").exclude(schema_name=get_public_schema_name()).order_by("slug")
        )


def factory_enter(factory: Factory) -> None:
    """Bind this thread's connection to one factory's schema alone, until something else is entered."""
    connection.set_tenant(factory, include_public=False)


def factory_current() -> Factory | None:
    """The factory this thread's connection is bound to; None on the public site and outside of any."""
    tenant = connection.tenant
    if isinstance(tenant, Factory) and tenant.schema_name != get_public_schema_name():
        return tenant
    return None


@contextmanager
def factory_context(factory: Factory | str) -> Iterator[Factory]:
    """Bind the database connection and the log context to one factory for the block, then restore both.

    factory: a Factory or its slug. Raises FactoryNotFoundError for an unknown slug.
    """
    entered = factory_get(factory) if isinstance(factory, str) else factory
    with schema_bound(entered), structlog.contextvars.bound_contextvars(factory=entered.slug):
        yield entered
