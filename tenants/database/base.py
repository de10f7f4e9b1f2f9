"""Connections that fail closed: a wrong search path finds no table it may read, and a forgotten one raises.

django-tenants says by the search path alone which factory a statement means. Here the same round trip also takes the
factory's own database role, which may use that one schema (`tenants.roles`); what goes wrong on the way raises instead
of leaving the connection where it was; and a connection that another task or thread has bound since is refused.
"""

import itertools
from contextvars import ContextVar
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import DatabaseError
from django_tenants.postgresql_backend.base import DatabaseWrapper as TenantWrapper
from django_tenants.utils import get_public_schema_name

from tenants.database.names import role_name
from tenants.database.pooler import PoolerRefusedError, pooler_refuse

_numbers = itertools.count(1)
# Which connection this task or thread has bound last, by number, and to which schema.
_bound: ContextVar[tuple[int, str]] = ContextVar("bound_schema", default=(0, ""))
_ENTER = "SELECT set_config('search_path', %s, false), set_config('role', %s, false)"


class WrongFactoryError(RuntimeError):
    """A statement would have run in another factory than its code has entered: a bug, and never answered."""


class DatabaseWrapper(TenantWrapper):
    """One connection, bound to one factory's schema and role at a time."""

    search_path_set_schemas: list[str] | None
    _setting_search_path: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(_numbers)
        super().__init__(*args, **kwargs)

    def get_connection_params(self) -> dict[str, Any]:
        """A session that forgets what it was told (RESET, DISCARD ALL) is in no factory then, nor public."""
        params: dict[str, Any] = super().get_connection_params()
        params["options"] = f"{params.get('options', '')} -c search_path=pg_catalog".strip()
        return params

    def init_connection_state(self) -> None:
        """As Django has it; and nobody may stand between, who could give us another factory's session."""
        super().init_connection_state()
        try:
            pooler_refuse(self.connection)
        except PoolerRefusedError:
            # Left open, the next statement would take it without asking again.
            self.close()
            raise

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        """Bind to a schema; a tenant that is a factory is entered with its role, a bare schema's name with ours."""
        super().set_tenant(tenant, include_public)
        _bound.set((self._number, self.schema_name))

    def _cursor(self, name: str | None = None) -> Any:
        number, schema = _bound.get()
        mine = schema if number == self._number else get_public_schema_name()
        if mine != self.schema_name:
            raise WrongFactoryError(f"this code is in {mine!r}, and its connection in {self.schema_name!r}")
        return super()._cursor(name)

    def _handle_search_path(self, cursor: Any = None) -> None:
        if self._setting_search_path or self.search_path_set_schemas:
            return
        if not self.schema_name:
            raise ImproperlyConfigured("The connection is bound to no schema.")
        schemas = self._get_cursor_search_paths()
        path = ", ".join('"' + schema.replace('"', '""') + '"' for schema in schemas)
        self._setting_search_path = True
        entering = self.connection.cursor() if cursor is None else cursor
        try:
            entering.execute(_ENTER, [path, self._role()])
        except (DatabaseError, psycopg.Error):
            self.search_path_set_schemas = None
            # In a failed transaction PostgreSQL refuses the next statement by itself, up to the rollback that may
            # well be what this cursor is for. Anywhere else it would run where the connection was before.
            if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.INERROR:
                raise
        else:
            self.search_path_set_schemas = schemas
        finally:
            self._setting_search_path = False
            if cursor is None:
                entering.close()

    def _role(self) -> str:
        """The factory's role, or “none” for the one we logged in as: for the public site and for changes of schema."""
        of_factory = getattr(self.tenant, "has_own_role", False) and self.schema_name != get_public_schema_name()
        if not settings.FACTORY_ROLES or not of_factory:
            return "none"
        return role_name(str(self.settings_dict["NAME"]), self.schema_name)
