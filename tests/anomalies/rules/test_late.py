"""What counts as late, of which rules look at an hour again: nothing that changes nothing."""

import numpy as np
import pytest

from anomalies.rules.late import LateNotes
from telemetry.readings import ReadingBatch, Series

NOW_MS = 1_795_300_000_000


@pytest.fixture
def see():
    """`see(t=[(second, value), …])` tells from which second on M01 has late readings; None when it has none."""
    notes = LateNotes()

    def look(**metrics):
        parts = [
            Series("M01", name, NOW_MS + np.array([at for at, _ in rows]) * 1000, np.array([v for _, v in rows], float))
            for name, rows in metrics.items()
        ]
        late = notes.see("acme", ReadingBatch.merged([ReadingBatch(parts)]))
        return (late["M01"] - NOW_MS) // 1000 if late else None

    return look


def test_the_last_reading_sent_again_as_it_was_is_not_late(see):
    assert see(t=[(0, 20), (1, 21)]) is None
    for _ in range(3):
        assert see(t=[(1, 21)]) is None


def test_the_last_reading_sent_again_before_a_new_one_is_not_late(see):
    see(t=[(0, 20), (1, 21)], p=[(1, 5)])
    assert see(t=[(1, 21), (2, 22)], p=[(1, 5), (2, 5)]) is None
    assert see(t=[(2, 22), (3, 23)], p=[(2, 5)]) is None


def test_a_reading_that_corrects_the_last_one_is_late_once(see):
    see(t=[(0, 20), (1, 21)])
    assert see(t=[(1, 90)]) == 1
    assert see(t=[(1, 90)]) is None
    assert see(t=[(1, 21)]) == 1


def test_what_comes_behind_the_last_reading_is_late_whatever_is_sent_again_with_it(see):
    see(t=[(10, 20)], p=[(10, 5)])
    assert see(t=[(4, 20), (10, 20)], p=[(10, 5)]) == 4
    assert see(t=[(11, 20)], p=[(7, 5)]) == 7


def test_a_metric_that_lags_is_late_and_its_repetition_is_not(see):
    see(t=[(0, 20)], p=[(0, 5)])
    see(t=[(100, 20)])
    assert see(p=[(30, 6)]) == 30
    assert see(p=[(30, 6)], t=[(101, 20)]) is None


def test_series_beyond_the_first_columns_are_told_apart():
    notes = LateNotes()

    def batch(first, count, t_ms):
        parts = [Series("M01", f"m{at}", np.array([t_ms]), np.array([float(at)])) for at in range(first, first + count)]
        return ReadingBatch.merged([ReadingBatch(parts)])

    assert notes.see("acme", batch(0, 50, NOW_MS)) == {}
    assert notes.see("acme", batch(50, 500, NOW_MS)) == {}
    assert notes.see("acme", batch(0, 550, NOW_MS)) == {}
    assert notes.see("acme", batch(549, 1, NOW_MS - 1)) == {"M01": NOW_MS - 1}


def test_factories_have_nothing_to_do_with_one_another():
    notes = LateNotes()
    parts = [Series("M01", "t", np.array([NOW_MS]), np.array([20.0]))]
    assert notes.see("acme", ReadingBatch(parts)) == {}
    older = [Series("M01", "t", np.array([NOW_MS - 5]), np.array([20.0]))]
    assert notes.see("dairy", ReadingBatch(older)) == {}
