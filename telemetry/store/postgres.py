"""Readings in PostgreSQL: one hot table keyed (series, time), written and read in binary columns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import psycopg
import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from numpy.typing import NDArray
from psycopg import sql

from common.expiring import ExpiringMap
from telemetry.models import Machine, Reading
from telemetry.readings import Float64Array, Int64Array, ReadingBatch, Series
from telemetry.store.base import Buckets, StoreUnavailableError
from telemetry.store.pg_binary import (
    FLOAT8,
    INT4,
    INT8,
    BinaryArray,
    BinaryArrayDumper,
    ColumnType,
    copy_decode,
    copy_encode,
)
from telemetry.store.scope import factory_scope
from telemetry.store.series_ids import series_ids, series_ids_forget

_log = structlog.get_logger(__name__)

_TABLE = sql.Identifier(Reading._meta.db_table)
# Bounds the memory of one statement and how long it holds its locks.
_ROWS_PER_STATEMENT = 100_000
_SERIES_PER_DELETE = 200
# Plain COPY is 2 to 3 times faster than an upsert and fails on the first reading that is there already. A factory whose
# devices repeat themselves is upserted for this long before COPY is tried again.
_UPSERT_AFTER_REPEAT_S = 30.0
_repeating = ExpiringMap[str, bool](size=1_000, fresh_s=_UPSERT_AFTER_REPEAT_S)

_UNAVAILABLE = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)

_UPSERT = sql.SQL(
    "INSERT INTO {table} AS stored (series, t_ms, value)"
    " SELECT * FROM unnest(%b::int4[], %b::int8[], %b::float8[])"
    " ON CONFLICT (series, t_ms) DO UPDATE SET value = excluded.value"
    # A resend changes nothing, so it leaves no dead row behind either.
    " WHERE stored.value IS DISTINCT FROM excluded.value"
).format(table=_TABLE)
_COPY_IN = sql.SQL("COPY {table} (series, t_ms, value) FROM STDIN (FORMAT BINARY)").format(table=_TABLE)
_COPY_OUT = sql.SQL("COPY ({query}) TO STDOUT (FORMAT BINARY)")
_RAW = sql.SQL(
    "SELECT series, t_ms, value FROM {table} WHERE series = {series} AND t_ms >= {from_ms} AND t_ms < {to_ms}"
    " ORDER BY t_ms DESC LIMIT {limit}"
)
_BUCKETS = sql.SQL(
    "SELECT series, t_ms / {width} * {width}, min(value), max(value), avg(value), count(*) FROM {table}"
    " WHERE series = ANY({series}) AND t_ms >= {from_ms} AND t_ms < {to_ms} GROUP BY 1, 2 ORDER BY 1, 2"
)
# Every series that has readings, also those of metrics deleted since: hops from key to key of the index.
_SERIES_STORED = sql.SQL(
    "WITH RECURSIVE hop (series) AS ("
    " (SELECT min(series) FROM {table}) UNION ALL"
    " SELECT (SELECT min(next.series) FROM {table} AS next WHERE next.series > hop.series) FROM hop"
    " WHERE hop.series IS NOT NULL"
    ") SELECT series FROM hop WHERE series IS NOT NULL"
).format(table=_TABLE)
_DELETE_BEFORE = sql.SQL("DELETE FROM {table} WHERE series = ANY(%s) AND t_ms < %s").format(table=_TABLE)
_DELETE_SERIES = sql.SQL("DELETE FROM {table} WHERE series = ANY(%s)").format(table=_TABLE)
_TRUNCATE = sql.SQL("TRUNCATE {table}").format(table=_TABLE)


class PostgresReadingStore:
    """The store of the trial, of CI and of small plants. Keeps `telemetry.store.base.ReadingStore`."""

    outlives_schema = False

    def write(self, batch: ReadingBatch, *, machines: Mapping[str, Machine]) -> None:
        with _translated():
            series, t_ms, values = _rows(batch, machines)
            for start in range(0, len(series), _ROWS_PER_STATEMENT):
                part = slice(start, start + _ROWS_PER_STATEMENT)
                _write_rows(series[part], t_ms[part], values[part])

    def raw(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Series]:
        with _translated():
            numbers = _series_of(machine, metrics)
            parts = [
                _RAW.format(
                    table=_TABLE,
                    series=sql.Literal(number),
                    from_ms=sql.Literal(from_ms),
                    to_ms=sql.Literal(to_ms),
                    limit=sql.SQL("ALL") if limit is None else sql.Literal(limit),
                )
                for number in numbers.values()
            ]
            rows = _read(
                sql.SQL(" UNION ALL ").join(sql.SQL("({})").format(part) for part in parts),
                (("series", INT4), ("t_ms", INT8), ("value", FLOAT8)),
                nothing=not parts,
            )
        return [_raw_rows(machine, name, rows, rows["series"] == numbers.get(name, -1)) for name in metrics]

    def buckets(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int
    ) -> list[Buckets]:
        with _translated():
            numbers = _series_of(machine, metrics)
            query = _BUCKETS.format(
                table=_TABLE,
                width=sql.Literal(bucket_ms),
                series=sql.Literal(list(numbers.values())),
                from_ms=sql.Literal(from_ms),
                to_ms=sql.Literal(to_ms),
            )
            rows = _read(query, _BUCKET_COLUMNS, nothing=not numbers)
        return [_bucket_rows(name, rows, rows["series"] == numbers.get(name, -1)) for name in metrics]

    def delete_machine(self, machine: Machine) -> None:
        with _translated(), connection.cursor() as cursor:
            cursor.execute(_DELETE_SERIES, [list(machine.metrics.values_list("id", flat=True))])
        series_ids_forget(factory_scope())

    def delete_before(self, before_ms: int) -> int:
        removed = 0
        with _translated(), connection.cursor() as cursor:
            cursor.execute(_SERIES_STORED)
            stored = [row[0] for row in cursor.fetchall()]
            for start in range(0, len(stored), _SERIES_PER_DELETE):
                cursor.execute(_DELETE_BEFORE, [stored[start : start + _SERIES_PER_DELETE], before_ms])
                removed += cursor.rowcount
        return removed

    def delete_all(self) -> None:
        with _translated(), connection.cursor() as cursor:
            cursor.execute(_TRUNCATE)
        series_ids_forget(factory_scope())


_NO_ROWS: tuple[Int64Array, Float64Array] = (np.empty(0, np.int64), np.empty(0, np.float64))
_BUCKET_COLUMNS: tuple[tuple[str, ColumnType], ...] = (
    ("series", INT4),
    ("t_ms", INT8),
    ("minimum", FLOAT8),
    ("maximum", FLOAT8),
    ("mean", FLOAT8),
    ("count", INT8),
)


def _raw_rows(machine: Machine, metric: str, rows: Mapping[str, NDArray[Any]], mine: NDArray[np.bool_]) -> Series:
    t_ms, values = rows["t_ms"][mine], rows["value"][mine]
    # The newest came first, so that a limit cuts off the oldest.
    order = np.argsort(t_ms, kind="stable")
    return Series(machine.key, metric, t_ms[order], values[order])


def _bucket_rows(metric: str, rows: Mapping[str, NDArray[Any]], mine: NDArray[np.bool_]) -> Buckets:
    return Buckets(
        metric=metric,
        t_ms=rows["t_ms"][mine],
        minimum=rows["minimum"][mine],
        maximum=rows["maximum"][mine],
        mean=rows["mean"][mine],
        count=rows["count"][mine],
    )


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's "not now" becomes the store's; a connection that broke is not used again."""
    try:
        yield
    except _UNAVAILABLE as error:
        if not connection.in_atomic_block:
            connection.close()
        raise StoreUnavailableError(f"PostgreSQL: {error}") from error


def _rows(batch: ReadingBatch, machines: Mapping[str, Machine]) -> tuple[NDArray[Any], Int64Array, Float64Array]:
    """Columns series, t_ms and value in key order, each key once: of equal keys the last arrival stands.

    Key order keeps the index's pages together and two writers from locking each other out.
    """
    numbered = _numbered(batch, machines)
    series = np.repeat(
        np.fromiter((number for number, _ in numbered), np.int64, len(numbered)), [len(part) for _, part in numbered]
    )
    t_ms = np.concatenate([part.t_ms for _, part in numbered]) if numbered else _NO_ROWS[0]
    values = np.concatenate([part.values for _, part in numbered]) if numbered else _NO_ROWS[1]
    order = np.lexsort((t_ms, series))
    series, t_ms, values = series[order], t_ms[order], values[order]
    last = np.ones(len(series), np.bool_)
    last[:-1] = (series[1:] != series[:-1]) | (t_ms[1:] != t_ms[:-1])
    return series[last], t_ms[last], values[last]


def _numbered(batch: ReadingBatch, machines: Mapping[str, Machine]) -> list[tuple[int, Series]]:
    keys = [(machines[part.machine].pk, part.metric) for part in batch]
    known = series_ids(factory_scope(), set(keys))
    missing = next((key for key in keys if key not in known), None)
    if missing is not None:
        # Deleted between registration and now; the retry registers it again, or finds its machine refused.
        raise StoreUnavailableError(f"the metric “{missing[1]}” is not registered")
    return [(known[key], part) for key, part in zip(keys, batch, strict=True)]


def _write_rows(series: NDArray[Any], t_ms: Int64Array, values: Float64Array) -> None:
    schema = factory_scope()
    if _repeating.fresh(schema) is None:
        try:
            with transaction.atomic(), connection.cursor() as cursor, cursor.cursor.copy(_COPY_IN) as copy:
                copy.write(copy_encode([(series, INT4), (t_ms, INT8), (values, FLOAT8)]))
        except psycopg.errors.UniqueViolation:
            _log.debug("readings_repeated", readings=len(series))
            _repeating.put(schema, True)
        else:
            return
    connection.ensure_connection()
    with connection.cursor():  # sets the search path
        raw = psycopg.Cursor(connection.connection)  # Django's own cursor binds by text
        raw.adapters.register_dumper(BinaryArray, BinaryArrayDumper)
        raw.execute(_UPSERT, [BinaryArray.of(series, INT4), BinaryArray.of(t_ms, INT8), BinaryArray.of(values, FLOAT8)])


def _series_of(machine: Machine, metrics: Sequence[str]) -> dict[str, int]:
    return dict(machine.metrics.order_by().filter(name__in=metrics).values_list("name", "id"))


def _read(
    query: sql.Composable, columns: Sequence[tuple[str, ColumnType]], *, nothing: bool
) -> Mapping[str, NDArray[Any]]:
    if nothing:
        return {name: np.empty(0, code) for name, (code, _) in columns}
    with connection.cursor() as cursor, cursor.cursor.copy(_COPY_OUT.format(query=query)) as copy:
        return copy_decode(b"".join(copy), columns)
