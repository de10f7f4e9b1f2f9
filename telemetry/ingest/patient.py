"""The patient road of `payloads`: looks at every value, so that a bad one is refused alone. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from telemetry.ingest.columns import Columns
from telemetry.ingest.refusals import Rejection, UnknownShapeError
from telemetry.ingest.timestamps import TimestampError, timestamp_ms

_NOT_METRICS = frozenset({"machine", "equipment_id", "timestamp"})
_LONGEST_INT = 18


def decode_patiently(body: bytes) -> Any:
    """Any JSON; also NaN, Infinity and numbers of any size, which must cost their own value and not the body.

    Raises ValueError for anything that isn't JSON in UTF-8, RecursionError for absurd nesting.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # msgspec refuses the whole document for one 1e999; the standard library reads it as infinity.
        return json.loads(body.decode("utf-8"), parse_int=_integer)


def _integer(digits: str) -> int | float:
    # int() of thousands of digits takes quadratic time; beyond 18 digits float64 is as good.
    return int(digits) if len(digits) <= _LONGEST_INT else float(digits)


def take_patiently(
    columns: Columns, document: Any, *, received_ms: int, machine: str, check_count: Callable[[int], None]
) -> None:
    """Add a decoded document's readings to the columns. Raises PayloadError before adding anything."""
    if isinstance(document, dict) and isinstance(document.get("readings"), list):
        machine = _named(document) or machine
        document = document["readings"]
    items = document if isinstance(document, list) else [document]
    if not any(isinstance(item, dict) for item in items):
        raise UnknownShapeError("A body is an object or a list of objects; /api/docs shows the four shapes.")
    check_count(sum(_count(item) for item in items))
    for index, item in enumerate(items):
        if isinstance(item, dict):
            _take(columns, item, index=index, received_ms=received_ms, machine=machine)
        else:
            columns.refuse(Rejection(index, "", "unknown_shape", "a reading is an object"))


def _metrics(item: Mapping[str, Any]) -> Mapping[str, Any]:
    metrics = item.get("metrics")
    if isinstance(metrics, dict):
        return metrics
    return {name: value for name, value in item.items() if name not in _NOT_METRICS}


def _count(item: Any) -> int:
    if not isinstance(item, dict):
        return 1
    return sum(len(value) if isinstance(value, list) else 1 for value in _metrics(item).values())


def _named(item: Mapping[str, Any]) -> str:
    name = item.get("machine") or item.get("equipment_id") or ""
    return name if isinstance(name, str) else ""


def _take(columns: Columns, item: Mapping[str, Any], *, index: int, received_ms: int, machine: str) -> None:
    name = _named(item) or machine
    given = item.get("machine") or item.get("equipment_id")
    if given is not None and not isinstance(given, str):
        columns.refuse(Rejection(index, "", "machine_invalid", "a machine's name is text"))
    elif not name:
        columns.refuse(Rejection(index, "", "machine_missing", "name the machine: “machine” or “equipment_id”"))
    elif isinstance(item.get("timestamps"), list) and isinstance(item.get("metrics"), dict):
        _take_block(columns, name, item["timestamps"], item["metrics"], received_ms)
    else:
        _take_reading(columns, name, item, index, received_ms)


def _take_reading(columns: Columns, machine: str, item: Mapping[str, Any], index: int, received_ms: int) -> None:
    try:
        if item.get("timestamp") is None:
            t_ms = columns.arrivals.time_ms(machine, _metrics(item), received_ms)
        else:
            t_ms = timestamp_ms(item["timestamp"], default_ms=received_ms)
    except TimestampError as error:
        columns.refuse(Rejection(index, "", "timestamp_invalid", str(error), machine))
        return
    for metric, value in _metrics(item).items():
        number = _number(value)
        if number is None:
            columns.refuse(Rejection(index, metric, "not_a_number", _kind_of(value), machine))
        else:
            columns.point(machine, metric, t_ms, number, index=index)


def _take_block(
    columns: Columns, machine: str, timestamps: list[Any], metrics: Mapping[str, Any], received_ms: int
) -> None:
    t_ms, timed = _times(columns, machine, timestamps, received_ms)
    for metric, values in metrics.items():
        if not isinstance(values, list) or len(values) != len(timestamps):
            detail = f"a column needs as many values as there are timestamps, {len(timestamps)}"
            columns.refuse(Rejection(0, metric, "length_mismatch", detail, machine))
            continue
        for index, value in enumerate(values):
            number = _number(value)
            if number is None:
                columns.refuse(Rejection(index, metric, "not_a_number", _kind_of(value), machine))
            elif timed[index]:
                columns.point(machine, metric, int(t_ms[index]), number, index=index)


def _times(columns: Columns, machine: str, timestamps: list[Any], received_ms: int) -> tuple[Any, Any]:
    t_ms = np.zeros(len(timestamps), np.int64)
    timed = np.zeros(len(timestamps), np.bool_)
    for index, value in enumerate(timestamps):
        try:
            if value is None:
                raise TimestampError("a column's timestamps may not be null")
            t_ms[index] = timestamp_ms(value, default_ms=received_ms)
            timed[index] = True
        except TimestampError as error:
            columns.refuse(Rejection(index, "", "timestamp_invalid", str(error), machine))
    return t_ms, timed


def _number(value: Any) -> float | None:
    """The number that a JSON value is; True is none, and "72.3" is text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _kind_of(value: Any) -> str:
    kinds = {bool: "true or false", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return f"a reading is a number, this is {kinds.get(type(value), 'something else')}"
