"""The same contract where it is hardest: odd names, late and repeated data, large batches, a store that falls over."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import base
from telemetry.store.influx import InfluxReadingStore
from telemetry.store.influx_server import InfluxServer
from telemetry.store.postgres import PostgresReadingStore
from tenants.context import factory_context
from tenants.models import Factory
from tests.telemetry.store.influx_process import Server, influx_server

T0 = 1_790_000_000_000
LATER = T0 + 1_000_000_000
DAY_MS = 86_400_000

ODD_NAMES = [
    "M 01",
    "a,b=c d",
    'he said "hi"',
    "it's",
    "back\\slash",
    "ends in \\",
    "before\\,comma and\\ space",
    "two\nlines",
    "Łódź CO₂ №5 ⚙️",
    "#comment",
    "per/cent%25;DROP DATABASE x",
    "1e5",
    "true",
    "machine",
    "time",
    "_field",
    "readings",
    "$variable",
]


@pytest.fixture(params=["postgres", "influxdb"])
def store(request: pytest.FixtureRequest, in_acme: Factory) -> Iterator[base.ReadingStore]:
    if request.param == "postgres":
        yield PostgresReadingStore()
        return
    influx = InfluxReadingStore(InfluxServer(url=request.getfixturevalue("influx_url"), token="", org=""))
    yield influx
    influx.delete_all()


def machine_make(key: str, *metrics: str) -> Machine:
    machine = Machine.objects.create(key=key)
    Metric.objects.bulk_create([Metric(machine=machine, name=name) for name in metrics])
    return machine


def series(machine: Machine, metric: str, t_ms: list[int], values: list[float]) -> Series:
    return Series(machine.key, metric, np.array(t_ms, np.int64), np.array(values, np.float64))


def write(store: base.ReadingStore, machine: Machine, *parts: Series) -> None:
    store.write(ReadingBatch(parts), machines={machine.key: machine})


def read(store: base.ReadingStore, machine: Machine, metric: str = "vibration") -> list[tuple[int, float]]:
    part = store.raw(machine, [metric], from_ms=T0 - 10 * DAY_MS, to_ms=LATER)[0]
    return list(zip(part.t_ms.tolist(), part.values.tolist(), strict=True))


def test_machines_of_any_name_are_kept_apart(store: base.ReadingStore) -> None:
    machines = [machine_make(name, "vibration") for name in ODD_NAMES]
    parts = [series(machine, "vibration", [T0], [float(at)]) for at, machine in enumerate(machines)]
    store.write(ReadingBatch(parts), machines={machine.key: machine for machine in machines})

    assert [read(store, machine) for machine in machines] == [[(T0, float(at))] for at in range(len(machines))]
    gone, *others = machines
    store.delete_machine(gone)
    assert read(store, gone) == []
    assert all(read(store, machine) for machine in others)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_machine_of_any_name_can_be_deleted_alone(store: base.ReadingStore, name: str) -> None:
    machine, other = machine_make(name, "vibration"), machine_make("other", "vibration")
    write(store, machine, series(machine, "vibration", [T0], [1.0]))
    write(store, other, series(other, "vibration", [T0], [2.0]))

    store.delete_machine(machine)

    assert (read(store, machine), read(store, other)) == ([], [(T0, 2.0)])


def test_metrics_of_any_name_are_kept_apart(store: base.ReadingStore) -> None:
    mixer = machine_make("M01", *ODD_NAMES)
    write(store, mixer, *(series(mixer, name, [T0, T0 + 1], [float(at), -1.0]) for at, name in enumerate(ODD_NAMES)))

    assert [read(store, mixer, name) for name in ODD_NAMES] == [
        [(T0, float(at)), (T0 + 1, -1.0)] for at in range(len(ODD_NAMES))
    ]
    buckets = store.buckets(mixer, ODD_NAMES, from_ms=T0, to_ms=LATER, bucket_ms=1000)
    assert [(part.metric, part.maximum.tolist()) for part in buckets] == [
        (name, [float(at)]) for at, name in enumerate(ODD_NAMES)
    ]


def test_metrics_read_together_and_apart_stay_what_they_are(store: base.ReadingStore) -> None:
    mixer = machine_make("M01", "vibration", "temperature", "flow")
    together, half = [T0, T0 + 10, T0 + 20], [T0, T0 + 20]
    write(
        store,
        mixer,
        series(mixer, "vibration", together, [1.0, 2.0, 3.0]),
        series(mixer, "temperature", half, [4.0, 5.0]),
        series(mixer, "flow", together, [6.0, 7.0, 8.0]),
    )
    # A second metric of the same instant adds to it and takes nothing away.
    write(store, mixer, series(mixer, "temperature", [T0 + 10], [4.5]))

    assert read(store, mixer) == [(T0, 1.0), (T0 + 10, 2.0), (T0 + 20, 3.0)]
    assert read(store, mixer, "temperature") == [(T0, 4.0), (T0 + 10, 4.5), (T0 + 20, 5.0)]
    assert read(store, mixer, "flow") == [(T0, 6.0), (T0 + 10, 7.0), (T0 + 20, 8.0)]


def test_late_readings_find_their_place(store: base.ReadingStore) -> None:
    mixer = machine_make("M01", "vibration")
    write(store, mixer, series(mixer, "vibration", [T0, T0 + 2], [1.0, 3.0]))
    write(store, mixer, series(mixer, "vibration", [T0 - 7 * DAY_MS, T0 + 1], [0.5, 2.0]))

    assert read(store, mixer) == [(T0 - 7 * DAY_MS, 0.5), (T0, 1.0), (T0 + 1, 2.0), (T0 + 2, 3.0)]


def test_one_metric_s_resend_among_others_is_there_once(store: base.ReadingStore) -> None:
    mixer = machine_make("M01", "vibration", "temperature")
    times, values = list(range(T0, T0 + 1000)), [float(at) for at in range(1000)]
    for _ in range(3):
        write(store, mixer, *(series(mixer, name, times, values) for name in ("vibration", "temperature")))
    write(store, mixer, series(mixer, "vibration", [*times[500:], T0 + 1000], [*values[500:], 1000.0]))

    buckets = store.buckets(mixer, ["vibration", "temperature"], from_ms=T0, to_ms=LATER, bucket_ms=10_000)
    assert [int(part.count.sum()) for part in buckets] == [1001, 1000]
    assert len(read(store, mixer)) == 1001


def test_a_huge_batch_of_many_machines_arrives_whole(store: base.ReadingStore) -> None:
    machines = [machine_make(f"M{number:02}", "vibration", "temperature") for number in range(20)]
    t_ms = np.arange(T0, T0 + 6_000)
    parts = [
        Series(machine.key, metric, t_ms, t_ms / (at + 3.0))
        for at, machine in enumerate(machines)
        for metric in ("vibration", "temperature")
    ]
    store.write(ReadingBatch(parts), machines={machine.key: machine for machine in machines})

    for at, machine in enumerate(machines):
        found = store.raw(machine, ["temperature", "vibration"], from_ms=T0, to_ms=LATER)
        for part in found:
            np.testing.assert_array_equal(part.t_ms, t_ms)
            np.testing.assert_array_equal(part.values, t_ms / (at + 3.0))


def test_many_metrics_of_one_machine_are_read_in_the_order_asked(store: base.ReadingStore) -> None:
    names = [f"metric {number}" for number in range(45)]
    mixer = machine_make("M01", *names)
    write(store, mixer, *(series(mixer, name, [T0 + at], [float(at)]) for at, name in enumerate(names)))

    asked = names[::-1]
    found = store.buckets(mixer, asked, from_ms=T0, to_ms=LATER, bucket_ms=60_000)
    assert [(part.metric, part.mean.tolist()) for part in found] == [
        (name, [float(44 - at)]) for at, name in enumerate(asked)
    ]
    raw = store.raw(mixer, asked, from_ms=T0, to_ms=LATER, limit=5)
    assert [(part.metric, len(part)) for part in raw] == [(name, 1) for name in asked]


def test_a_retention_that_was_applied_twice_leaves_the_rest(store: base.ReadingStore) -> None:
    mixer = machine_make("M01", "vibration")
    write(store, mixer, series(mixer, "vibration", [T0 - 9 * DAY_MS, T0 - DAY_MS, T0], [1.0, 2.0, 3.0]))

    store.delete_before(T0 - DAY_MS)
    store.delete_before(T0 - DAY_MS)
    assert read(store, mixer) == [(T0 - DAY_MS, 2.0), (T0, 3.0)]
    # The same times may be written again, for instance when history is moved here.
    write(store, mixer, series(mixer, "vibration", [T0 - 9 * DAY_MS], [4.0]))
    assert read(store, mixer)[0] == (T0 - 9 * DAY_MS, 4.0)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Server]:
    """An InfluxDB of the test's own, to be killed."""
    server = influx_server(tmp_path)
    server.start()
    yield server
    server.stop()


def test_what_was_written_survives_the_server_s_death(fragile: Server, in_acme: Factory) -> None:
    store, mixer = InfluxReadingStore(InfluxServer(url=fragile.url, token="", org="")), machine_make("M01", "vibration")
    for at in range(20):
        write(store, mixer, series(mixer, "vibration", [T0 + at], [float(at)]))
    fragile.kill()
    with pytest.raises(base.StoreUnavailableError):
        read(store, mixer)
    fragile.start()

    write(store, mixer, series(mixer, "vibration", [T0 + 20], [20.0]))
    assert read(store, mixer) == [(T0 + at, float(at)) for at in range(21)]


def test_a_server_killed_in_the_middle_of_writing_loses_nothing_that_was_taken(
    fragile: Server, live_factories: Callable[..., Factory]
) -> None:
    store = InfluxReadingStore(InfluxServer(url=fragile.url, token="", org=""))
    factory = live_factories()
    with factory_context(factory):
        mixer = machine_make("M01", "vibration", "temperature")
    taken: list[int] = []
    enough = threading.Event()

    def write_on() -> None:
        with factory_context(factory):
            for at in range(0, 4_000_000, 2_000):
                t_ms = np.arange(T0 + at, T0 + at + 2_000)
                parts = [Series("M01", name, t_ms, t_ms / 7.0) for name in ("vibration", "temperature")]
                try:
                    store.write(ReadingBatch(parts), machines={"M01": mixer})
                except base.StoreUnavailableError:
                    return
                taken.append(at)
                if len(taken) > 10:
                    enough.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    assert enough.wait(timeout=60)
    fragile.kill()
    writer.join()
    fragile.start()

    with factory_context(factory):
        for part in store.raw(mixer, ["vibration", "temperature"], from_ms=T0, to_ms=LATER * 2):
            assert set(range(T0, T0 + taken[-1] + 2_000)) <= set(part.t_ms.tolist())
            assert len(set(part.t_ms.tolist())) == len(part)
        store.delete_all()
