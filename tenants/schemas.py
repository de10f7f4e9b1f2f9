"""A factory's tables: made by migrating an empty schema."""

from django.core.management import call_command
from django.db import connection
from django_tenants.utils import get_public_schema_name, quote_schema_name


def schema_build(schema_name: str) -> None:
    """Create a schema with every table of a factory, inside the caller's transaction."""
    schema_migrate(schema_name)


def schema_migrate(schema_name: str) -> None:
    """Create a schema where it is missing and bring it up to date by its migrations."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_schema_name(schema_name)}")
    call_command("migrate_schemas", schema_name=schema_name, tenant=True, interactive=False, verbosity=0)
    connection.set_schema(get_public_schema_name())
