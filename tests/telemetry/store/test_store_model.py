"""Any interleaving of writes, compactions and retention reads as a dictionary of the last values would."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import compaction, hour_format
from telemetry.store.compaction import compact
from telemetry.store.hour_format import HOUR_MS, MINUTE_MS
from telemetry.store.postgres import PostgresReadingStore
from tenants.models import Factory

T0 = 497_000 * HOUR_MS
NAMES = ("vibration", "temperature")
Model = dict[tuple[str, int], float]

# Few instants around the borders of hours and minutes, so that they often meet.
instants = st.builds(
    lambda hour, minute, ms: T0 + hour * HOUR_MS + minute * MINUTE_MS + ms,
    st.integers(0, 2),
    st.sampled_from([0, 1, 30, 59]),
    st.sampled_from([0, 1, 500, 59_999]),
)
values = st.floats(-1e6, 1e6)
parts = st.tuples(st.sampled_from(NAMES), st.lists(st.tuples(instants, values), min_size=1, max_size=12))
steps = st.one_of(
    st.tuples(st.just("write"), st.lists(parts, min_size=1, max_size=3)),
    st.tuples(st.just("compact"), instants),
    st.tuples(st.just("delete_before"), st.integers(T0, T0 + HOUR_MS)),
)
widths = st.sampled_from([1, 7_000, MINUTE_MS, 2 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS, 24 * HOUR_MS])
machines = count()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Borders that a short test reaches."""
    monkeypatch.setattr(compaction, "_RUNS_TO_MERGE", 2)
    monkeypatch.setattr(compaction, "_READINGS_PER_STEP", 20)
    monkeypatch.setattr(hour_format, "_MINUTES_FROM", 4)
    return


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    script=st.lists(steps, min_size=1, max_size=12),
    begin=instants,
    length=st.integers(1, 3 * HOUR_MS),
    width=widths,
    limit=st.integers(1, 20),
)
def test_the_store_reads_as_a_dictionary_would(
    in_acme: Factory, small: None, script: list[Any], begin: int, length: int, width: int, limit: int
) -> None:
    machine = Machine.objects.create(key=f"M{next(machines)}")
    Metric.objects.bulk_create([Metric(machine=machine, name=name) for name in NAMES])
    store, model = PostgresReadingStore(), Model()
    act: dict[str, Callable[[Any], Any]] = {
        "write": lambda written: _write(store, machine, model, written),
        "compact": lambda closed_ms: compact(closed_ms=closed_ms),
        "delete_before": lambda before_ms: _delete_before(store, model, before_ms),
    }
    for name, argument in script:
        act[name](argument)

    end = begin + length
    raw = store.raw(machine, NAMES, from_ms=begin, to_ms=end)
    newest = store.raw(machine, NAMES, from_ms=begin, to_ms=end, limit=limit)
    found = store.buckets(machine, NAMES, from_ms=begin, to_ms=end, bucket_ms=width)
    for name, all_of, last_of, gathered in zip(NAMES, raw, newest, found, strict=True):
        expected = sorted((t_ms, value) for (of, t_ms), value in model.items() if of == name and begin <= t_ms < end)
        assert list(zip(all_of.t_ms.tolist(), all_of.values.tolist(), strict=True)) == expected
        assert list(zip(last_of.t_ms.tolist(), last_of.values.tolist(), strict=True)) == expected[-limit:]
        _assert_buckets(gathered, expected, width)


def _write(store: PostgresReadingStore, machine: Machine, model: Model, written: Any) -> None:
    batch = ReadingBatch(
        [
            Series(machine.key, name, np.array([t for t, _ in part], np.int64), np.array([v for _, v in part]))
            for name, part in written
        ]
    )
    store.write(batch, machines={machine.key: machine})
    model.update({(name, t_ms): value for name, part in written for t_ms, value in part})


def _delete_before(store: PostgresReadingStore, model: Model, before_ms: int) -> None:
    store.delete_before(before_ms)
    for key in [key for key in model if key[1] < before_ms]:
        del model[key]


def _assert_buckets(found: Any, expected: list[tuple[int, float]], width: int) -> None:
    groups: dict[int, list[float]] = {}
    for t_ms, value in expected:
        groups.setdefault(t_ms // width * width, []).append(value)
    assert found.t_ms.tolist() == list(groups)
    assert found.count.tolist() == [len(group) for group in groups.values()]
    assert found.minimum.tolist() == [min(group) for group in groups.values()]
    assert found.maximum.tolist() == [max(group) for group in groups.values()]
    np.testing.assert_allclose(found.mean, [sum(group) / len(group) for group in groups.values()], rtol=1e-9, atol=1e-9)
