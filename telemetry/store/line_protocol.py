"""InfluxDB's line protocol and InfluxQL as text: what is written and what is asked. Pure."""

import re
from collections.abc import Iterator, Sequence

from telemetry.readings import ReadingBatch, Series

MEASUREMENT = "readings"
# Keeps a request's body at a few megabytes.
LINES_PER_BODY = 50_000

_SPECIAL = re.compile(r"([,= \\])")


def bodies(batch: ReadingBatch) -> Iterator[bytes]:
    """The batch as line protocol with millisecond times, in bodies of at most LINES_PER_BODY lines."""
    lines: list[str] = []
    for part in batch:
        lines += series_lines(part)
        while len(lines) >= LINES_PER_BODY:
            yield "\n".join(lines[:LINES_PER_BODY]).encode()
            del lines[:LINES_PER_BODY]
    if lines:
        yield "\n".join(lines).encode()


def series_lines(series: Series) -> list[str]:
    """One line a reading. A formatted line is 12 times faster than the client library's Point.

    >>> import numpy as np
    >>> series_lines(Series("M 1", "vibration", np.array([1000]), np.array([2.5])))
    ['readings,machine=M\\\\ 1 vibration=2.5 1000']
    """
    start = f"{MEASUREMENT},machine={_escaped(series.machine)} {_escaped(_field(series.metric))}="
    return [
        f"{start}{value!r} {t_ms}" for value, t_ms in zip(series.values.tolist(), series.t_ms.tolist(), strict=True)
    ]


def select_raw(machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None) -> str:
    """One statement a metric, newest first so that a limit cuts off the oldest."""
    tail = f"ORDER BY time DESC{'' if limit is None else f' LIMIT {limit}'}"
    source = f"FROM {_name(MEASUREMENT)} WHERE {_where(machine, from_ms, to_ms)} {tail}"
    return ";".join(f"SELECT {_name(_field(metric))} {source}" for metric in metrics)


def select_buckets(machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int) -> str:
    """One statement a metric; buckets without readings are left out."""
    source = (
        f"FROM {_name(MEASUREMENT)} WHERE {_where(machine, from_ms, to_ms)} GROUP BY time({bucket_ms}ms) fill(none)"
    )
    fields = (_name(_field(metric)) for metric in metrics)
    return ";".join(f"SELECT min({field}), max({field}), mean({field}), count({field}) {source}" for field in fields)


def delete_machine(machine: str) -> str:
    """Removes a machine's readings."""
    return f"DELETE FROM {_name(MEASUREMENT)} WHERE machine = {_text(machine)}"  # noqa: S608  # both are quoted


def delete_before(before_ms: int) -> str:
    """Removes readings older than an instant."""
    return f"DELETE FROM {_name(MEASUREMENT)} WHERE time < {before_ms}ms"  # noqa: S608  # quoted, and a number


def create_database(name: str) -> str:
    """Makes a factory's database; an existing one stays."""
    return f"CREATE DATABASE {_name(name)}"


def drop_database(name: str) -> str:
    """Removes a factory's database."""
    return f"DROP DATABASE {_name(name)}"


def _where(machine: str, from_ms: int, to_ms: int) -> str:
    return f"machine = {_text(machine)} AND time >= {from_ms}ms AND time < {to_ms}ms"


def _field(metric: str) -> str:
    """`time` and names that begin with an underscore belong to InfluxDB; no metric may begin with a tilde."""
    return f"~{metric}" if metric == "time" or metric.startswith("_") else metric


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _name(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
