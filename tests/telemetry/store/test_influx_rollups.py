"""Rollups in InfluxDB hold what the readings hold: under late data, kills between writes, deletion, and from before."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import influxql
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx import InfluxReadingStore
from telemetry.store.influx_buckets import BucketReader
from telemetry.store.influx_levels import DAY_MS, HOURS, MINUTES, SLICE_MS
from telemetry.store.influx_server import InfluxServer
from telemetry.store.line_protocol import MARKED, MARKS
from tenants.models import Factory

DATABASE = "factorypulse_f_acme"
T0 = 1_789_948_800_000  # midnight, UTC
LENGTH_MS = 3 * DAY_MS + 7 * 3_600_000
WIDTHS_MS = (60_000, 900_000, DAY_MS)
METRICS = ("vibration", "time", "heartbeat", "silent")
WINDOWS = (
    (T0 + 12_345, T0 + LENGTH_MS - 54_321),
    (T0 + 600_000, T0 + 90_000_001),
    (T0 - 10 * DAY_MS, T0 + 10 * DAY_MS),
)

NewStore = Callable[[], InfluxReadingStore]


@pytest.fixture
def new_store(influx_url: str, in_acme: Factory) -> Iterator[NewStore]:
    """A process's own store of the same server: it has to look up what it knows."""

    def make() -> InfluxReadingStore:
        return InfluxReadingStore(InfluxServer(url=influx_url, token="", org=""))

    yield make
    make().delete_all()


@pytest.fixture
def mixer(in_acme: Factory) -> Machine:
    machine = Machine.objects.create(key="M 1,=\\x")
    Metric.objects.bulk_create([Metric(machine=machine, name=name) for name in METRICS])
    return machine


def put(store: InfluxReadingStore, machine: Machine, metric: str, t_ms: Sequence[int], values: Sequence[float]) -> None:
    series = Series(machine.key, metric, np.array(t_ms, np.int64), np.array(values, np.float64))
    store.write(ReadingBatch([series]), machines={machine.key: machine})


@pytest.fixture
def history(new_store: NewStore, mixer: Machine) -> np.ndarray:
    """Three days and some hours: a metric every 10 s or so, one in bursts, one now and then, one not at all."""
    rng = np.random.default_rng(3)
    t_ms = np.unique(T0 + rng.integers(0, LENGTH_MS, LENGTH_MS // 10_000))
    burst = t_ms[t_ms % 7_200_000 < 1_200_000]
    put(new_store(), mixer, "vibration", t_ms, rng.normal(70, 5, len(t_ms)))
    put(new_store(), mixer, "time", burst, rng.normal(0, 1, len(burst)))
    put(new_store(), mixer, "heartbeat", np.arange(T0, T0 + LENGTH_MS, 240_000), np.ones(-(-LENGTH_MS // 240_000)))
    return t_ms


def same_as_the_readings(store: InfluxReadingStore, machine: Machine, metrics: Sequence[str] = METRICS) -> bool:
    """Every window and width, against what the server sums up over the readings."""
    for from_ms, to_ms in WINDOWS:
        for width in WIDTHS_MS:
            plain = BucketReader(store._server, DATABASE, machine.key, metrics, bucket_ms=width, rollups=False)
            expected = plain.read(from_ms, to_ms)
            found = store.buckets(machine, metrics, from_ms=from_ms, to_ms=to_ms, bucket_ms=width)
            for ours, theirs in zip(found, expected, strict=True):
                assert ours.metric == theirs.metric
                assert ours.t_ms.tolist() == theirs.t_ms.tolist()
                assert ours.count.tolist() == theirs.count.tolist()
                assert ours.minimum.tolist() == theirs.minimum.tolist()
                assert ours.maximum.tolist() == theirs.maximum.tolist()
                np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12, atol=1e-12)
    return True


class Asked:
    """The statements a store sends about readings themselves."""

    def __init__(self, store: InfluxReadingStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.readings: list[str] = []
        real = store._server.query

        def query(database: str, statements: Sequence[str]) -> list[influxql.Table]:
            self.readings += [one for one in statements if 'FROM "readings" ' in one]
            return real(database, statements)

        monkeypatch.setattr(store._server, "query", query)


def test_what_was_rolled_up_is_not_read_again(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert same_as_the_readings(new_store(), mixer)
    assert new_store().compact(within_s=60)

    assert same_as_the_readings(new_store(), mixer)
    store = new_store()
    asked = Asked(store, monkeypatch)
    for width in WIDTHS_MS:
        store.buckets(mixer, ["vibration", "time", "silent"], from_ms=T0, to_ms=T0 + 3 * DAY_MS, bucket_ms=width)
    assert asked.readings == []
    # What is sparse is cheaper to read than to roll up by minutes; by hours it is rolled up all the same.
    store.buckets(mixer, ["heartbeat"], from_ms=T0, to_ms=T0 + 3 * DAY_MS, bucket_ms=DAY_MS)
    assert asked.readings == []
    store.buckets(mixer, ["heartbeat"], from_ms=T0, to_ms=T0 + 3 * DAY_MS, bucket_ms=60_000)
    assert len(asked.readings) == 1


def test_of_a_day_in_progress_only_its_open_end_is_read(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new_store().compact(within_s=60)
    late = T0 + LENGTH_MS // SLICE_MS * SLICE_MS
    put(new_store(), mixer, "vibration", [late + 5_000], [1.0])  # not rolled up yet
    store = new_store()
    asked = Asked(store, monkeypatch)

    store.buckets(mixer, ["vibration"], from_ms=late - DAY_MS + 30_000, to_ms=late + 60_000, bucket_ms=120_000)

    assert [one.split("time >= ")[1] for one in asked.readings] == [
        f"{late - DAY_MS + 30_000}ms AND time < {late - DAY_MS + 60_000}ms LIMIT 2000",
        f"{late}ms AND time < {late + 60_000}ms LIMIT 2000",
    ]


def test_late_corrected_and_repeated_readings_show_at_once(
    new_store: NewStore, mixer: Machine, history: np.ndarray
) -> None:
    assert new_store().compact(within_s=60)
    store = new_store()

    put(store, mixer, "vibration", [T0 + 3_600_007], [1e6])
    assert same_as_the_readings(store, mixer)
    put(store, mixer, "vibration", history[100:110], [-1e6] * 10)
    assert same_as_the_readings(store, mixer)
    put(store, mixer, "silent", history[:50], np.zeros(50))
    assert same_as_the_readings(store, mixer)

    assert new_store().compact(within_s=60)
    assert same_as_the_readings(store, mixer)


def test_a_late_reading_during_compaction_is_not_missed(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    compacting, writing = new_store(), new_store()
    real, overtaken = compacting._server.query, []

    def query(database: str, statements: Sequence[str]) -> list[influxql.Table]:
        found = real(database, statements)
        if any('FROM "readings" ' in one for one in statements):
            overtaken.append(len(overtaken))
            put(writing, mixer, "vibration", [T0 + 3_600_000 + len(overtaken)], [2e6])
        return found

    monkeypatch.setattr(compacting._server, "query", query)
    compacting.compact(within_s=60)

    assert overtaken
    assert same_as_the_readings(new_store(), mixer)
    assert new_store().compact(within_s=60)
    assert same_as_the_readings(new_store(), mixer)


@pytest.mark.parametrize("survived", range(5))
def test_compaction_that_is_killed_between_two_writes_leaves_nothing_wrong(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    assert new_store().compact(within_s=60)
    put(new_store(), mixer, "vibration", [T0 + 3_600_007, T0 + DAY_MS + 5], [1e6, 1e7])
    killed = new_store()
    real, written = killed._server.write, []

    def write(database: str, body: bytes) -> bool:
        if len(written) == survived:
            raise KeyboardInterrupt
        written.append(body)
        return real(database, body)

    monkeypatch.setattr(killed._server, "write", write)
    with pytest.raises(KeyboardInterrupt):
        killed.compact(within_s=60)

    assert same_as_the_readings(new_store(), mixer)
    put(new_store(), mixer, "vibration", [T0 + 3_600_008], [2e6])
    assert same_as_the_readings(new_store(), mixer)
    assert new_store().compact(within_s=60)
    assert same_as_the_readings(new_store(), mixer)


def test_a_writer_killed_before_its_mark_is_made_good_by_its_second_try(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert new_store().compact(within_s=60)
    killed = new_store()
    real = killed._server.write

    def write(database: str, body: bytes) -> bool:
        if body.startswith(MARKS.encode()):
            raise StoreUnavailableError("killed")
        return real(database, body)

    monkeypatch.setattr(killed._server, "write", write)
    with pytest.raises(StoreUnavailableError):
        put(killed, mixer, "vibration", [T0 + 3_600_007], [1e6])
    monkeypatch.undo()
    put(killed, mixer, "vibration", [T0 + 3_600_007], [1e6])

    assert same_as_the_readings(new_store(), mixer)


def test_a_slow_turn_of_compaction_finishes_in_the_next_ones(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, turns = new_store(), 1
    while not store.compact(within_s=-1.0 if turns == 1 else 0.02):
        assert same_as_the_readings(new_store(), mixer) if turns < 3 else True
        turns += 1
        assert turns < 200

    assert turns > 1
    asked = Asked(store, monkeypatch)
    store.buckets(mixer, ["vibration"], from_ms=T0, to_ms=T0 + 3 * DAY_MS, bucket_ms=DAY_MS)
    assert asked.readings == []


def test_a_metric_nobody_knew_when_its_machine_was_rolled_up_is_read_all_the_same(
    new_store: NewStore, mixer: Machine, history: np.ndarray
) -> None:
    put(new_store(), mixer, "late metric", history[:200], np.ones(200))
    assert new_store().compact(within_s=60)
    assert same_as_the_readings(new_store(), mixer, [*METRICS, "late metric"])

    Metric.objects.create(machine=mixer, name="late metric")
    assert same_as_the_readings(new_store(), mixer, [*METRICS, "late metric"])


def test_retention_and_deletion_take_rollups_along(new_store: NewStore, mixer: Machine, history: np.ndarray) -> None:
    store = new_store()
    assert new_store().compact(within_s=60)

    store.delete_before(T0 + DAY_MS + 3_600_123)
    assert same_as_the_readings(store, mixer)
    assert new_store().compact(within_s=60)
    assert same_as_the_readings(store, mixer)

    store.delete_machine(mixer)
    [gone] = store.buckets(mixer, ["vibration"], from_ms=T0, to_ms=T0 + LENGTH_MS, bucket_ms=3_600_000)
    assert len(gone.t_ms) == 0
    put(store, mixer, "vibration", history[:5], [1.0] * 5)
    assert same_as_the_readings(store, mixer)


def test_readings_from_before_there_were_marks_are_rolled_up_too(
    new_store: NewStore, mixer: Machine, history: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = new_store()
    old._server.execute(DATABASE, f"DROP MEASUREMENT {MARKS}")
    put(old, mixer, "vibration", [T0 + LENGTH_MS + 1], [3.0])  # the first reading under the new version
    assert same_as_the_readings(new_store(), mixer)

    # Killed midway through what is missing.
    killed = new_store()
    real, written = killed._server.write, []

    def write(database: str, body: bytes) -> bool:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(body)
        return real(database, body)

    monkeypatch.setattr(killed._server, "write", write)
    with pytest.raises(KeyboardInterrupt):
        killed.compact(within_s=60)
    assert same_as_the_readings(new_store(), mixer)
    [marked] = killed._server.query(DATABASE, [f"SELECT complete FROM {MARKED}"])
    assert not marked.values

    store = new_store()
    assert store.compact(within_s=60)
    assert same_as_the_readings(store, mixer)
    asked = Asked(store, monkeypatch)
    for width in (60_000, DAY_MS):
        store.buckets(mixer, ["vibration"], from_ms=T0, to_ms=T0 + 3 * DAY_MS, bucket_ms=width)
    assert asked.readings == []


@pytest.mark.parametrize("level", [MINUTES, HOURS])
def test_a_stranger_s_writing_among_rollups_is_not_believed(
    new_store: NewStore, mixer: Machine, history: np.ndarray, level: object
) -> None:
    store = new_store()
    assert store.compact(within_s=60)
    measurement = level.measurement  # type: ignore[attr-defined]
    for at, text in enumerate(("", "x", "A" * 40, "=" * 80, "é" * 40)):
        line = f'{measurement},machine=M\\ 1\\,\\=\\x vibration="{text}" {T0 + at * level.span_ms}'  # type: ignore[attr-defined]
        assert store._server.write(DATABASE, line.encode())

    assert same_as_the_readings(store, mixer)


def test_a_slice_the_server_cannot_sum_up_does_not_stop_the_others(new_store: NewStore, mixer: Machine) -> None:
    """A stranger's text in a field that is ours makes the server refuse sums over it."""
    oven = Machine.objects.create(key="M02")
    Metric.objects.create(machine=oven, name="heat")
    store = new_store()
    put(store, mixer, "vibration", range(T0, T0 + SLICE_MS, 1_000), [1.0] * 600)
    put(store, oven, "heat", range(T0, T0 + SLICE_MS, 1_000), [2.0] * 600)
    real = store._server.query

    def query(database: str, statements: Sequence[str]) -> list[influxql.Table]:
        if any("M 1" in one and 'FROM "readings" ' in one for one in statements):
            raise StoreUnavailableError("InfluxDB: invalid operation")
        return real(database, statements)

    store._server.query = query  # type: ignore[method-assign]
    assert not store.compact(within_s=60)
    assert store.compact(within_s=60)  # it is left alone for an hour

    [table] = real(DATABASE, [influxql.select_rolled(MINUTES.measurement, "M02", ["heat"], from_ms=T0, to_ms=T0 + 1)])
    assert len(table.values) == 1
