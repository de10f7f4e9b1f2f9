"""From the journal to the store: each factory in its own lane, and no row leaves before the store has it."""

import numpy as np
import pytest
from django.db import OperationalError, connection

from anomalies import receivers
from anomalies.rules.late import LateNotes
from common import clock
from telemetry.ingest.drain import Drain
from telemetry.ingest.journal import REFUSALS, Journal
from telemetry.ingest.live_tail import LiveTail
from telemetry.ingest.refusals import Refusal, refusals_encode
from telemetry.models import Machine, Metric, QuarantinedReading
from telemetry.readings import ReadingBatch, Series
from telemetry.signals import readings_stored
from telemetry.store import reading_store
from telemetry.store.base import StoreUnavailableError
from tenants.context import factory_context


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


NOW = 1_795_255_200_000


def batch(machine="M01", metric="vibration", times=(NOW,), values=(2.1,)):
    return ReadingBatch([Series(machine, metric, np.array(times, np.int64), np.array(values, np.float64))])


def append(journal, factory, readings):
    return journal.append(factory, readings.to_bytes(), len(readings)).result(timeout=10)


def stored(factory, machine="M01", metric="vibration"):
    with factory_context(factory):
        [series] = reading_store().raw(Machine.objects.get(key=machine), [metric], from_ms=0, to_ms=2 * NOW)
    return list(zip(series.t_ms.tolist(), series.values.tolist(), strict=True))


class AwayStore:
    def __init__(self, error=None):
        self.error = error or StoreUnavailableError("away")

    def write(self, batch, *, machines):
        raise self.error


class PickyStore:
    """Takes everything but readings of one metric."""

    def write(self, batch, *, machines):
        if any(series.metric == "poison" for series in batch):
            raise ValueError("this can never be stored")
        reading_store().write(batch, machines=machines)


def test_readings_reach_the_store_and_their_rows_leave_the_journal(journal, acme):
    append(journal, "acme", batch(times=[NOW, NOW + 1], values=[1, 2]))
    append(journal, "acme", batch(times=[NOW + 1, NOW + 2], values=[2, 3]))
    assert Drain(journal).drain_once("acme") == 2
    assert stored(acme) == [(NOW, 1.0), (NOW + 1, 2.0), (NOW + 2, 3.0)]
    assert journal.factories() == []


def test_draining_twice_changes_nothing(journal, acme):
    for _ in range(2):
        append(journal, "acme", batch())
        Drain(journal).drain_once("acme")
    assert stored(acme) == [(NOW, 2.1)]


def test_rows_stay_while_the_store_is_away(journal, acme):
    append(journal, "acme", batch())
    with pytest.raises(StoreUnavailableError):
        Drain(journal, store=AwayStore()).drain_once("acme")
    assert journal.factories() == ["acme"]
    Drain(journal).drain_once("acme")
    assert stored(acme) == [(NOW, 2.1)]


def test_the_machine_registers_itself_with_its_metrics_and_last_values(journal, acme):
    append(journal, "acme", batch("Press 1", "oil_temperature_c", [NOW, NOW + 5], [60, 61]))
    Drain(journal).drain_once("acme")
    with factory_context(acme):
        metric = Metric.objects.get(machine__key="Press 1")
        assert (metric.unit, metric.kind, metric.last_value) == ("°C", "temperature", 61.0)
        assert metric.last_at.timestamp() * 1000 == NOW + 5
        assert abs((clock.now() - metric.machine.last_seen_at).total_seconds()) < 30


def test_a_late_reading_does_not_turn_the_last_value_back(journal, acme, monkeypatch):
    monkeypatch.setattr("telemetry.ingest.last_values.WRITE_EVERY_S", 0)
    drain = Drain(journal)
    for t_ms, value in ((NOW, 1), (NOW - 3_600_000, 2)):
        append(journal, "acme", batch(times=[t_ms], values=[value]))
        drain.drain_once("acme")
    with factory_context(acme):
        assert Metric.objects.get().last_value == 1.0


def test_a_poison_row_is_buried_and_shown_and_its_neighbours_are_stored(journal, acme):
    for number in range(5):
        append(journal, "acme", batch(times=[NOW + number]))
    poison = append(journal, "acme", batch(metric="poison"))
    append(journal, "acme", batch(times=[NOW + 9]))
    Drain(journal, store=PickyStore()).drain_once("acme")
    assert len(stored(acme)) == 6
    assert [(row, factory) for row, factory, _reason in journal.dead_letters()] == [(poison, "acme")]
    with factory_context(acme):
        assert QuarantinedReading.objects.get().code == "store_refused"
    assert journal.factories() == []


def test_a_damaged_row_is_buried_and_the_others_stored(journal, acme, tmp_path):
    damaged = append(journal, "acme", batch())
    append(journal, "acme", batch(times=[NOW + 1]))
    journal._change([("UPDATE entry SET body = x'00' WHERE id = ?", (damaged,))]).result(timeout=10)
    Drain(journal).drain_once("acme")
    assert stored(acme) == [(NOW + 1, 2.1)]
    assert [row for row, *_ in journal.dead_letters()] == [damaged]


def test_rows_of_a_factory_that_is_gone_are_dropped(journal, db):
    append(journal, "nowhere", batch())
    Drain(journal).drain_once("nowhere")
    assert journal.factories() == []


def test_refusals_become_quarantine_rows_that_count(journal, acme):
    refusal = Refusal("HTTP abc", "M01", "a", "not_finite", "NaN", 3, '{"a": NaN}')
    for _ in range(2):
        journal.append("acme", refusals_encode([refusal]), 3, kind=REFUSALS).result(timeout=10)
        Drain(journal).drain_once("acme")
    with factory_context(acme):
        [row] = QuarantinedReading.objects.all()
        assert (row.source, row.machine, row.metric, row.code, row.count) == ("HTTP abc", "M01", "a", "not_finite", 6)
        assert row.payload == '{"a": NaN}'


def test_a_flood_of_causes_is_bounded_in_rows_and_counted_in_full(journal, acme):
    refusals = [Refusal("HTTP abc", f"M{n}", "a", "not_finite", "", 1) for n in range(1000)]
    for _ in range(2):
        journal.append("acme", refusals_encode(refusals), 1000, kind=REFUSALS).result(timeout=10)
        Drain(journal).drain_once("acme")
    with factory_context(acme):
        assert QuarantinedReading.objects.count() <= 301
        assert sum(QuarantinedReading.objects.values_list("count", flat=True)) == 2000


def test_what_the_plan_has_no_room_for_is_refused_counted_and_shown(journal, acme):
    names = [Series("M01", f"m{n}", np.array([NOW]), np.array([1.0])) for n in range(10_000)]
    append(journal, "acme", ReadingBatch(names))
    append(journal, "acme", ReadingBatch([Series(f"N{n}", "a", np.array([NOW]), np.array([1.0])) for n in range(50)]))
    Drain(journal).drain_once("acme")
    with factory_context(acme) as factory:
        assert Metric.objects.filter(machine__key="M01").count() == factory.plan.max_metrics_per_machine
        assert Machine.objects.count() == factory.plan.max_machines
        counts = dict(QuarantinedReading.objects.values_list("code", "count"))
    assert counts == {
        "metric_limit": 10_000 - factory.plan.max_metrics_per_machine,
        "machine_limit": 50 - (factory.plan.max_machines - 1),
    }


def test_a_machine_deleted_by_an_admin_comes_back_when_it_goes_on_sending(journal, acme, monkeypatch):
    monkeypatch.setattr("telemetry.ingest.last_values.WRITE_EVERY_S", 0)
    drain = Drain(journal)
    append(journal, "acme", batch())
    drain.drain_once("acme")
    with factory_context(acme):
        Machine.objects.all().delete()
    for number in range(1, 4):
        append(journal, "acme", batch(times=[NOW + number]))
        try:
            drain.drain_once("acme")
        except StoreUnavailableError:
            drain.drain_once("acme")
    assert (NOW + 3, 2.1) in stored(acme)


def test_known_machines_are_stored_without_asking_postgresql(journal, acme, django_assert_num_queries, monkeypatch):
    # Other tests' readings of this machine were newer, so that these would be late.
    monkeypatch.setattr(receivers, "_late", LateNotes())

    class Nowhere:
        def write(self, batch, *, machines):
            assert set(machines) == {"M01"}

    drain = Drain(journal, store=Nowhere())
    append(journal, "acme", batch())
    drain.drain_once("acme")
    append(journal, "acme", batch(times=[NOW + 1]))
    with django_assert_num_queries(0):
        drain.drain_once("acme")


def test_what_was_stored_is_announced_with_its_span(journal, acme):
    heard = []

    def listener(sender, factory, machines, **_):
        heard.append((factory.slug, machines, connection.schema_name))

    readings_stored.connect(listener)
    try:
        append(journal, "acme", batch(times=[NOW, NOW + 5], values=[1, 2]))
        Drain(journal).drain_once("acme")
    finally:
        readings_stored.disconnect(listener)
    assert heard == [("acme", {"M01": (NOW, NOW + 5)}, acme.schema_name)]


def test_a_listener_that_fails_costs_no_readings(journal, acme):
    def listener(**_):
        raise OSError("the broker is away")

    readings_stored.connect(listener)
    try:
        append(journal, "acme", batch())
        Drain(journal).drain_once("acme")
    finally:
        readings_stored.disconnect(listener)
    assert journal.factories() == []


def test_one_factorys_trouble_does_not_stop_another(journal, live_factories):
    troubled, well = live_factories(), live_factories()

    class Troubled:
        def write(self, batch, *, machines):
            if connection.schema_name == troubled.schema_name:
                raise OperationalError("lock timeout")
            reading_store().write(batch, machines=machines)

    append(journal, troubled.slug, batch())
    for number in range(5):
        append(journal, well.slug, batch(times=[NOW + number]))
    drain = Drain(journal, store=Troubled())
    drain.start()
    deadline = clock.monotonic_s() + 20
    while journal.factories() != [troubled.slug] and clock.monotonic_s() < deadline:
        drain._stop.wait(0.05)
    drain.stop(within_s=0)
    assert journal.factories() == [troubled.slug]
    assert len(stored(well)) == 5


class Heard:
    def __init__(self):
        self.batches, self.gaps = [], []

    def add_encoded(self, slug, body):
        self.batches.append((slug, [s.metric for s in ReadingBatch.from_bytes(body)]))

    def gap(self, slug):
        self.gaps.append(slug)

    def flush(self):
        pass


def test_the_live_tail_shows_what_comes_after_it_began_whoever_drains(journal, tmp_path):
    append(journal, "acme", batch(metric="before"))
    heard = Heard()
    tail = LiveTail(journal, heard)
    append(journal, "acme", batch(metric="after"))
    other_process = Journal(tmp_path)
    append(other_process, "borg", batch(metric="elsewhere"))
    other_process.close()
    while tail.tick():
        pass
    assert heard.batches == [("acme", ["after"]), ("borg", ["elsewhere"])]
    journal.delete_through("acme", journal.last_id()).result(timeout=10)
    append(journal, "acme", batch(metric="later"))
    while tail.tick():
        pass
    assert heard.batches[2:] == [("acme", ["later"])]


def test_the_live_tail_jumps_to_now_when_it_has_fallen_behind(journal, monkeypatch):
    heard = Heard()
    tail = LiveTail(journal, heard)
    append(journal, "acme", batch(metric="old"))
    real = clock.now_ms()
    monkeypatch.setattr(clock, "now_ms", lambda: real + 60_000)
    tail.tick()
    append(journal, "acme", batch(metric="new"))
    while tail.tick():
        pass
    assert [metrics for _slug, metrics in heard.batches] == [["new"]]
