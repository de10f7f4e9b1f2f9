"""A database role for each factory: it may use its own schema's rows and nothing else, whatever the search path says.

Nobody logs in as one. The application's login makes them (it needs CREATEROLE), and every statement inside a factory
runs as the factory's (`tenants.database.base`). The audit trail's rows can be added and read by it, and not changed.
"""

from typing import Any

from django.conf import settings
from django_tenants.utils import get_public_schema_name, quote_schema_name, schema_context

from tenants.database.names import role_name
from tenants.models import Factory
from tenants.search_path import connection

APPEND_ONLY = ("accounts_auditentry",)
_GRANTS = """
    GRANT USAGE ON SCHEMA {schema} TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {schema} TO {role};
    GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
        GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {role};
"""


def role_secure(schema: str) -> None:
    """Make the role of a factory's schema where it is missing, and give it what it needs; in whatever transaction."""
    if not settings.FACTORY_ROLES:
        return
    role = _role_of(schema)
    names = {"schema": quote_schema_name(schema), "role": quote_schema_name(role)}
    with schema_context(get_public_schema_name()), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE ROLE {names['role']} NOLOGIN NOINHERIT")
            cursor.execute(f"GRANT {names['role']} TO SESSION_USER{_options()}")
        cursor.execute(_GRANTS.format(**names))
        for table in APPEND_ONLY:
            cursor.execute("SELECT to_regclass(%s)", [f"{names['schema']}.{table}"])
            if cursor.fetchone()[0] is not None:
                revoke = f"REVOKE UPDATE, DELETE, TRUNCATE ON {names['schema']}.{table} FROM {names['role']}"
                cursor.execute(revoke)


def role_drop(schema: str) -> None:
    """Remove the role of a schema that is gone; in whatever transaction."""
    role = _role_of(schema)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone() is not None:
            cursor.execute(f"DROP ROLE {quote_schema_name(role)}")


def roles_missing() -> list[str]:
    """Schemas of factories that have no role yet: no statement runs in them before they have."""
    if not settings.FACTORY_ROLES:
        return []
    with schema_context(get_public_schema_name()), connection.cursor() as cursor:
        schemas = Factory.objects.exclude(schema_name=get_public_schema_name()).values_list("schema_name", flat=True)
        wanted = {_role_of(schema): schema for schema in schemas}
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(wanted)])
        return [wanted[role] for role in wanted.keys() - {name for (name,) in cursor.fetchall()}]


def factory_migrated(**_signal: Any) -> None:
    """After a factory's migrations: new tables are covered, and factories older than roles get theirs."""
    schema = str(connection.schema_name)
    with schema_context(get_public_schema_name()):
        known = "tenants_factory" in connection.introspection.table_names()
        ours = known and Factory.objects.filter(schema_name=schema).exclude(schema_name=get_public_schema_name())
        if ours and ours.exists():
            role_secure(schema)


def _role_of(schema: str) -> str:
    return role_name(str(connection.settings_dict["NAME"]), schema)


def _options() -> str:
    """Since PostgreSQL 16 a membership says what it is for: to be taken on, and never by itself."""
    return " WITH SET TRUE, INHERIT FALSE" if connection.pg_version >= 160000 else ""
