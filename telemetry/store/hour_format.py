"""How an hour of a series is written: its readings compressed, and statistics of the hour and of its minutes. Pure.

Readings are int32 steps of time (the first from the hour's start), then float64 values, as one zstd frame: rounded
sensor values repeat, and so do steps. Minutes are 60 fixed places each for count, minimum, maximum and sum, so that a
thousand hours are decoded as one array. An hour of few readings keeps no minutes: its readings are shorter than they.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zstandard

from telemetry.readings import Float64Array, Int64Array
from telemetry.store.aggregates import Aggregates, aggregated
from telemetry.store.strips import NOTHING, Strips

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
_MINUTES = np.dtype([("count", "<u4", 60), ("minimum", "<f8", 60), ("maximum", "<f8", 60), ("total", "<f8", 60)])
# From here on minutes are shorter than the readings they stand for, and quicker to read.
_MINUTES_FROM = 240
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class HourRow:
    """One hour of one series. hour: hours since the epoch; minutes: empty where there are few readings."""

    series: int
    hour: int
    count: int
    minimum: float
    maximum: float
    total: float
    minutes: bytes
    body: bytes


def hours_encode(strips: Strips) -> list[HourRow]:
    """The hours of merged readings (see `strips.merged`), by series, then hour."""
    hours = aggregated(strips, HOUR_MS)
    minutes = _minutes_encode(strips, hours)
    steps = np.diff(strips.t_ms, prepend=0)
    ends = np.cumsum(hours.count)
    begins = ends - hours.count
    steps[begins] = (strips.t_ms[begins] - hours.t_ms) if len(hours) else 0
    steps, values = steps.astype("<i4"), strips.values.astype("<f8", copy=False)
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    columns = (
        hours.series,
        hours.t_ms // HOUR_MS,
        hours.count,
        hours.minimum,
        hours.maximum,
        hours.total,
        begins,
        ends,
    )
    return [
        HourRow(
            *(series, hour, count, low, high, total),
            minutes=minute,
            body=compressor.compress(steps[begin:end].tobytes() + values[begin:end].tobytes()),
        )
        for series, hour, count, low, high, total, begin, end, minute in zip(
            *(column.tolist() for column in columns), minutes, strict=True
        )
    ]


def _minutes_encode(strips: Strips, hours: Aggregates) -> list[bytes]:
    minutes = aggregated(strips, MINUTE_MS)
    places = np.zeros(len(hours), _MINUTES)
    hour_key, minute_key = _key(hours.series, hours.t_ms), _key(minutes.series, minutes.t_ms)
    row = np.searchsorted(hour_key, minute_key)
    place = minutes.t_ms % HOUR_MS // MINUTE_MS
    places["count"][row, place] = minutes.count
    places["minimum"][row, place] = minutes.minimum
    places["maximum"][row, place] = minutes.maximum
    places["total"][row, place] = minutes.total
    return [
        part.tobytes() if count >= _MINUTES_FROM else b""
        for part, count in zip(places, hours.count.tolist(), strict=True)
    ]


def _key(series: Int64Array, t_ms: Int64Array) -> Int64Array:
    return series << 32 | t_ms // HOUR_MS


def hours_touched(strips: Strips) -> Int64Array:
    """series << 32 | hour of every hour that merged readings lie in, ascending."""
    keys = _key(np.repeat(strips.series, strips.counts), strips.t_ms)
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def hours_decode(rows: Sequence[tuple[int, int, bytes]]) -> Strips:
    """The readings of (series, hour, body) rows, one stretch each, in their order."""
    if not rows:
        return NOTHING
    decompressor = zstandard.ZstdDecompressor()
    times: list[Int64Array] = []
    values: list[Float64Array] = []
    for _series, hour, body in rows:
        plain = decompressor.decompress(body)
        count = len(plain) // 12
        times.append(np.cumsum(np.frombuffer(plain, "<i4", count), dtype=np.int64) + hour * HOUR_MS)
        values.append(np.frombuffer(plain, "<f8", count, offset=4 * count))
    return Strips(
        np.array([series for series, _hour, _body in rows], np.int64),
        np.array([len(part) for part in times], np.int64),
        np.concatenate(times),
        np.concatenate(values),
    )


def minutes_decode(series: Int64Array, hours: Int64Array, minutes: Sequence[bytes]) -> Aggregates:
    """The minutes with readings of hours that keep minutes. series, hours: of each."""
    places = np.frombuffer(b"".join(minutes), _MINUTES)
    row, place = np.nonzero(places["count"])
    return Aggregates(
        series[row],
        hours[row] * HOUR_MS + place * MINUTE_MS,
        places["count"][row, place].astype(np.int64),
        places["minimum"][row, place],
        places["maximum"][row, place],
        places["total"][row, place],
    )
