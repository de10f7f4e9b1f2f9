"""Lines for the eye keep what an eye would see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.history.lttb import lttb


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=300), st.integers(3, 50))
def test_never_more_points_than_asked_for_and_always_both_ends(values: list[float], points: int) -> None:
    chosen = lttb(np.arange(len(values)) * 10, np.array(values), points=points)
    assert len(chosen) == min(len(values), points)
    assert (np.diff(chosen) > 0).all()
    if values:
        assert (chosen[0], chosen[-1]) == (0, len(values) - 1)


def test_a_spike_among_a_million_readings_is_kept() -> None:
    values = np.random.default_rng(1).normal(size=1_000_000)
    values[123_456], values[777_777] = 50.0, -50.0
    chosen = set(lttb(np.arange(1_000_000), values, points=500).tolist())
    assert {123_456, 777_777} <= chosen


def test_corners_of_a_line_are_chosen_before_its_straights() -> None:
    t_ms = np.arange(400)
    values = np.abs(t_ms - 200).astype(float)
    assert 200 in lttb(t_ms, values, points=5).tolist()


def test_readings_in_one_stretch_after_a_long_gap_are_kept() -> None:
    t_ms = np.concatenate([np.arange(10), 10_000_000 + np.arange(1000)])
    chosen = lttb(t_ms, np.random.default_rng(2).normal(size=1010), points=20)
    assert len(chosen) == 20


def test_a_line_of_two_points_can_t_show_a_turn() -> None:
    with pytest.raises(ValueError, match="3 points"):
        lttb(np.arange(9), np.zeros(9), points=2)
