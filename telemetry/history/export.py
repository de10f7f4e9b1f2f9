"""Series as CSV that any spreadsheet opens: long rows, times in UTC, no cell that a spreadsheet would run."""

from collections.abc import Iterator, Mapping, Sequence

from common.times import from_ms as instant_of
from common.times import rfc3339
from common.units import Conversion, UnitSystem, conversion
from telemetry.history.series import series_raw, series_read
from telemetry.models import Machine
from tenants.context import factory_context
from tenants.models import Factory

RAW_HEADER = "time,machine,metric,unit,value\r\n"
BUCKETS_HEADER = "time,machine,metric,unit,minimum,maximum,mean,readings\r\n"

# Spreadsheets take a text that begins so for a formula.
_RUNNABLE = ("=", "+", "-", "@", "\t", "\r")
_NEEDS_QUOTES = frozenset(',"\r\n')

_FIRST_SLICE_MS = 15 * 60_000
_SHORTEST_SLICE_MS = 1_000
_LONGEST_SLICE_MS = 86_400_000
_SLICE_READINGS = 20_000


def cell(text: str) -> str:
    """A text as one CSV cell, disarmed: a leading apostrophe makes a spreadsheet show it instead of running it.

    >>> cell("=1+1"), cell('6" pipe'), cell("vibration")
    ("'=1+1", '"6"" pipe"', 'vibration')
    """
    text = f"'{text}" if text.startswith(_RUNNABLE) else text
    if _NEEDS_QUOTES.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def csv_raw(
    factory: Factory,
    machine: Machine,
    metrics: Sequence[str],
    *,
    from_ms: int,
    to_ms: int,
    system: UnitSystem = UnitSystem.STORED,
) -> Iterator[str]:
    """Every reading of the window, slice by slice of time, by metric within a slice.

    Enters the factory for each slice and leaves it before the slice is sent: between two slices the thread is the
    server's again. Raises StoreUnavailableError, also midway.
    """
    with factory_context(factory):
        into = conversions(machine, metrics, system)
    starts = _row_starts(machine, into)
    yield RAW_HEADER
    slice_ms = _FIRST_SLICE_MS
    while from_ms < to_ms:
        until_ms = min(to_ms, from_ms + slice_ms)
        with factory_context(factory):
            parts = series_raw(machine, metrics, from_ms=from_ms, to_ms=until_ms)
        rows = [
            f"{rfc3339(instant_of(t_ms))}{starts[part.metric]}{value!r}\r\n"
            for part in parts
            for t_ms, value in zip(part.t_ms.tolist(), into[part.metric].values(part.values).tolist(), strict=True)
        ]
        if rows:
            yield "".join(rows)
        slice_ms = _next_slice(slice_ms, len(rows))
        from_ms = until_ms


def _next_slice(slice_ms: int, readings: int) -> int:
    """Longer over empty stretches, shorter over dense ones, so that memory stays flat at any rate."""
    if readings > _SLICE_READINGS:
        return max(_SHORTEST_SLICE_MS, slice_ms // 2)
    return min(_LONGEST_SLICE_MS, slice_ms * 2) if readings < _SLICE_READINGS // 4 else slice_ms


def csv_buckets(
    factory: Factory,
    machine: Machine,
    metrics: Sequence[str],
    *,
    from_ms: int,
    to_ms: int,
    points: int,
    system: UnitSystem = UnitSystem.STORED,
) -> Iterator[str]:
    """Minimum, maximum, mean and count per bucket. Raises StoreUnavailableError."""
    with factory_context(factory):
        into = conversions(machine, metrics, system)
        found = series_read(machine, metrics, from_ms=from_ms, to_ms=to_ms, points=points)
    starts = _row_starts(machine, into)
    yield BUCKETS_HEADER
    for part in found:
        values = into[part.metric].values
        columns = (part.t_ms, values(part.minimum), values(part.maximum), values(part.mean), part.count)
        yield "".join(
            f"{rfc3339(instant_of(t_ms))}{starts[part.metric]}{low!r},{high!r},{mean!r},{count}\r\n"
            for t_ms, low, high, mean, count in zip(*(column.tolist() for column in columns), strict=True)
        )


def conversions(machine: Machine, metrics: Sequence[str], system: UnitSystem) -> dict[str, Conversion]:
    """By metric, how its stored figures become those of the system."""
    units = dict(machine.metrics.order_by().values_list("name", "unit"))
    return {name: conversion(units.get(name, ""), system) for name in metrics}


def _row_starts(machine: Machine, into: Mapping[str, Conversion]) -> dict[str, str]:
    """The cells between time and numbers, by metric."""
    return {name: f",{cell(machine.key)},{cell(name)},{cell(found.unit)}," for name, found in into.items()}
