"""The ingest benchmark's checker finds every fault a store may have, in all metrics of a message."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.journey.checking import stored_check
from benchmarks.journey.load import FIRST_VALUE, SHAPES, Load
from benchmarks.ledger import Ledger

LOAD = replace(Load(SHAPES["metrics10"], 2_000.0, 1.0, machines=10, connections=2), start_ms=1_790_000_000_000.0)


class Holding:
    """A store with everything the load sends, until a test takes or changes something."""

    def __init__(self):
        numbers = np.arange(LOAD.messages)
        connection, index = np.divmod(numbers, LOAD.messages_per_connection)
        machine = index % 5 * 2 + connection
        self.series = {}
        for at, name in enumerate(LOAD.machine_names()):
            mine = numbers[machine == at]
            for metric in LOAD.series_names():
                self.series[name, metric] = (LOAD.times_ms(mine), FIRST_VALUE + mine.astype(float))

    def stored(self, machine, metrics, *, from_ms, to_ms):
        found = [self.series[machine, metric] for metric in metrics]
        return [(t[(t >= from_ms) & (t < to_ms)], v[(t >= from_ms) & (t < to_ms)]) for t, v in found]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "acks") as ledger:
        ledger.acknowledged(0, LOAD.messages)
    return tmp_path / "acks"


def test_a_store_that_holds_everything_once_is_clean(ledger):
    checked = stored_check(LOAD, Holding(), ledger)
    assert checked.clean
    assert checked.acknowledged == checked.stored == LOAD.readings


@pytest.mark.parametrize(("metric", "fault"), [("count", "lost"), ("level", "unlike")])
def test_one_missing_reading_of_any_metric_is_found(ledger, metric, fault):
    store = Holding()
    times, values = store.series["M0003", metric]
    store.series["M0003", metric] = (times[1:], values[1:])
    checked = stored_check(LOAD, store, ledger)
    assert not checked.clean
    assert getattr(checked, fault) >= 1


def test_a_reading_stored_twice_is_found(ledger):
    store = Holding()
    times, values = store.series["M0003", "count"]
    store.series["M0003", "count"] = (np.append(times, times[-1:]), np.append(values, values[-1:]))
    assert stored_check(LOAD, store, ledger).doubled == 1


def test_a_reading_with_another_value_is_found(ledger):
    store = Holding()
    store.series["M0003", "count"][1][0] += 0.5
    assert not stored_check(LOAD, store, ledger).clean
