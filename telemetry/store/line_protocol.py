"""Readings as InfluxDB's line protocol: what is written. Pure.

Metrics of a machine that were read at the same times share lines: fewer than half the bytes, and less than half the
work for the server.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from telemetry.readings import BoolArray, Int64Array, Key, ReadingBatch

MEASUREMENT = "readings"
# Which ten minutes of a machine were written to, a number that is another one after each write.
MARKS, TOKEN_FIELD = "readings_touched", "token"
# Holds a point once every slice that holds readings has its mark.
MARKED = "readings_marked"
# In a measurement of rollups, the mark a machine's rollup was made under; no metric's field: see field_of.
COVERS_FIELD = "~~covers"
MACHINE_TAG = "machine"
# Keeps a request's body at one to three megabytes; below 20,000 the server's own cost of a request shows.
READINGS_PER_BODY = 50_000

_SPECIAL = re.compile(r"([,= ])")
# The protocol has no way to write a backslash before a comma, an equals sign or a space, nor a line's end.
_STAND_INS = str.maketrans({"\\": "\uff3c", "\n": "\u240a", "\r": "\u240d"})
# Shortest digits that read back as the same number, as Python's own, and four times faster over a whole column.
_encode = msgspec.json.Encoder().encode


def bodies(batch: ReadingBatch) -> Iterator[bytes]:
    r"""The batch as lines with millisecond times, in bodies of about READINGS_PER_BODY readings.

    Of readings with equal machine, metric and time only the last is written.

    >>> from telemetry.readings import Series
    >>> t_ms, values = np.array([1000, 2000]), np.array([2.5, 3.0])
    >>> parts = [Series("M 1", "vibration", t_ms, values), Series("M 1", "flow", t_ms, values * 2)]
    >>> list(bodies(ReadingBatch(parts)))
    [b'readings,machine=M\\ 1 vibration=2.5,flow=5.0 1000\nreadings,machine=M\\ 1 vibration=3.0,flow=6.0 2000\n']
    """
    if not len(batch):
        return
    batch, begins = _line_by_line(_once_each(batch))
    pieces = _key_pieces(batch.keys)
    cuts = np.append(np.flatnonzero(begins), len(batch))
    start = 0
    while start < len(batch):
        # Between two lines, and never within one.
        end = int(cuts[min(int(np.searchsorted(cuts, start + READINGS_PER_BODY)), len(cuts) - 1)])
        yield _body(batch.taken(slice(start, end)), begins[start:end], pieces)
        start = end


def field_of(metric: str) -> str:
    """The field a metric is kept in.

    `time` and names that begin with an underscore belong to InfluxDB, and our tag's name can't be a field's in 3.x; no
    metric may begin with a tilde.
    """
    taken = metric in {"time", MACHINE_TAG} or metric.startswith("_")
    return f"~{metric}" if taken else metric.translate(_STAND_INS)


def tag_of(machine: str) -> str:
    """The tag value a machine's readings carry."""
    return machine.translate(_STAND_INS)


@lru_cache(maxsize=10_000)
def line_start(measurement: str, machine: str) -> bytes:
    """What a machine's lines begin with, up to their fields."""
    return f"{measurement},{MACHINE_TAG}={_escaped(tag_of(machine))} ".encode()


@lru_cache(maxsize=10_000)
def field_start(metric: str) -> bytes:
    """A metric's field up to its value."""
    return f"{_escaped(field_of(metric))}=".encode()


def _once_each(batch: ReadingBatch) -> ReadingBatch:
    """What servers make of equal readings in one body differs; the drain's batches hold none already."""
    codes, t_ms = batch.codes, batch.t_ms
    later = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (t_ms[1:] > t_ms[:-1]))
    return batch if later.all() else ReadingBatch.merged([batch])


def _line_by_line(batch: ReadingBatch) -> tuple[ReadingBatch, BoolArray]:
    """The batch by machine and time, and which of its readings begin a line."""
    places: dict[str, int] = {}
    machine_of = np.array([places.setdefault(machine, len(places)) for machine, _ in batch.keys], np.int64)
    order = np.lexsort((batch.t_ms, machine_of[batch.codes]))
    batch = batch.taken(order)
    machines = machine_of[batch.codes]
    begins = np.ones(len(batch), np.bool_)
    begins[1:] = (machines[1:] != machines[:-1]) | (batch.t_ms[1:] != batch.t_ms[:-1])
    return batch, begins


def _key_pieces(keys: Sequence[Key]) -> NDArray[np.object_]:
    """What stands before a value, by key: first when it begins a line, then when it goes on in one."""
    pieces = np.empty(2 * len(keys), np.object_)
    pieces[: len(keys)] = [line_start(MEASUREMENT, machine) + field_start(metric) for machine, metric in keys]
    pieces[len(keys) :] = [b"," + field_start(metric) for _, metric in keys]
    return pieces


def _body(batch: ReadingBatch, begins: BoolArray, pieces: NDArray[np.object_]) -> bytes:
    """Three pieces a reading: what stands before it, its digits, and its line's end or nothing."""
    ends = np.append(begins[1:], True)
    laid = np.full(3 * len(batch), b"", np.object_)
    laid[0::3] = pieces[np.where(begins, batch.codes, batch.codes + len(batch.keys))]
    laid[1::3] = _encode(batch.values.tolist())[1:-1].split(b",")
    laid[2::3][ends] = _line_ends(batch.t_ms[ends])
    return b"".join(laid.tolist())


def _line_ends(t_ms: Int64Array) -> list[bytes]:
    return (b" " + _encode(t_ms.tolist())[1:-1].replace(b",", b"\n, ") + b"\n").split(b",")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
