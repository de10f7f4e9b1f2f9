"""Readings in PostgreSQL, written like a log and sorted out later.

What a batch brings becomes a run per machine, one row each (`run_format`), written by one COPY; nothing is looked up
or checked. Compaction merges runs and makes hours of them (`compaction`); reading lays runs over hours (`pg_reading`).
A reading's identity (series, time) holds where they are merged: of equal times the later run stands.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from telemetry.models import Machine
from telemetry.readings import Int64Array, ReadingBatch, Series
from telemetry.store.aggregates import Aggregates
from telemetry.store.base import Buckets, StoreUnavailableError
from telemetry.store.compaction import compact
from telemetry.store.pg_reading import Asked, aggregates_read, readings_read
from telemetry.store.pg_tables import reorganising, runs_insert, statement, translated
from telemetry.store.retention import readings_delete_before
from telemetry.store.run_format import runs_encode
from telemetry.store.scope import factory_scope
from telemetry.store.series_ids import series_ids_forget, series_places
from telemetry.store.strips import NOTHING, Strips, merged_by

_DELETE_RUNS = statement("DELETE FROM {run} WHERE machine = %s")
_DELETE_HOURS = statement("DELETE FROM {hour} WHERE series = ANY(%s)")
_END_MS = 1 << 60
_TRUNCATE = statement("TRUNCATE {run}, {hour}")


class PostgresReadingStore:
    """The store of the trial, of CI and of small plants. Keeps `telemetry.store.base.ReadingStore`."""

    outlives_schema = False

    def write(self, batch: ReadingBatch, *, machines: Mapping[str, Machine]) -> None:
        with translated():
            owners, strips = _strips(batch, machines)
            if len(strips):
                runs_insert(runs_encode(owners, strips))

    def raw(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Series]:
        with translated():
            numbers = _series_of(machine, metrics)
            asked = _asked(machine, numbers, from_ms, to_ms)
            strips = readings_read(asked, limit=limit) if asked else NOTHING
        return [_series(machine, name, strips, numbers.get(name), limit) for name in metrics]

    def together(self, wanted: Mapping[Machine, Sequence[str]], *, from_ms: int, to_ms: int) -> ReadingBatch:
        keys = [(machine.key, metric) for machine, metrics in wanted.items() for metric in metrics]
        if not keys or to_ms <= from_ms:
            return ReadingBatch()
        with translated():
            places = series_places(factory_scope(), keys, {machine.key: machine for machine in wanted})
            key_of = {places[key] & 0xFFFF_FFFF: key for key in keys if key in places}
            numbers = np.array(sorted(key_of), np.int64)
            strips = readings_read(Asked([machine.pk for machine in wanted], numbers, from_ms, to_ms))
        codes = np.repeat(np.arange(len(strips.series), dtype=np.int32), strips.counts)
        return ReadingBatch.of_columns(
            [key_of[number] for number in strips.series.tolist()], codes, strips.t_ms, strips.values
        )

    def buckets(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int
    ) -> list[Buckets]:
        with translated():
            numbers = _series_of(machine, metrics)
            asked = _asked(machine, numbers, from_ms, to_ms)
            rows = aggregates_read(asked, width_ms=bucket_ms) if asked else None
        return [_buckets(name, rows, numbers.get(name)) for name in metrics]

    def compact(self, *, within_s: float = 5.0) -> bool:
        return compact(within_s=within_s).complete

    def delete_machine(self, machine: Machine) -> None:
        numbers = list(machine.metrics.values_list("id", flat=True))
        with translated(), reorganising(), connection.cursor() as cursor:
            cursor.execute(_DELETE_RUNS, [machine.pk])
            cursor.execute(_DELETE_HOURS, [numbers])
        series_ids_forget(factory_scope())

    def delete_metric(self, machine: Machine, metric: str) -> None:
        numbers = list(_series_of(machine, [metric]).values())
        with translated():
            # What is in runs becomes hours first: a run holds other metrics' readings besides.
            compact(closed_ms=_END_MS, within_s=float("inf"), wait=True)
            with reorganising(), connection.cursor() as cursor:
                cursor.execute(_DELETE_HOURS, [numbers])
        series_ids_forget(factory_scope())

    def delete_before(self, before_ms: int) -> int:
        with translated():
            return readings_delete_before(before_ms)

    def delete_all(self) -> None:
        with translated(), connection.cursor() as cursor:
            cursor.execute(_TRUNCATE)
        series_ids_forget(factory_scope())


def _strips(batch: ReadingBatch, machines: Mapping[str, Machine]) -> tuple[Int64Array, Strips]:
    """The batch's stretches by machine and series, each series once, and each one's machine."""
    places = series_places(factory_scope(), batch.keys, machines)
    place_of = np.fromiter((places.get(key, -1) for key in batch.keys), np.int64, len(batch.keys))
    starts = np.flatnonzero(np.diff(batch.codes, prepend=-1))
    place = place_of[batch.codes[starts]]
    if len(place) and place.min() < 0:
        # Deleted between registration and now; the retry registers it again, or finds its machine refused.
        _machine, metric = batch.keys[int(batch.codes[starts[place.argmin()]])]
        raise StoreUnavailableError(f"the metric “{metric}” is not registered")
    counts = np.diff(np.append(starts, len(batch)))
    groups, counts, t_ms, values = merged_by(place, Strips(place, counts, batch.t_ms, batch.values))
    return groups >> 32, Strips(groups & 0xFFFF_FFFF, counts, t_ms, values)


def _series_of(machine: Machine, metrics: Sequence[str]) -> dict[str, int]:
    return dict(machine.metrics.order_by().filter(name__in=metrics).values_list("name", "id"))


def _asked(machine: Machine, numbers: Mapping[str, int], from_ms: int, to_ms: int) -> Asked | None:
    if not numbers or to_ms <= from_ms:
        return None
    return Asked([machine.pk], np.array(sorted(numbers.values()), np.int64), from_ms, to_ms)


def _series(machine: Machine, metric: str, strips: Strips, number: int | None, limit: int | None) -> Series:
    t_ms, values = strips.of_series(-1 if number is None else number)
    cut = 0 if limit is None else max(0, len(t_ms) - limit)
    return Series(machine.key, metric, t_ms[cut:], values[cut:])


def _buckets(metric: str, rows: Aggregates | None, number: int | None) -> Buckets:
    if rows is None or number is None:
        nothing: NDArray[Any] = np.zeros(0)
        return Buckets(metric, NOTHING.t_ms, nothing, nothing, nothing, NOTHING.t_ms)
    mine = rows.rows(slice(*np.searchsorted(rows.series, [number, number + 1])))
    return Buckets(metric, mine.t_ms, mine.minimum, mine.maximum, mine.total / mine.count, mine.count)
