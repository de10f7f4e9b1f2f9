"""A factory's tables: replayed from a template schema in a few hundredths of a second, migrated only if that fails."""

import hashlib
import inspect
from functools import cache
from typing import Any

import structlog
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.migrations.loader import MigrationLoader
from django_tenants.utils import get_public_schema_name, quote_schema_name, schema_context

from tenants.schema_script import schema_inventory, schema_script
from tenants.search_path import connection, schema_bound

_log = structlog.get_logger(__name__)
TEMPLATE = "fp_template"
_LOCK = 0x46_50_54_4D  # "FPTM": one number for every process that makes or reads the template
# What the template of these migrations looks like, kept because reading the catalog takes longer than the replay.
_scripts: dict[str, tuple[str, dict[str, int]]] = {}


class SchemaReplayError(RuntimeError):
    """The copy differs from the template."""


def template_ensure() -> None:
    """Make the template schema, or make it anew after the migrations changed. Slow once (a migration), then a query."""
    if _template_fingerprint() == migrations_fingerprint():
        return
    with schema_context(get_public_schema_name()), transaction.atomic():
        _execute("SELECT pg_advisory_xact_lock(%s)", _LOCK)
        if _template_fingerprint() == migrations_fingerprint():  # another process made it while this one waited
            return
        _execute(f"DROP SCHEMA IF EXISTS {TEMPLATE} CASCADE")
        schema_migrate(TEMPLATE)
        # The fingerprint is hexadecimal; COMMENT takes no parameters.
        _execute(f"COMMENT ON SCHEMA {TEMPLATE} IS '{migrations_fingerprint()}'")
    _log.info("template_schema_made")


def schema_build(schema_name: str) -> None:
    """Create a schema with every table of a factory, inside the caller's transaction."""
    try:
        with transaction.atomic():
            _replay(schema_name)
    except (DatabaseError, SchemaReplayError) as error:
        _log.warning("template_replay_failed", schema=schema_name, error=str(error))
        schema_migrate(schema_name)


def schema_migrate(schema_name: str) -> None:
    """Create a schema where it is missing and bring it up to date by its migrations."""
    _execute(f"CREATE SCHEMA IF NOT EXISTS {quote_schema_name(schema_name)}")
    with schema_context(get_public_schema_name()):
        call_command("migrate_schemas", schema_name=schema_name, tenant=True, interactive=False, verbosity=0)


@cache
def migrations_fingerprint() -> str:
    """SHA-256 over the sources of every migration that a factory's schema has."""
    labels = tenant_labels()
    loader = MigrationLoader(None, ignore_no_migrations=True)
    digest = hashlib.sha256()
    for key, migration in sorted(loader.disk_migrations.items()):
        if key[0] in labels:
            digest.update(repr(key).encode() + inspect.getsource(type(migration)).encode())
    return digest.hexdigest()


def tenant_labels() -> set[str]:
    """The apps whose tables every factory has."""
    return {config.label for config in apps.get_app_configs() if _is_tenant_app(config)}


def _is_tenant_app(config: AppConfig) -> bool:
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    return not names.isdisjoint(settings.TENANT_APPS)


def _replay(schema_name: str) -> None:
    _execute("SELECT pg_advisory_xact_lock_shared(%s)", _LOCK)
    script, expected = _template_script()
    _execute(f"CREATE SCHEMA {quote_schema_name(schema_name)}")
    with schema_bound(schema_name):
        _execute(script)
        found = schema_inventory(schema_name)
    if found != expected:
        raise SchemaReplayError(f"expected {expected}, found {found}")


def _template_script() -> tuple[str, dict[str, int]]:
    fingerprint = migrations_fingerprint()
    if _template_fingerprint() != fingerprint:
        raise SchemaReplayError("the template schema is missing or out of date")
    if fingerprint not in _scripts:
        with schema_bound(TEMPLATE):
            _scripts[fingerprint] = schema_script(TEMPLATE), schema_inventory(TEMPLATE)
    return _scripts[fingerprint]


def _template_fingerprint() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", [TEMPLATE])
        found: str | None = cursor.fetchone()[0]
    return found


def _execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        # None, not an empty list: without parameters the driver takes many statements at once, and % means %.
        cursor.execute(sql, list(parameters) or None)
