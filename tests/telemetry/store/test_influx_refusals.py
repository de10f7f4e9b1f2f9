"""What a real InfluxDB refuses for good is buried alone; everything else is stored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import urllib3

from telemetry.ingest.drain import Drain
from telemetry.ingest.journal import Journal
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store.influx import InfluxReadingStore
from telemetry.store.influx_answers import ReadingsRefusedError, WriteVerdict, write_verdict
from telemetry.store.influx_server import InfluxServer
from tenants.models import Factory

NOW = 1_795_255_200_000


@pytest.fixture
def store(influx_url: str, in_acme: Factory) -> Iterator[InfluxReadingStore]:
    """A store in which somebody else has written text where our metric `poison` belongs."""
    store = InfluxReadingStore(InfluxServer(url=influx_url, token="", org=""))
    store.write(batch("M01", "vibration", [NOW]), machines={})
    line = f'readings,machine=M01 poison="text" {NOW - 1}'.encode()
    answer = urllib3.request(
        "POST", f"{influx_url}/write?db=factorypulse_{in_acme.schema_name}&precision=ms", body=line
    )
    assert answer.status == 204
    yield store
    store.delete_all()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def batch(machine: str, metric: str, times: list[int]) -> ReadingBatch:
    t_ms = np.array(times, np.int64)
    return ReadingBatch([Series(machine, metric, t_ms, (t_ms % 1000).astype(np.float64))])


def test_a_type_conflict_is_refused_for_good_and_the_rest_is_stored(store: InfluxReadingStore) -> None:
    mixer = Machine.objects.create(key="M01")
    Metric.objects.bulk_create([Metric(machine=mixer, name=name) for name in ("vibration", "poison")])
    mixed = ReadingBatch([*batch("M01", "vibration", [NOW + 1]), *batch("M01", "poison", [NOW + 2])])

    with pytest.raises(ReadingsRefusedError, match="field type conflict"):
        store.write(mixed, machines={"M01": mixer})

    found = store.raw(mixer, ["vibration"], from_ms=NOW, to_ms=NOW + 10)[0]
    assert found.t_ms.tolist() == [NOW, NOW + 1]


def test_the_drain_buries_the_row_that_can_t_be_stored_alone(store: InfluxReadingStore, journal: Journal) -> None:
    rows = [
        journal.append("acme", readings.to_bytes(), len(readings)).result(timeout=10)
        for readings in (
            batch("M01", "vibration", [NOW + 1]),
            batch("M01", "poison", [NOW + 2]),
            batch("M01", "vibration", [NOW + 3]),
        )
    ]

    Drain(journal, store=store).drain_once("acme")

    mixer = Machine.objects.get(key="M01")
    found = store.raw(mixer, ["vibration"], from_ms=NOW, to_ms=NOW + 10)[0]
    assert found.t_ms.tolist() == [NOW, NOW + 1, NOW + 3]
    assert journal.factories() == []
    assert len(journal.dead_letters()) == 1
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (204, "", WriteVerdict.STORED),
        (404, '{"code":"not found","message":"bucket \\"x\\" not found"}', WriteVerdict.DATABASE_MISSING),
        (400, '{"error":"partial write: points beyond retention policy dropped=1"}', WriteVerdict.STORED),
        (422, '{"message":"partial write: points beyond retention policy dropped=1"}', WriteVerdict.STORED),
        (400, '{"error":"partial write: field type conflict: input field"}', WriteVerdict.REFUSED),
        (422, '{"message":"partial write: field type conflict: input field"}', WriteVerdict.REFUSED),
        (400, '{"error":"partial write of line protocol occurred","data":[]}', WriteVerdict.REFUSED),
        (400, '{"error":"unable to parse \'x\': missing fields"}', WriteVerdict.REFUSED),
        (400, '{"error":"partial write: max-values-per-tag limit exceeded (1/1)"}', WriteVerdict.AWAY),
        (413, "", WriteVerdict.TOO_LARGE),
        (429, "", WriteVerdict.NOT_NOW),
        (503, "", WriteVerdict.NOT_NOW),
        (500, '{"error":"timeout"}', WriteVerdict.NOT_NOW),
        (401, '{"code":"unauthorized"}', WriteVerdict.AWAY),
        (403, "", WriteVerdict.AWAY),
        (400, "words that nobody knows", WriteVerdict.AWAY),
    ],
)
def test_answers_mean_the_same_in_every_version(status: int, body: str, verdict: WriteVerdict) -> None:
    assert write_verdict(status, body) is verdict
