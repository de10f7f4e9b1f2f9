"""Which schema a thread's queries reach: one alone, and the one before again afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection as _connection

# Django's stubs don't know what django-tenants' backend adds.
connection: Any = _connection


@contextmanager
def schema_bound(schema: Any) -> Iterator[None]:
    """Bind this thread's connection to one schema for the block, then restore what was bound before.

    schema: a schema's name, or a tenant. The public schema is left out of the search path: it has tables of the same
    names for platform staff, and a factory that is being deleted must find nothing rather than them.
    """
    before, before_public = connection.tenant, connection.include_public_schema
    if isinstance(schema, str):
        connection.set_schema(schema, include_public=False)
    else:
        connection.set_tenant(schema, include_public=False)
    try:
        yield
    finally:
        connection.set_tenant(before, include_public=before_public)
