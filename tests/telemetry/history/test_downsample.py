"""Buckets and thinning keep what an eye would miss."""

import json
from pathlib import Path

import numpy as np
import pytest

from telemetry.history.downsample import WIDTHS_MS, bucket_count, bucket_width, regroup, thinned

DAY = 86_400_000
# What browsers choose by the same table: tests/js/timeline.test.js.
WIDTHS = json.loads((Path(__file__).parents[2] / "js" / "widths.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("from_ms", "to_ms", "points", "width"), WIDTHS)
def test_browsers_choose_the_same_width(from_ms: int, to_ms: int, points: int, width: int) -> None:
    assert bucket_width(from_ms=from_ms, to_ms=to_ms, points=points) == width


@pytest.mark.parametrize("points", [2, 3, 10, 999, 1000, 10_000])
@pytest.mark.parametrize("length", [1, 999, 60_000, DAY, 400 * DAY])
@pytest.mark.parametrize("from_ms", [0, 1, 1_790_000_000_123])
def test_a_window_never_touches_more_buckets_than_points_asked_for(points: int, length: int, from_ms: int) -> None:
    width = bucket_width(from_ms=from_ms, to_ms=from_ms + length, points=points)
    assert bucket_count(from_ms=from_ms, to_ms=from_ms + length, width=width) <= points


def test_no_narrower_readable_width_would_do() -> None:
    width = bucket_width(from_ms=0, to_ms=DAY, points=1000)
    narrower = WIDTHS_MS[WIDTHS_MS.index(width) - 1]
    assert bucket_count(from_ms=0, to_ms=DAY, width=narrower) > 1000


@pytest.mark.parametrize(("from_ms", "to_ms", "points"), [(5, 5, 10), (6, 5, 10), (0, 10, 1)])
def test_a_window_without_length_or_points_is_refused(from_ms: int, to_ms: int, points: int) -> None:
    with pytest.raises(ValueError, match="points"):
        bucket_width(from_ms=from_ms, to_ms=to_ms, points=points)


def test_regrouping_equals_statistics_of_the_readings_themselves() -> None:
    rng = np.random.default_rng(3)
    t_ms = np.sort(rng.integers(0, 1000, 500))
    values = rng.normal(size=500)
    starts = np.unique(t_ms // 10 * 10)
    groups = [values[t_ms // 10 * 10 == start] for start in starts]
    spans = regroup(
        np.array([0, 250, 260, 990]),
        t_ms=starts,
        minimum=np.array([g.min() for g in groups]),
        maximum=np.array([g.max() for g in groups]),
        mean=np.array([g.mean() for g in groups]),
        count=np.array([len(g) for g in groups]),
    )
    for index, (start, end) in enumerate([(0, 250), (250, 260), (260, 990)]):
        inside = values[(t_ms >= start) & (t_ms < end)]
        assert spans.count[index] == len(inside)
        assert spans.minimum[index] == inside.min()
        assert spans.maximum[index] == inside.max()
        assert spans.mean[index] == pytest.approx(inside.mean(), rel=1e-12)


def test_a_span_without_readings_says_so() -> None:
    one = np.array([5])
    value = np.array([1.0])
    spans = regroup(np.array([0, 10, 20]), t_ms=one, minimum=value, maximum=value, mean=value, count=np.array([3]))
    assert spans.count.tolist() == [3, 0]
    assert np.isnan([spans.minimum[1], spans.maximum[1], spans.mean[1]]).all()


def test_thinning_keeps_every_column_s_spike_and_both_ends() -> None:
    columns = np.zeros((10_000, 2))
    columns[1234, 0], columns[7777, 1] = 99.0, -99.0
    kept = thinned(np.arange(10_000), columns, rows=400)
    assert {0, 1234, 7777, 9999} <= set(kept.tolist())
    assert len(kept) <= 402
    assert (np.diff(kept) > 0).all()


def test_thinning_does_not_take_a_gap_for_an_extreme() -> None:
    columns = np.full((1000, 1), np.nan)
    columns[500, 0], columns[501, 0] = 1.0, 2.0
    assert {500, 501} <= set(thinned(np.arange(1000), columns, rows=10).tolist())


def test_a_fast_column_does_not_thin_out_a_slow_one() -> None:
    # 300 s of one reading a second, of which the last minute also has a block of 100 Hz beside it.
    t_ms = np.unique(np.concatenate([np.arange(0, 300_000, 1000), np.arange(240_000, 300_000, 10)]))
    columns = np.full((len(t_ms), 2), np.nan)
    columns[t_ms % 1000 == 0, 0] = 1.0
    columns[t_ms >= 240_000, 1] = np.random.default_rng(1).normal(size=int((t_ms >= 240_000).sum()))
    kept = thinned(t_ms, columns, rows=1_000)
    assert set(np.flatnonzero(t_ms % 1000 == 0).tolist()) <= set(kept.tolist())
    assert len(kept) <= 1_002


def test_what_is_short_enough_is_not_thinned() -> None:
    assert thinned(np.arange(5), np.zeros((5, 3)), rows=5).tolist() == [0, 1, 2, 3, 4]
