"""Wire to batch: the four JSON shapes of an ingest body, told apart by shape. Pure.

Well-formed bodies take the typed road: one msgspec decode, columns straight to numpy. Everything else takes the patient
road, which looks at each value so that one bad value is refused alone and the rest of the body counts.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np

from telemetry.ingest.arrivals import Arrivals
from telemetry.ingest.columns import Columns, ParsedPayload
from telemetry.ingest.patient import decode_patiently, take_patiently
from telemetry.ingest.refusals import (
    MalformedJsonError,
    Rejection,
    TooDeepError,
    TooLargeError,
    TooManyReadingsError,
    UnknownShapeError,
)
from telemetry.ingest.timestamps import TimestampError, timestamp_ms

MAX_BYTES = 1024 * 1024
MAX_READINGS = 10_000


class _Item(msgspec.Struct, gc=False):
    machine: str = ""
    equipment_id: str = ""
    timestamp: int | float | str | None = None
    timestamps: list[int] | None = None
    metrics: dict[str, float] | None = None


class _Body(_Item, gc=False):
    readings: list[_Item] | None = None


class _BlockItem(_Item, gc=False):
    metrics: dict[str, float | list[float]] | None = None  # type: ignore[assignment]  # what a block has instead


class _BlockBody(_Body, gc=False):
    metrics: dict[str, float | list[float]] | None = None  # type: ignore[assignment]  # what a block has instead
    readings: list[_BlockItem] | None = None  # type: ignore[assignment]  # and these may be blocks too


_BLOCKS = (_BlockItem, _BlockBody)
# Readings one by one are what devices mostly send, and the narrower type is read faster.
_Decoder: TypeAlias = msgspec.json.Decoder[_Body | list[_Item]]
_decoders: Sequence[_Decoder] = (
    msgspec.json.Decoder(_Body | list[_Item]),
    cast(_Decoder, msgspec.json.Decoder(_BlockBody | list[_BlockItem])),
)


def parse(
    body: bytes, *, received_ms: int, machine: str | None = None, arrivals: Arrivals | None = None
) -> ParsedPayload:
    """Columns of one body and what was refused in it; machine is meant where the body names none.

    arrivals: the times given to readings before it; without, those of the same body always are the same.

    Raises PayloadError (malformed_json, too_deep, unknown_shape, too_large, too_many_readings).

    >>> parsed = parse(b'{"machine": "M01", "metrics": {"vibration": 2.1, "state": true}}', received_ms=1000)
    >>> [(s.metric, s.t_ms.tolist(), s.values.tolist()) for s in parsed.batch], parsed.rejected[0].code
    ([('vibration', [1000], [2.1])], 'not_a_number')
    """
    columns = Columns(arrivals)
    parse_into(columns, body, received_ms=received_ms, machine=machine)
    return columns.finish()


def parse_into(columns: Columns, body: bytes, *, received_ms: int, machine: str | None = None) -> None:
    """Add one body to columns that may hold others; when this raises PayloadError, nothing was added."""
    if len(body) > MAX_BYTES:
        raise TooLargeError(f"One body may have {MAX_BYTES:,} bytes.")
    items = _typed_items(body)
    if items is not None:
        _check_count(sum([_count(item) for item in items]))
        for index, item in enumerate(items):
            _take(columns, item, index=index, received_ms=received_ms, machine=machine or "")
        return
    try:
        document = decode_patiently(body)
    except RecursionError as error:
        raise TooDeepError("The JSON is nested too deeply.") from error
    except ValueError as error:
        raise MalformedJsonError(f"This is not JSON in UTF-8: {error}"[:300]) from error
    take_patiently(columns, document, received_ms=received_ms, machine=machine or "", check_count=_check_count)


def _typed_items(body: bytes) -> Sequence[_Item] | None:
    """The body's items, or None where the typed road ends: an untyped value, a flat reading, a number too large."""
    decoded = _decoded(body)
    if isinstance(decoded, _Body):
        if decoded.readings is None:
            return [decoded] if decoded.metrics else None
        for item in decoded.readings:
            item.machine = item.machine or item.equipment_id or decoded.machine or decoded.equipment_id
        decoded = decoded.readings
    return decoded if decoded and all(item.metrics for item in decoded) else None


def _decoded(body: bytes) -> _Body | list[_Item] | None:
    for decoder in _decoders:
        try:
            return decoder.decode(body)
        except RecursionError as error:
            raise TooDeepError("The JSON is nested too deeply.") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return None


def _count(item: _Item) -> int:
    if not isinstance(item, _BLOCKS):
        return len(item.metrics or ())
    return sum(len(value) if isinstance(value, list) else 1 for value in (item.metrics or {}).values())


def _check_count(readings: int) -> None:
    if readings > MAX_READINGS:
        raise TooManyReadingsError(f"One body may have {MAX_READINGS:,} readings; this has {readings:,}.")
    if readings == 0:
        raise UnknownShapeError("There is no reading in this body; /api/docs shows the four shapes.")


def _take(columns: Columns, item: _Item, *, index: int, received_ms: int, machine: str) -> None:
    name = item.machine or item.equipment_id or machine
    metrics: dict[str, Any] = item.metrics or {}
    if not name:
        columns.refuse(Rejection(index, "", "machine_missing", "name the machine: “machine” or “equipment_id”"))
        return
    if item.timestamps is not None:
        _take_block(columns, name, item.timestamps, metrics)
        return
    try:
        if item.timestamp is None:
            t_ms = columns.arrivals.time_ms(name, metrics, received_ms)
        else:
            t_ms = timestamp_ms(item.timestamp, default_ms=received_ms)
    except TimestampError as error:
        columns.refuse(Rejection(index, "", "timestamp_invalid", str(error), name))
        return
    if isinstance(item, _BLOCKS):
        metrics = _without_lists(columns, name, metrics, index)
    columns.row(name, metrics, t_ms=t_ms, index=index)


def _without_lists(columns: Columns, machine: str, metrics: dict[str, Any], index: int) -> dict[str, float]:
    for metric in [metric for metric, value in metrics.items() if isinstance(value, list)]:
        columns.refuse(Rejection(index, metric, "not_a_number", "a list needs “timestamps” beside it", machine))
    return {metric: value for metric, value in metrics.items() if not isinstance(value, list)}


def _take_block(columns: Columns, machine: str, timestamps: list[int], metrics: dict[str, Any]) -> None:
    try:
        t_ms = np.array(timestamps, np.int64)
    except OverflowError:
        columns.refuse(Rejection(0, "", "timestamp_invalid", "a timestamp is beyond every clock", machine))
        return
    for metric, values in metrics.items():
        if not isinstance(values, list) or len(values) != len(timestamps):
            detail = f"a column needs as many values as there are timestamps, {len(timestamps)}"
            columns.refuse(Rejection(0, metric, "length_mismatch", detail, machine))
        else:
            columns.block(machine, metric, t_ms, np.array(values, np.float64))
