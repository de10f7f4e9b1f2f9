"""Compaction changes nothing that can be read, whatever happens around it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from django.db import connection, connections

from telemetry.models import Machine, Metric, ReadingHour, ReadingRun
from telemetry.readings import ReadingBatch, Series
from telemetry.store import compaction
from telemetry.store.compaction import compact
from telemetry.store.hour_format import HOUR_MS
from telemetry.store.pg_tables import reorganising
from telemetry.store.postgres import PostgresReadingStore
from telemetry.tasks import compact_readings_in_factory
from tenants.context import factory_context
from tenants.models import Factory

HOUR = 497_000
T0 = HOUR * HOUR_MS
END = T0 + 10 * HOUR_MS
EVERYTHING = 1 << 60

store = PostgresReadingStore()


@pytest.fixture
def mixer(in_acme: Factory) -> Machine:
    return machine_make("M01", "vibration", "temperature")


def machine_make(key: str, *metrics: str) -> Machine:
    machine = Machine.objects.create(key=key)
    Metric.objects.bulk_create([Metric(machine=machine, name=name) for name in metrics])
    return machine


def write(machine: Machine, readings: dict[int, float], metric: str = "vibration") -> None:
    part = Series(machine.key, metric, np.array(list(readings), np.int64), np.array(list(readings.values()), float))
    store.write(ReadingBatch([part]), machines={machine.key: machine})


def read(machine: Machine, metric: str = "vibration") -> dict[int, float]:
    part = store.raw(machine, [metric], from_ms=0, to_ms=EVERYTHING)[0]
    assert (np.diff(part.t_ms) > 0).all()
    return dict(zip(part.t_ms.tolist(), part.values.tolist(), strict=True))


def buckets(machine: Machine, width_ms: int) -> list[tuple[int, float, float, float, int]]:
    part = store.buckets(machine, ["vibration"], from_ms=T0, to_ms=END, bucket_ms=width_ms)[0]
    columns = (part.t_ms, part.minimum, part.maximum, part.mean, part.count)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def dense(hours: float, *, value: float = 1.0, from_ms: int = T0) -> dict[int, float]:
    return {int(t_ms): value for t_ms in range(from_ms, from_ms + int(hours * HOUR_MS), 1000)}


def test_many_runs_of_an_open_hour_become_one(mixer: Machine) -> None:
    written = {T0 + n: float(n) for n in range(100)}
    for t_ms, value in written.items():
        write(mixer, {t_ms: value})

    done = compact(closed_ms=T0)

    assert (done.runs, done.readings, done.complete) == (100, 100, True)
    assert [(run.level, run.n) for run in ReadingRun.objects.all()] == [(1, 100)]
    assert not ReadingHour.objects.exists()
    assert read(mixer) == written


def test_few_runs_are_left_as_they_are(mixer: Machine) -> None:
    for n in range(compaction._RUNS_TO_MERGE - 1):
        write(mixer, {T0 + n: 1.0})

    assert compact(closed_ms=T0).runs == 0


def test_runs_of_a_closed_hour_become_an_hour_and_those_of_an_open_one_stay(mixer: Machine) -> None:
    written = dense(2.5)
    write(mixer, written)

    compact(closed_ms=T0 + 2 * HOUR_MS)

    assert [(row.hour, row.n) for row in ReadingHour.objects.order_by("hour")] == [(HOUR, 3600), (HOUR + 1, 3600)]
    assert [(run.from_ms, run.n) for run in ReadingRun.objects.all()] == [(T0 + 2 * HOUR_MS, 1800)]
    assert read(mixer) == written


def test_the_hour_that_has_just_passed_still_waits_for_its_last_readings(
    mixer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(mixer, {T0: 1.0})
    monkeypatch.setattr("common.clock.now_ms", lambda: T0 + HOUR_MS + 60_000)
    compact()
    assert ReadingRun.objects.count() == 1
    monkeypatch.setattr("common.clock.now_ms", lambda: T0 + HOUR_MS + 180_000)
    compact()
    assert ReadingRun.objects.count() == 0
    assert ReadingHour.objects.count() == 1


def test_late_readings_are_seen_at_once_and_merged_into_their_hour(mixer: Machine) -> None:
    written = dense(1)
    write(mixer, written)
    compact(closed_ms=EVERYTHING)

    late = {T0 + 500: 7.0, T0 + 1000: 9.0, T0 - 1: 3.0}  # between readings, over one, and of the hour before
    write(mixer, late)

    for _ in range(2):
        assert read(mixer) == written | late
        assert buckets(mixer, 60_000)[0] == (T0, 1.0, 9.0, pytest.approx((59 + 7 + 9) / 61), 61)
        assert buckets(mixer, HOUR_MS) == [(T0, 1.0, 9.0, pytest.approx((3599 + 7 + 9) / 3601), 3601)]
        compact(closed_ms=EVERYTHING)
    assert ReadingRun.objects.count() == 0
    assert ReadingHour.objects.count() == 2


def test_a_resend_after_compaction_changes_nothing(mixer: Machine) -> None:
    written = dense(1)
    write(mixer, written)
    compact(closed_ms=EVERYTHING)
    before = buckets(mixer, HOUR_MS)

    write(mixer, written)

    for _ in range(2):
        assert read(mixer) == written
        assert buckets(mixer, HOUR_MS) == before
        compact(closed_ms=EVERYTHING)
    assert ReadingHour.objects.get().n == 3600


def test_a_correction_stands_across_every_border(mixer: Machine) -> None:
    """In an hour, in a merged run, in a run as written: the last one always stands."""
    border = T0 + HOUR_MS
    around = {border - 2: 1.0, border - 1: 1.0, border: 1.0, border + 1: 1.0}
    write(mixer, around)
    compact(closed_ms=border)
    for value in range(2, 40):
        write(mixer, {t_ms: float(value) for t_ms in around})
    compact(closed_ms=T0)
    assert set(read(mixer).values()) == {39.0}
    write(mixer, dict.fromkeys(around, 40.0))
    assert set(read(mixer).values()) == {40.0}
    compact(closed_ms=border)
    assert set(read(mixer).values()) == {40.0}
    compact(closed_ms=EVERYTHING)
    assert set(read(mixer).values()) == {40.0}


def test_a_correction_stands_where_a_step_ended_between_the_two(
    mixer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step leaves the old run alone; the correction is merged; the old one must not be merged over it then."""
    monkeypatch.setattr(compaction, "_RUNS_TO_MERGE", 2)
    monkeypatch.setattr(compaction, "_READINGS_PER_STEP", 20)
    write(mixer, {T0 + number: 1.0 for number in range(18)})
    write(mixer, {T0: 2.0, T0 + 20: 2.0})
    write(mixer, {T0 + 21: 2.0})
    compact(closed_ms=T0)
    write(mixer, {T0 + 22: 2.0})
    compact(closed_ms=T0)
    assert read(mixer)[T0] == 2.0
    compact(closed_ms=EVERYTHING)
    assert read(mixer)[T0] == 2.0


@pytest.mark.parametrize("breaks", ["hours_insert", "runs_keep"])
def test_compaction_that_dies_midway_has_never_happened(
    mixer: Machine, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    written = dense(1.5)
    for start in range(0, len(written), 100):
        write(mixer, dict(list(written.items())[start : start + 100]))

    def die(*_: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(compaction, breaks, die)
        with pytest.raises(RuntimeError, match="killed"):
            compact(closed_ms=T0 + HOUR_MS)

    assert read(mixer) == written
    assert not ReadingHour.objects.exists()
    assert compact(closed_ms=T0 + HOUR_MS).readings == len(written)
    assert read(mixer) == written


def test_much_is_compacted_in_steps_that_need_little_memory(mixer: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "_READINGS_PER_STEP", 500)
    others = [machine_make(f"M{n}", "vibration") for n in range(10, 15)]
    written = dense(1.5)
    for machine in [mixer, *others]:
        for start in range(0, len(written), 100):
            write(machine, dict(list(written.items())[start : start + 100]))

    assert compact(closed_ms=T0 + HOUR_MS).complete

    assert ReadingHour.objects.count() == 6
    assert all(read(machine) == written for machine in [mixer, *others])


def test_what_time_does_not_suffice_for_is_left_for_the_next_turn(mixer: Machine) -> None:
    write(mixer, {T0: 1.0})

    assert not compact(closed_ms=EVERYTHING, within_s=-1.0).complete
    assert compact(closed_ms=EVERYTHING).complete


def test_the_scheduler_s_task_compacts_its_factory(mixer: Machine, in_acme: Factory) -> None:
    write(mixer, {T0: 1.0})

    compact_readings_in_factory(factory_slug=in_acme.slug)

    assert ReadingHour.objects.count() == 1


def test_retention_cuts_runs_and_hours_alike(mixer: Machine) -> None:
    written = dense(2)
    write(mixer, {t_ms: value for t_ms, value in written.items() if t_ms < T0 + HOUR_MS})
    compact(closed_ms=EVERYTHING)
    write(mixer, {t_ms: value for t_ms, value in written.items() if t_ms >= T0 + HOUR_MS})

    before = T0 + HOUR_MS + 1_800_500
    removed = store.delete_before(before)

    assert removed == 5401
    assert read(mixer) == {t_ms: value for t_ms, value in written.items() if t_ms >= before}
    assert store.delete_before(before) == 0


def test_retention_by_whole_hours_leaves_what_is_not_compacted_alone(mixer: Machine) -> None:
    write(mixer, dense(1))
    assert store.delete_before(T0) == 0
    assert ReadingRun.objects.count() == 1


def test_two_at_once_do_not_meet(live_factory: Factory) -> None:
    with factory_context(live_factory):
        mixer = machine_make("M01", "vibration")
        write(mixer, {T0: 1.0})
        with elsewhere(live_factory):
            assert not compact(closed_ms=EVERYTHING).complete
            assert ReadingRun.objects.count() == 1
        assert compact(closed_ms=EVERYTHING).complete
        assert ReadingRun.objects.count() == 0


class elsewhere:  # reads as what it is
    """Somebody else compacts this factory, on a connection of their own, for the length of the block."""

    def __init__(self, factory: Factory) -> None:
        self._held, self._release = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(factory,))

    def _hold(self, factory: Factory) -> None:
        with factory_context(factory), reorganising():
            self._held.set()
            self._release.wait(30)
        connections.close_all()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._held.wait(30)

    def __exit__(self, *_: Any) -> None:
        self._release.set()
        self._thread.join()


def test_nothing_written_is_ever_missing_while_two_compact_and_one_writes(live_factory: Factory) -> None:
    batches, each = 60, 20
    acknowledged, over = [0], threading.Event()
    with factory_context(live_factory):
        mixer = machine_make("M01", "vibration")

    def written(number: int) -> Iterator[int]:
        # A third of the batches is an hour late, and each begins with what the one before ended with.
        start = T0 + (0 if number % 3 else HOUR_MS) + number * each
        yield from range(start - 2 if number else start, start + each)

    def writer() -> None:
        try:
            for number in range(batches):
                write(mixer, dict.fromkeys(written(number), 1.0))
                acknowledged[0] = number + 1
        finally:
            over.set()

    def compactor() -> None:
        while not over.is_set():
            compact(closed_ms=T0 + HOUR_MS + 5 * each)

    def reader() -> None:
        while not over.is_set():
            expected = {t_ms for number in range(acknowledged[0]) for t_ms in written(number)}
            assert expected <= read(mixer).keys()
            found = store.buckets(mixer, ["vibration"], from_ms=T0 - HOUR_MS, to_ms=END, bucket_ms=HOUR_MS)[0]
            assert found.count.sum() >= len(expected)

    together(live_factory, [writer, compactor, compactor, reader])

    with factory_context(live_factory):
        everything = {t_ms for number in range(batches) for t_ms in written(number)}
        assert read(mixer).keys() == everything
        assert compact(closed_ms=EVERYTHING).complete
        assert read(mixer).keys() == everything


def together(factory: Factory, acts: list[Callable[[], None]]) -> None:
    """Each in a thread and on a connection of its own; raises what went wrong."""

    def run(act: Callable[[], None]) -> None:
        try:
            with factory_context(factory):
                act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        for future in [pool.submit(run, act) for act in acts]:
            future.result()


def test_a_factory_from_the_template_stores_as_the_migration_says(in_acme: Factory) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.reloptions::text, a.attstorage::text FROM pg_class c"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'body'"
            " WHERE c.relnamespace = current_schema()::regnamespace"
        )
        found = {table: (options or "", storage) for table, options, storage in cursor.fetchall()}
    assert found["telemetry_readinghour"][1] == "e"
    assert found["telemetry_readingrun"][1] == "e"
    assert "autovacuum_vacuum_scale_factor=0" in found["telemetry_readingrun"][0]
