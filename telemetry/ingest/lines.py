"""Wire to batch: InfluxDB line protocol. The tag `machine` names the machine, each field is a metric. Pure.

A body of plain lines takes the columnar road: lines of the same machine and fields form a table, which one typed decode
turns into columns. Everything else (escapes, texts, comments, whatever is wrong) takes the patient road, which looks at
each value so that one bad value is refused alone and the rest of the body counts.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np

from telemetry.ingest.columns import LARGEST_VALUE, Columns, ParsedPayload
from telemetry.ingest.line_grammar import BadLine, Line, lines_read
from telemetry.ingest.payloads import MAX_BYTES, MAX_READINGS
from telemetry.ingest.refusals import PayloadError, Rejection, TooLargeError, TooManyReadingsError
from telemetry.readings import Float64Array, Int64Array, Key, ReadingBatch

# How many of a unit make a millisecond, or how many milliseconds make the unit.
_PER_MS = {"ns": 1_000_000, "us": 1_000}
_MS_PER = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
PRECISIONS = frozenset({*_PER_MS, *_MS_PER})
MACHINE_TAGS = ("machine", "equipment_id")

_FURTHEST_MS = 1 << 53  # as in timestamps.py: far outside every window, and safe to subtract
_NOT_STRUCTURE = bytes(sign for sign in range(256) if sign not in b",= \n")
_REGULAR = re.compile(rb"(?:,=)*+ =(?:,=)*+ ?")
_IRREGULAR = (b"\\", b'"', b"#", b"\t", b"\r", b"\0")
_TYPED_NUMBERS = re.compile(rb"(?:(?:-?+[0-9]++i|[0-9]++u|-?+[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+)(?:,|\Z))++")
_NUMBER = re.compile(r"[+-]?[0-9]++i|[0-9]++u|[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_BOOLEANS = frozenset({"t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"})
_INFINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)

_ints = msgspec.json.Decoder(list[int])
_floats = msgspec.json.Decoder(list[float])


class NoLinesError(PayloadError):
    """The body has no line that is a point."""

    code: ClassVar[str] = "no_lines"


class PrecisionError(PayloadError):
    """A unit of time that is none of PRECISIONS."""

    code: ClassVar[str] = "invalid_precision"


def lines_parse(body: bytes, *, received_ms: int, precision: str = "ns") -> ParsedPayload:
    """Columns of one body and what was refused in it; `index` and rejections count lines from 0.

    precision: the unit of its timestamps, one of PRECISIONS; they are floored to milliseconds. A line without one was
    read at received_ms. Raises PayloadError (no_lines, invalid_precision, too_large, too_many_readings).

    >>> parsed = lines_parse(b"mill,machine=M01 vibration=2.1,state=t 1700000000", received_ms=0, precision="s")
    >>> [(s.metric, s.t_ms.tolist(), s.values.tolist()) for s in parsed.batch], parsed.rejected[0].code
    ([('vibration', [1700000000000], [2.1])], 'not_a_number')
    """
    if precision not in PRECISIONS:
        raise PrecisionError(f"“{precision[:20]}” is no precision; there are ns, us, ms and s.")
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"One body may have {MAX_BYTES:,} bytes.")
    if b"\r" in body:
        body = body.replace(b"\r\n", b"\n")
    try:
        return _columnar(body.rstrip(b"\n"), received_ms, precision)
    except _IrregularError:
        return _patient(body.decode("utf-8", "replace"), received_ms, precision)


# --- the columnar road ---


class _IrregularError(Exception):
    """The columnar road ends here."""


def _columnar(body: bytes, received_ms: int, precision: str) -> ParsedPayload:
    timed = _check_regular(body)
    parts = body.replace(b"\n", b" ").split(b" ")
    step = 3 if timed else 2
    heads, fields = parts[::step], parts[1::step]
    pieces = b",".join(fields).replace(b"=", b",").split(b",")
    names, values = pieces[::2], pieces[1::2]
    _check_count(len(values))
    if b"" in names:
        raise _IrregularError
    line_of = np.repeat(np.arange(len(heads)), [line.count(b",") + 1 for line in fields])
    if len(names) > len(heads):
        heads = [heads[line] for line in line_of.tolist()]
    t_ms = _times(parts[2::3], precision)[line_of] if timed else np.full(len(names), received_ms, np.int64)
    return _grouped(list(zip(heads, names, strict=True)), t_ms, _numbers(b",".join(values)), line_of)


def _check_regular(body: bytes) -> bool:
    """Whether all lines have a time; nothing but names, numbers and separators in their places may stand in a line."""
    if any(sign in body for sign in _IRREGULAR):
        raise _IrregularError
    shapes = set(body.translate(None, _NOT_STRUCTURE).split(b"\n"))
    timed = {shape.endswith(b" ") for shape in shapes}
    if len(timed) != 1 or not all(map(_REGULAR.fullmatch, shapes)):
        raise _IrregularError
    return timed.pop()


def _grouped(
    keys: list[tuple[bytes, bytes]], t_ms: Int64Array, values: Float64Array, line_of: Int64Array
) -> ParsedPayload:
    """Readings in the order of their lines; heads that name the same machine with other tags meet in one series."""
    machines = {head: _machine(head) for head in dict.fromkeys(head for head, _name in keys)}
    texts = {key: (machines[key[0]], _text(key[1])) for key in dict.fromkeys(keys)}
    places: dict[Key, int] = {}
    codes = {key: places.setdefault(text, len(places)) for key, text in texts.items()}
    code_of = np.array([codes[key] for key in keys], np.int32)
    return ParsedPayload(ReadingBatch.of_columns(list(places), code_of, t_ms, values), [], line_of)


def _times(times: Sequence[bytes], precision: str) -> Int64Array:
    try:
        units = np.array(_ints.decode(b"[" + b",".join(times) + b"]"), np.int64)
    except (msgspec.DecodeError, OverflowError) as error:
        raise _IrregularError from error
    if len(units) != len(times):  # a space where a time should be
        raise _IrregularError
    per_ms, ms_per = _PER_MS.get(precision, 1), _MS_PER.get(precision, 1)
    t_ms: Int64Array = units // per_ms
    # Not by abs(), which leaves the most negative integer negative.
    if t_ms.max() > _FURTHEST_MS // ms_per or t_ms.min() < -_FURTHEST_MS // ms_per:
        raise _IrregularError
    return t_ms * ms_per


def _machine(head: bytes) -> str:
    measurement, *tags = head.split(b",")
    found = dict(tag.split(b"=") for tag in tags)
    for tag in MACHINE_TAGS:
        machine = found.get(tag.encode())
        if machine and measurement and all(found) and all(found.values()):
            return _text(machine)
    raise _IrregularError


def _numbers(joined: bytes) -> Float64Array:
    if b"i" in joined or b"u" in joined:
        if not _TYPED_NUMBERS.fullmatch(joined):
            raise _IrregularError
        joined = joined.translate(None, b"iu")
    try:
        numbers = np.array(_floats.decode(b"[" + joined + b"]"), np.float64)
    except (msgspec.DecodeError, OverflowError) as error:
        raise _IrregularError from error
    if not (np.abs(numbers) <= LARGEST_VALUE).all():
        raise _IrregularError
    return numbers


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise _IrregularError from error


# --- the patient road ---


def _patient(text: str, received_ms: int, precision: str) -> ParsedPayload:
    lines = list(lines_read(text))
    if not lines:
        raise NoLinesError("There is no line in this body that is a point.")
    _check_count(sum(1 if isinstance(line, BadLine) else len(line.fields) for line in lines))
    columns = Columns()
    for line in lines:
        if isinstance(line, BadLine):
            detail = f"unable to parse '{line.text}': {line.fault}"
            columns.refuse(Rejection(line.number, "", "malformed_line", detail))
        else:
            _take(columns, line, received_ms, precision)
    return columns.finish()


def _check_count(readings: int) -> None:
    if readings > MAX_READINGS:
        raise TooManyReadingsError(f"One body may have {MAX_READINGS:,} readings; this has {readings:,}.")


def _take(columns: Columns, line: Line, received_ms: int, precision: str) -> None:
    machine = next((line.tags[tag] for tag in MACHINE_TAGS if line.tags.get(tag)), "")
    t_ms = received_ms if line.time is None else _time_ms(line.time, precision)
    if not machine:
        columns.refuse(Rejection(line.number, "", "machine_missing", "name the machine by the tag “machine”"))
    elif t_ms is None:
        columns.refuse(Rejection(line.number, "", "timestamp_invalid", "a timestamp is beyond every clock", machine))
    else:
        for metric, value in line.fields:
            number = _number(value)
            if number is None:
                columns.refuse(Rejection(line.number, metric, "not_a_number", _kind_of(value), machine))
            else:
                columns.point(machine, metric, t_ms, number, index=line.number)


def _time_ms(digits: str, precision: str) -> int | None:
    if len(digits) > 20:
        return None
    t_ms = int(digits) // _PER_MS.get(precision, 1) * _MS_PER.get(precision, 1)
    return t_ms if abs(t_ms) <= _FURTHEST_MS else None


def _number(value: str) -> float | None:
    """The number that a field's value is; floats for all, because that is what is stored."""
    if _NUMBER.fullmatch(value):
        return float(value.rstrip("iu"))
    return float("nan") if _INFINITE.fullmatch(value) else None


def _kind_of(value: str) -> str:
    if value.startswith('"'):
        kind = "text"
    elif value in _BOOLEANS:
        kind = "true or false"
    else:
        kind = f"“{value[:40]}”"
    return f"a reading is a number, this is {kind}"
