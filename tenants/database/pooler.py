"""A pooler between us and PostgreSQL is refused, until somebody has said that it pools by session.

Path and role of a factory hold for a session. A pooler that gives each transaction whichever session is free would
answer from another factory's, and nothing would fail. PostgreSQL tells a client the number of its server process when
the session begins; a pooler can't know it then and tells another, so the two numbers differ behind any of them.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class PoolerRefusedError(ImproperlyConfigured):
    """Somebody stands between us and PostgreSQL, and nobody has said how they share sessions out."""


def pooler_refuse(connection: Any) -> None:
    """Ask a new connection, in autocommit, who answers. Raises PoolerRefusedError."""
    if settings.DATABASE_POOLER == "session":
        return
    (answering,) = connection.execute("SELECT pg_backend_pid()").fetchone()
    if answering != connection.info.backend_pid:
        raise PoolerRefusedError(
            "A pooler stands between FactoryPulse and PostgreSQL. One that pools by transaction would mix factories, "
            "so it is refused. Where it pools by session, set DATABASE_POOLER=session."
        )
