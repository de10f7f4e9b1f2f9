"""InfluxQL as 1.6 to 3 answer it: what is asked, and the tables that come back. Pure.

3.x takes one statement a request, so each is a string of its own.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from telemetry.readings import Float64Array, Series
from telemetry.store.base import Buckets
from telemetry.store.line_protocol import (
    COVERS_FIELD,
    MACHINE_TAG,
    MARKED,
    MARKS,
    MEASUREMENT,
    TOKEN_FIELD,
    field_of,
    tag_of,
)

# One statement reads the window once for all of them; more would make an address too long for proxies.
METRICS_PER_STATEMENT = 10


class Table(msgspec.Struct):
    """One statement's answer, or of one that groups by tags one group; the column `time` is epoch milliseconds."""

    tags: dict[str, str] = {}
    columns: list[str] = []
    values: list[list[float | str | None]] = []

    def column(self, name: str) -> Float64Array:
        """A column by name, NaN where the server has null; all NaN when it left the column out."""
        if name not in self.columns:
            return np.full(len(self.values), np.nan)
        index = self.columns.index(name)
        return np.array([row[index] for row in self.values], np.float64)


class Result(msgspec.Struct):
    """What one statement came to."""

    series: list[Table] = []
    error: str = ""


class Answer(msgspec.Struct):
    """What the server answers to a request."""

    results: list[Result] = []
    error: str = ""


# --- raw readings ---


def select_raw(machine: str, metric: str, *, from_ms: int, to_ms: int, limit: int | None) -> str:
    """A metric's readings; with a limit the newest come first, so that it cuts off the oldest."""
    tail = "" if limit is None else f" ORDER BY time DESC LIMIT {limit}"
    return f"SELECT {_name(field_of(metric))} AS v {_source(machine, from_ms, to_ms)}{tail}"


def raw_of(table: Table, machine: str, metric: str) -> Series:
    """The readings of such an answer, oldest first."""
    t_ms, values = table.column("time").astype(np.int64), table.column("v")
    keep = ~np.isnan(values)
    order = np.argsort(t_ms[keep], kind="stable")
    return Series(machine, metric, t_ms[keep][order], values[keep][order])


def select_together(machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None) -> str:
    """Several metrics' readings in one table; limit: of its rows, the oldest ones."""
    columns = ", ".join(f"{_name(field_of(metric))} AS v{at}" for at, metric in enumerate(metrics))
    tail = "" if limit is None else f" LIMIT {limit}"
    return f"SELECT {columns} {_source(machine, from_ms, to_ms)}{tail}"


def together_of(table: Table, machine: str, metrics: Sequence[str]) -> Iterator[Series]:
    """The readings of such an answer, metric by metric, oldest first."""
    t_ms = table.column("time").astype(np.int64)
    order = np.argsort(t_ms, kind="stable")
    for at, metric in enumerate(metrics):
        values = table.column(f"v{at}")[order]
        keep = ~np.isnan(values)
        yield Series(machine, metric, t_ms[order][keep], values[keep])


# --- buckets ---


def select_buckets(machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int) -> str:
    """Up to METRICS_PER_STATEMENT metrics; buckets without any reading are left out."""
    columns = ", ".join(_four_columns(_name(field_of(metric)), at) for at, metric in enumerate(metrics))
    return f"SELECT {columns} {_source(machine, from_ms, to_ms)} GROUP BY time({bucket_ms}ms) fill(none)"


def buckets_of(table: Table, metrics: Sequence[str]) -> Iterator[Buckets]:
    """The buckets of one such answer, in the order of its metrics."""
    t_ms = table.column("time").astype(np.int64)
    for at, metric in enumerate(metrics):
        count = np.nan_to_num(table.column(f"n{at}"))
        held = count > 0
        yield Buckets(
            metric=metric,
            t_ms=t_ms[held],
            minimum=table.column(f"l{at}")[held],
            maximum=table.column(f"h{at}")[held],
            mean=table.column(f"m{at}")[held],
            count=count[held].astype(np.int64),
        )


def _four_columns(field: str, at: int) -> str:
    return f"min({field}) AS l{at}, max({field}) AS h{at}, mean({field}) AS m{at}, count({field}) AS n{at}"


def select_any(machine: str) -> str:
    """At most one row, if the machine has readings at all."""
    return f"SELECT * FROM {_name(MEASUREMENT)} WHERE {_of(machine)} LIMIT 1"  # noqa: S608  # all are quoted


# --- rollups: see telemetry/store/influx_rollups.py ---


def select_marks(machine: str, *, from_ms: int, to_ms: int) -> str:
    """The token of each of a machine's slices."""
    return f"SELECT {TOKEN_FIELD} AS token {_source(machine, from_ms, to_ms, MARKS)}"


def select_mark_sums(machine: str, *, from_ms: int, to_ms: int) -> str:
    """The sum of a machine's tokens of each day of UTC that has any."""
    return f"SELECT sum({TOKEN_FIELD}) AS token {_source(machine, from_ms, to_ms, MARKS)} GROUP BY time(1d) fill(none)"


def select_rolled(measurement: str, machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int) -> str:
    """A machine's rollups in one measurement, column r0 the first metric's."""
    columns = ", ".join(f"{_name(field_of(metric))} AS r{at}" for at, metric in enumerate(metrics))
    return f"SELECT {columns} {_source(machine, from_ms, to_ms, measurement)}"


def select_all_marks(from_ms: int, to_ms: int) -> str:
    """The tokens of all machines' slices, a group each."""
    return f"SELECT {TOKEN_FIELD} AS token FROM {MARKS} WHERE {_within(from_ms, to_ms)} GROUP BY {MACHINE_TAG}"  # noqa: S608


def select_all_mark_sums(from_ms: int, to_ms: int) -> str:
    """The sum of the tokens of each day, machine by machine."""
    source = f"FROM {MARKS} WHERE {_within(from_ms, to_ms)}"
    return f"SELECT sum({TOKEN_FIELD}) AS token {source} GROUP BY {MACHINE_TAG}, time(1d) fill(none)"


def select_all_covers(measurement: str, from_ms: int, to_ms: int) -> str:
    """What all machines' rollups in one measurement were made under, a group each."""
    source = f"FROM {measurement} WHERE {_within(from_ms, to_ms)}"
    return f"SELECT {_name(COVERS_FIELD)} AS token {source} GROUP BY {MACHINE_TAG}"


def select_first(measurement: str) -> str:
    """All machines' oldest points in one measurement, a group each."""
    return f"SELECT * FROM {measurement} GROUP BY {MACHINE_TAG} ORDER BY time ASC LIMIT 1"  # noqa: S608  # ours


def select_slices(machine: str, *, from_ms: int, to_ms: int, slice_ms: int) -> str:
    """A row for each slice in which a machine has readings of whatever metric."""
    source = _source(machine, from_ms, to_ms)
    return f"SELECT count(*) {source} GROUP BY time({slice_ms}ms) fill(none)"  # all are quoted


def select_first_mark() -> str:
    """At most one row, at the oldest mark's time."""
    return f"SELECT first({TOKEN_FIELD}) AS token FROM {MARKS}"  # noqa: S608  # ours


def select_complete() -> str:
    """A row once every slice with readings has its mark."""
    return f"SELECT complete FROM {MARKED} LIMIT 1"  # noqa: S608  # ours


# --- changes, on servers before 2.0 ---


def delete_machine(machine: str, measurement: str) -> str:
    """Removes a machine's points."""
    return f"DELETE FROM {_name(measurement)} WHERE {_of(machine)}"  # noqa: S608  # all are quoted


def delete_before(before_ms: int, measurement: str) -> str:
    """Removes points older than an instant."""
    return f"DELETE FROM {_name(measurement)} WHERE time < {before_ms}ms"  # noqa: S608  # quoted, and a number


def create_database(name: str) -> str:
    """Makes a factory's database; an existing one stays."""
    return f"CREATE DATABASE {_name(name)}"


def drop_database(name: str) -> str:
    """Removes a factory's database."""
    return f"DROP DATABASE {_name(name)}"


def _source(machine: str, from_ms: int, to_ms: int, measurement: str = MEASUREMENT) -> str:
    return f"FROM {_name(measurement)} WHERE {_of(machine)} AND {_within(from_ms, to_ms)}"


def _within(from_ms: int, to_ms: int) -> str:
    return f"time >= {from_ms}ms AND time < {to_ms}ms"


def _of(machine: str) -> str:
    return f"{MACHINE_TAG} = {_text(tag_of(machine))}"


def _name(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
