"""Every reading store keeps one contract; each runs against its real server."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import base, reading_store_named
from telemetry.store.influx import InfluxReadingStore
from telemetry.store.influx_server import InfluxServer
from telemetry.store.postgres import PostgresReadingStore
from tenants.context import factory_context
from tenants.models import Factory
from tenants.provisioning import factory_delete

T0 = 1_790_000_000_000  # a multiple of 10 s
LATER = T0 + 10_000_000


@pytest.fixture(params=["postgres", "influxdb"])
def store(request: pytest.FixtureRequest, in_acme: Factory) -> Iterator[base.ReadingStore]:
    if request.param == "postgres":
        yield PostgresReadingStore()
        return
    influx = InfluxReadingStore(InfluxServer(url=request.getfixturevalue("influx_url"), token="", org=""))
    yield influx
    with factory_context("acme"):
        influx.delete_all()
    with factory_context("borg"):
        influx.delete_all()


def machine_make(key: str, *metrics: str) -> Machine:
    machine = Machine.objects.create(key=key)
    Metric.objects.bulk_create([Metric(machine=machine, name=name) for name in metrics])
    return machine


@pytest.fixture
def mixer(in_acme: Factory) -> Machine:
    return machine_make("M 01,=x", "vibration", "temperature", "time")


def series(machine: Machine, metric: str, t_ms: Sequence[int], values: Sequence[float]) -> Series:
    return Series(machine.key, metric, np.array(t_ms, np.int64), np.array(values, np.float64))


def write(store: base.ReadingStore, machine: Machine, *parts: Series) -> None:
    store.write(ReadingBatch(parts), machines={machine.key: machine})


def read(store: base.ReadingStore, machine: Machine, metric: str = "vibration") -> list[tuple[int, float]]:
    part = store.raw(machine, [metric], from_ms=T0, to_ms=LATER)[0]
    return list(zip(part.t_ms.tolist(), part.values.tolist(), strict=True))


def test_what_is_written_is_read_in_time_order(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0 + 20, T0, T0 + 10], [3.0, 1.5e-7, -2.25]))

    assert read(store, mixer) == [(T0, 1.5e-7), (T0 + 10, -2.25), (T0 + 20, 3.0)]


def test_every_finite_number_survives_the_journey_bit_by_bit(store: base.ReadingStore, mixer: Machine) -> None:
    values = [0.1 + 0.2, 1.7976931348623157e308, 5e-324, -0.0, 1e22, 123456789.123456789]
    write(store, mixer, series(mixer, "vibration", range(T0, T0 + len(values)), values))

    stored = store.raw(mixer, ["vibration"], from_ms=T0, to_ms=LATER)[0].values
    assert stored.tolist() == values


def test_a_reading_written_again_is_there_once(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0, T0 + 10], [1.0, 2.0]))
    write(store, mixer, series(mixer, "vibration", [T0 + 10, T0 + 20], [2.0, 3.0]))

    assert read(store, mixer) == [(T0, 1.0), (T0 + 10, 2.0), (T0 + 20, 3.0)]


def test_a_corrected_reading_replaces_the_first(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0], [1.0]))
    write(store, mixer, series(mixer, "vibration", [T0], [9.0]))

    assert read(store, mixer) == [(T0, 9.0)]


def test_of_equal_times_in_one_batch_the_last_arrival_stands(store: base.ReadingStore, mixer: Machine) -> None:
    first, second = series(mixer, "vibration", [T0, T0], [1.0, 2.0]), series(mixer, "vibration", [T0], [3.0])
    write(store, mixer, first, second)

    assert read(store, mixer) == [(T0, 3.0)]


def test_windows_take_their_start_and_leave_their_end(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0, T0 + 10, T0 + 20], [1.0, 2.0, 3.0]))

    part = store.raw(mixer, ["vibration"], from_ms=T0, to_ms=T0 + 20)[0]
    assert part.t_ms.tolist() == [T0, T0 + 10]


def test_a_limit_keeps_the_newest_of_each_metric(store: base.ReadingStore, mixer: Machine) -> None:
    times = [T0, T0 + 10, T0 + 20]
    write(store, mixer, *(series(mixer, name, times, [1.0, 2.0, 3.0]) for name in ("vibration", "temperature")))

    parts = store.raw(mixer, ["temperature", "vibration"], from_ms=T0, to_ms=LATER, limit=2)
    assert [(part.metric, part.t_ms.tolist()) for part in parts] == [
        ("temperature", [T0 + 10, T0 + 20]),
        ("vibration", [T0 + 10, T0 + 20]),
    ]


def test_each_metric_asked_for_answers_even_with_nothing(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0], [1.0]))

    asked = ["nonsense", "vibration", "temperature"]
    raw = store.raw(mixer, asked, from_ms=T0, to_ms=LATER)
    buckets = store.buckets(mixer, asked, from_ms=T0, to_ms=LATER, bucket_ms=1000)
    assert [(part.metric, len(part)) for part in raw] == [("nonsense", 0), ("vibration", 1), ("temperature", 0)]
    assert [(part.metric, len(part.t_ms)) for part in buckets] == [
        ("nonsense", 0),
        ("vibration", 1),
        ("temperature", 0),
    ]


def test_a_factory_that_never_stored_anything_reads_as_empty(store: base.ReadingStore, mixer: Machine) -> None:
    assert read(store, mixer) == []
    assert store.raw(mixer, [], from_ms=T0, to_ms=LATER) == []
    assert store.buckets(mixer, [], from_ms=T0, to_ms=LATER, bucket_ms=1000) == []
    assert store.delete_before(LATER) == 0


def test_buckets_hold_minimum_maximum_mean_and_count_of_their_readings(
    store: base.ReadingStore, mixer: Machine
) -> None:
    rng = np.random.default_rng(7)
    t_ms = np.unique(T0 + rng.integers(0, 100_000, 400))
    values = rng.normal(70, 5, len(t_ms))
    write(store, mixer, Series(mixer.key, "temperature", t_ms, values))

    from_ms, to_ms, width = T0 + 3_000, T0 + 77_000, 10_000
    found = store.buckets(mixer, ["temperature"], from_ms=from_ms, to_ms=to_ms, bucket_ms=width)[0]
    inside = (t_ms >= from_ms) & (t_ms < to_ms)
    starts = t_ms[inside] // width * width
    expected = [values[inside][starts == start] for start in np.unique(starts)]
    assert found.t_ms.tolist() == np.unique(starts).tolist()
    assert found.count.tolist() == [len(part) for part in expected]
    assert found.minimum.tolist() == [part.min() for part in expected]
    assert found.maximum.tolist() == [part.max() for part in expected]
    np.testing.assert_allclose(found.mean, [part.mean() for part in expected], rtol=1e-12)


def test_buckets_without_readings_are_left_out(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0 + 1, T0 + 5_001], [1.0, 2.0]))

    found = store.buckets(mixer, ["vibration"], from_ms=T0, to_ms=LATER, bucket_ms=1000)[0]
    assert found.t_ms.tolist() == [T0, T0 + 5_000]


def test_columns_have_the_types_the_protocol_names(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0], [5.0]))

    raw = store.raw(mixer, ["vibration"], from_ms=T0, to_ms=LATER)[0]
    buckets = store.buckets(mixer, ["vibration"], from_ms=T0, to_ms=LATER, bucket_ms=1000)[0]
    assert (raw.t_ms.dtype, raw.values.dtype) == (np.int64, np.float64)
    assert (buckets.t_ms.dtype, buckets.count.dtype, buckets.mean.dtype) == (np.int64, np.int64, np.float64)


def test_metrics_with_the_server_s_own_words_as_names_are_kept(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "time", [T0], [1.0]))

    assert read(store, mixer, "time") == [(T0, 1.0)]


def test_metrics_of_several_machines_are_read_together(store: base.ReadingStore, mixer: Machine) -> None:
    oven = machine_make("M02", "vibration", "heat")
    write(store, mixer, series(mixer, "vibration", [T0 + 5, T0], [2.0, 1.0]), series(mixer, "time", [T0], [9.0]))
    write(store, oven, series(oven, "heat", [T0 + 1, T0 + 900], [3.0, 4.0]), series(oven, "vibration", [T0], [8.0]))

    found = store.together({mixer: ["vibration", "unknown"], oven: ["heat"]}, from_ms=T0, to_ms=T0 + 900)

    assert [(part.machine, part.metric, part.t_ms.tolist(), part.values.tolist()) for part in found] == [
        (mixer.key, "vibration", [T0, T0 + 5], [1.0, 2.0]),
        ("M02", "heat", [T0 + 1], [3.0]),
    ]
    assert not store.together({}, from_ms=T0, to_ms=T0 + 900)


def test_compaction_changes_nothing_that_can_be_read(store: base.ReadingStore, mixer: Machine) -> None:
    rng = np.random.default_rng(11)
    t_ms = np.unique(T0 - 7_200_000 + rng.integers(0, 7_200_000, 2_000))
    values = rng.normal(70, 5, len(t_ms))
    asked = {"from_ms": T0 - 7_200_000 + 12_345, "to_ms": T0 - 54_321}
    write(store, mixer, Series(mixer.key, "vibration", t_ms, np.zeros(len(t_ms))))
    assert store.compact()

    # Sent again with other values, in many batches, the newest half first: after a compaction, and before the next.
    for part in (slice(1_000, None), slice(0, 1_000)):
        for start in range(part.start, min(part.stop or len(t_ms), len(t_ms)), 50):
            some = slice(start, start + 50)
            write(store, mixer, Series(mixer.key, "vibration", t_ms[some], values[some]))
    before = [_all_of(store, mixer, **asked)]
    assert store.compact()
    before.append(_all_of(store, mixer, **asked))

    inside = (t_ms >= asked["from_ms"]) & (t_ms < asked["to_ms"])
    for raw, buckets in before:
        np.testing.assert_array_equal(raw.t_ms, t_ms[inside])
        np.testing.assert_array_equal(raw.values, values[inside])
        for width, part in buckets.items():
            starts = np.unique(t_ms[inside] // width)
            assert part.t_ms.tolist() == (starts * width).tolist()
            groups = [values[inside][t_ms[inside] // width == start] for start in starts]
            assert part.minimum.tolist() == [group.min() for group in groups]
            assert part.count.tolist() == [len(group) for group in groups]
            np.testing.assert_allclose(part.mean, [group.mean() for group in groups], rtol=1e-12)


def _all_of(
    store: base.ReadingStore, machine: Machine, *, from_ms: int, to_ms: int
) -> tuple[Series, dict[int, base.Buckets]]:
    buckets = {
        width: store.buckets(machine, ["vibration"], from_ms=from_ms, to_ms=to_ms, bucket_ms=width)[0]
        for width in (10_000, 60_000, 900_000, 3_600_000)
    }
    return store.raw(machine, ["vibration"], from_ms=from_ms, to_ms=to_ms)[0], buckets


def test_a_machine_s_deletion_leaves_the_others_alone(store: base.ReadingStore, mixer: Machine) -> None:
    oven = machine_make("M02", "vibration")
    write(store, mixer, series(mixer, "vibration", [T0], [1.0]))
    write(store, oven, series(oven, "vibration", [T0], [2.0]))

    store.delete_machine(mixer)

    assert read(store, mixer) == []
    assert read(store, oven) == [(T0, 2.0)]


def test_a_metric_s_deletion_leaves_the_others_and_its_successor_begins_anew(
    store: base.ReadingStore, mixer: Machine
) -> None:
    times = [T0 - 7_200_000, T0, T0 + 10]
    write(store, mixer, *(series(mixer, name, times, [1.0, 2.0, 3.0]) for name in ("vibration", "time", "temperature")))
    assert store.compact()
    write(store, mixer, series(mixer, "vibration", [T0 + 20], [4.0]))

    for metric in ("vibration", "time"):
        store.delete_metric(mixer, metric)
        mixer.metrics.filter(name=metric).delete()
        assert read(store, mixer, metric) == []
    assert read(store, mixer, "temperature") == [(T0, 2.0), (T0 + 10, 3.0)]

    # It goes on sending: whoever writes and reads knows the machine as it is now.
    again = Machine.objects.get(pk=mixer.pk)
    Metric.objects.bulk_create([Metric(machine=again, name=name) for name in ("vibration", "time")])
    for metric, value in (("vibration", 5.0), ("time", 6.0)):
        write(store, again, series(again, metric, [T0 + 10], [value]))
        assert read(store, again, metric) == [(T0 + 10, value)]
        assert store.compact()
        [buckets] = store.buckets(again, [metric], from_ms=T0 - 86_400_000, to_ms=LATER, bucket_ms=3_600_000)
        assert (buckets.metric, buckets.count.tolist(), buckets.maximum.tolist()) == (metric, [1], [value])
        [found] = store.together({again: [metric]}, from_ms=T0, to_ms=LATER)
        assert (found.metric, found.values.tolist()) == (metric, [value])
        [raw] = store.raw(again, [metric], from_ms=T0, to_ms=LATER)
        assert raw.metric == metric


def test_retention_removes_what_is_older_and_nothing_else(store: base.ReadingStore, mixer: Machine) -> None:
    times = [T0, T0 + 10, T0 + 20]
    write(store, mixer, *(series(mixer, name, times, [1.0, 2.0, 3.0]) for name in ("vibration", "temperature")))

    removed = store.delete_before(T0 + 10)

    assert removed in {0, 2}  # 0: the server does not say
    assert read(store, mixer) == [(T0 + 10, 2.0), (T0 + 20, 3.0)]
    assert read(store, mixer, "temperature") == [(T0 + 10, 2.0), (T0 + 20, 3.0)]


def test_two_factories_with_the_same_machine_never_meet(
    store: base.ReadingStore, mixer: Machine, borg: Factory
) -> None:
    write(store, mixer, series(mixer, "vibration", [T0], [1.0]))

    with factory_context(borg):
        twin = machine_make(mixer.key, "vibration")
        assert read(store, twin) == []
        write(store, twin, series(twin, "vibration", [T0], [2.0]))
        store.delete_machine(twin)

    assert read(store, mixer) == [(T0, 1.0)]


def test_a_factory_s_end_takes_everything_it_stored(store: base.ReadingStore, mixer: Machine) -> None:
    write(store, mixer, series(mixer, "vibration", [T0], [1.0]))

    store.delete_all()

    assert read(store, mixer) == []


@pytest.mark.parametrize("in_use", ["influxdb", "postgres"])
def test_a_deleted_factory_s_successor_finds_nothing(
    influx_url: str, live_factories: Callable[..., Factory], settings: Any, in_use: str
) -> None:
    # Also where PostgreSQL took over and the old copy was left behind.
    settings.READING_STORE, settings.INFLUXDB_URL = in_use, influx_url
    reading_store_named.cache_clear()
    influx = reading_store_named("influxdb")
    factory = live_factories()
    with factory_context(factory):
        mixer = machine_make("M01", "vibration")
        write(influx, mixer, series(mixer, "vibration", [T0], [1.0]))

    factory_delete(factory)

    # The store keeps factories apart by name alone.
    with factory_context(factory):
        assert read(influx, mixer) == []
    settings.READING_STORE, settings.INFLUXDB_URL = "postgres", ""
    reading_store_named.cache_clear()


def test_a_batch_larger_than_one_statement_arrives_whole(
    store: base.ReadingStore, mixer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.store.line_protocol.READINGS_PER_BODY", 7)
    t_ms = np.arange(T0, T0 + 50)
    write(store, mixer, Series(mixer.key, "vibration", t_ms, t_ms / 3.0))

    assert read(store, mixer) == list(zip(t_ms.tolist(), (t_ms / 3.0).tolist(), strict=True))


def test_a_server_that_is_away_raises_unavailable(mixer: Machine) -> None:
    store = InfluxReadingStore(InfluxServer(url="http://127.0.0.1:9", token="", org=""))

    with pytest.raises(base.StoreUnavailableError):
        write(store, mixer, series(mixer, "vibration", [T0], [1.0]))
    with pytest.raises(base.StoreUnavailableError):
        read(store, mixer)
