"""Every factory's schema brought up to date: those that are behind alone, several at once, each by itself.

django-tenants' own command plans, checks and announces each schema's migration, changed or not, which costs most of a
second; over a thousand factories that is a quarter of an hour to find nothing to do. Here a query a schema tells.
"""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

import structlog
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django_tenants.utils import get_public_schema_name, quote_schema_name, schema_context

from tenants.models import Factory
from tenants.schemas import schema_migrate, tenant_labels
from tenants.search_path import connection

_log = structlog.get_logger(__name__)
_APPLIED = "SELECT app, name FROM {schema}.django_migrations"
_THERE = "SELECT to_regclass(%s)"


class Migrated(NamedTuple):
    """What became of one schema; error: empty when it went well."""

    schema: str
    error: str


def schemas_behind() -> list[str]:
    """Schemas of factories that lack a migration of this version, by name."""
    loader, ours = MigrationLoader(None, ignore_no_migrations=True), tenant_labels()
    wanted = {key for key in loader.disk_migrations if key[0] in ours}
    with schema_context(get_public_schema_name()), connection.cursor() as cursor:
        schemas = Factory.objects.exclude(schema_name=get_public_schema_name()).order_by("schema_name")
        behind = []
        for schema in schemas.values_list("schema_name", flat=True):
            quoted = quote_schema_name(schema)
            cursor.execute(_THERE, [f"{quoted}.django_migrations"])
            if cursor.fetchone()[0] is not None:
                cursor.execute(_APPLIED.format(schema=quoted))
                if wanted <= set(cursor.fetchall()):
                    continue
            behind.append(schema)
    return behind


def schemas_migrate(schemas: list[str], *, jobs: int) -> Iterator[Migrated]:
    """Migrate each, `jobs` at a time in processes of their own; one that fails stays as it was, the others go on."""
    if jobs <= 1 or len(schemas) <= 1:
        yield from (_one(schema) for schema in schemas)
        return
    # A connection that two processes share is nobody's.
    connections.close_all()
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(jobs, len(schemas)), mp_context=context) as pool:
        waiting = [pool.submit(_one, schema) for schema in schemas]
        for done in as_completed(waiting):
            yield done.result()


def _one(schema: str) -> Migrated:
    try:
        schema_migrate(schema)
    except Exception as error:  # noqa: BLE001  # one factory's trouble is not the next one's; the caller tells it
        _log.exception("schema_not_migrated", schema=schema)
        return Migrated(schema, str(error) or type(error).__name__)
    return Migrated(schema, "")
