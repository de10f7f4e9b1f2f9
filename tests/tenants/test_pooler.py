"""Behind a pooler that shares sessions by transaction factories would mix: any is refused until it is named."""

from collections.abc import Callable, Iterator
from contextvars import Context, copy_context

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tenants.database.base import DatabaseWrapper
from tenants.database.pooler import PoolerRefusedError
from tenants.models import Factory
from tests.tenants.transaction_pooler import TransactionPooler

Connect = Callable[[], DatabaseWrapper]


@pytest.fixture
def behind_pooler(db: None) -> Iterator[Connect]:
    """Makes connections that go through a pooler by transaction."""
    given = connection.get_connection_params()
    plain = {name: given[name] for name in ("dbname", "user", "password", "host", "port", "options") if name in given}
    pooler, made = TransactionPooler(plain), []

    def make() -> DatabaseWrapper:
        pooled = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": str(pooler.port)}
        made.append(DatabaseWrapper(pooled, alias="pooled"))
        return made[-1]

    yield make
    for each in made:
        copy_context().run(each.close)
    pooler.close()


def _entered(connect: Connect, factory: Factory) -> tuple[Context, DatabaseWrapper]:
    context, wrapper = copy_context(), connect()
    context.run(wrapper.set_tenant, factory, include_public=False)
    return context, wrapper


def _where(wrapper: DatabaseWrapper) -> str:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def test_a_pooler_that_nobody_named_is_refused_again_and_again(acme: Factory, behind_pooler: Connect) -> None:
    context, wrapper = _entered(behind_pooler, acme)
    for _try in range(2):
        with pytest.raises(PoolerRefusedError, match="DATABASE_POOLER=session"):
            context.run(_where, wrapper)
        assert wrapper.connection is None


def test_sharing_by_transaction_would_answer_from_another_factory(
    acme: Factory, borg: Factory, behind_pooler: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why it is refused: said to pool by session, and pooling by transaction, it mixes them without any error."""
    monkeypatch.setattr(settings, "DATABASE_POOLER", "session")
    (mine, first), (theirs, second) = _entered(behind_pooler, acme), _entered(behind_pooler, borg)
    assert mine.run(_where, first) == "f_acme"
    assert theirs.run(_where, second) == "f_borg"
    assert mine.run(_where, first) == "f_borg"


def test_postgresql_itself_tells_the_number_that_answers(acme: Factory) -> None:
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[int]] = connection.connection
    assert raw.execute("SELECT pg_backend_pid()").fetchone() == (raw.info.backend_pid,)
