"""The two tables of readings in PostgreSQL and the ways they are reached: binary both ways, errors translated once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connection, transaction
from psycopg import sql

from telemetry.models import ReadingHour, ReadingRun
from telemetry.store.base import StoreUnavailableError
from telemetry.store.hour_format import HourRow
from telemetry.store.pg_binary import BYTES, FLOAT8, INT2, INT4, INT8, arrays_as_columns, copy_encode
from telemetry.store.run_format import EncodedRun

_UNAVAILABLE = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
_TABLES = {"run": sql.Identifier(ReadingRun._meta.db_table), "hour": sql.Identifier(ReadingHour._meta.db_table)}
_LOCK = 0x46_50_52_44  # "FPRD": with the schema's hash, who reorganises a factory's readings


def statement(text: str) -> sql.Composed:
    """SQL with {run} and {hour} for the tables."""
    return sql.SQL(text).format(**_TABLES)


_RUNS_IN = statement("COPY {run} (machine, level, from_ms, to_ms, n, body) FROM STDIN (FORMAT BINARY)")
_RUN_KINDS = (INT4, INT2, INT8, INT8, INT4, BYTES)
_KEPT_RUNS_IN = statement("COPY {run} (machine, seq, level, from_ms, to_ms, n, body) FROM STDIN (FORMAT BINARY)")
_KEPT_RUN_KINDS = (INT4, INT8, INT2, INT8, INT8, INT4, BYTES)
_HOURS_IN = statement(
    "COPY {hour} (series, hour, n, minimum, maximum, total, minutes, body) FROM STDIN (FORMAT BINARY)"
)
_HOUR_KINDS = (INT4, INT4, INT4, FLOAT8, FLOAT8, FLOAT8, BYTES, BYTES)


@contextmanager
def translated() -> Iterator[None]:
    """The driver's "not now" becomes the store's; a connection that broke is not used again."""
    try:
        yield
    except _UNAVAILABLE as error:
        if not connection.in_atomic_block:
            connection.close()
        raise StoreUnavailableError(f"PostgreSQL: {error}") from error


@contextmanager
def reorganising(*, wait: bool = True) -> Iterator[bool]:
    """A transaction in which nobody else compacts or deletes readings of this factory; writers go on.

    Yields False where somebody else does, and `wait` is False.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        cursor.execute(f"SELECT {lock}(%s, hashtext(current_schema()))", [_LOCK])
        yield wait or bool(cursor.fetchone()[0])


def runs_insert(runs: Iterable[EncodedRun]) -> None:
    """Add what a batch brought; the server numbers it."""
    rows = ((run.machine, 0, run.from_ms, run.to_ms, run.count, run.body) for run in runs)
    _copy_in(_RUNS_IN, copy_encode(rows, _RUN_KINDS))


def runs_keep(runs: Iterable[tuple[EncodedRun, int, int]]) -> None:
    """Add (run, seq, level) under numbers that were given before."""
    rows = ((run.machine, seq, level, run.from_ms, run.to_ms, run.count, run.body) for run, seq, level in runs)
    _copy_in(_KEPT_RUNS_IN, copy_encode(rows, _KEPT_RUN_KINDS))


def hours_insert(hours: Iterable[HourRow]) -> None:
    """Add hours that are not there."""
    rows = (
        (row.series, row.hour, row.count, row.minimum, row.maximum, row.total, row.minutes, row.body) for row in hours
    )
    _copy_in(_HOURS_IN, copy_encode(rows, _HOUR_KINDS))


def _copy_in(copy: sql.Composed, stream: bytes) -> None:
    with connection.cursor() as cursor, cursor.cursor.copy(copy) as target:
        target.write(stream)


def rows_read(query: sql.Composed, **parameters: Any) -> list[tuple[Any, ...]]:
    """A statement's rows, byte strings as `bytes`, arrays as numpy columns.

    query: by `statement`, with %(name)s for each parameter.
    """
    connection.ensure_connection()
    with connection.cursor():  # sets the search path
        cursor = psycopg.Cursor(connection.connection)  # Django's own asks for text
        arrays_as_columns(cursor.adapters)
        return cursor.execute(query, parameters, binary=True).fetchall()
