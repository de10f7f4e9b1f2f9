import numpy as np
import pytest

from anomalies.detection.calibrate import Change, Evidence, accumulate, block_maxima, episodes, rare_level


def test_the_level_is_passed_by_chance_less_than_once_in_a_day():
    for seed in range(5):
        noise = np.random.default_rng(seed)
        level = rare_level(np.abs(noise.normal(size=1200)), at_least=1.0)
        assert np.abs(noise.normal(size=86_400)).max() < level * 1.05


def test_few_blocks_are_trusted_less_than_many():
    values = np.abs(np.random.default_rng(1).normal(size=60_000))
    assert np.median([rare_level(values[at : at + 400], at_least=0.0) for at in range(0, 50_000, 400)]) > rare_level(
        values, at_least=0.0
    )


def test_the_level_never_lies_under_what_was_seen():
    values = np.concatenate([np.zeros(6000), [9.0], np.zeros(59)])
    assert rare_level(values, at_least=1.0) > 9.0


def test_blocks_that_are_mostly_gaps_are_left_out():
    values = np.full(180, np.nan)
    values[60:120] = 2.0
    assert block_maxima(values, 60).tolist() == [2.0]


def test_a_short_excursion_is_no_anomaly_and_a_lasting_one_is():
    t_ms = np.arange(400, dtype=np.int64) * 1000
    score = np.full(400, 0.4)
    score[50:56] = 9.0
    assert episodes(t_ms, score) == []
    score[100:200] = 2.0
    assert episodes(t_ms, score) == [(100_000, 259_000, 2.0)]


def test_the_further_out_the_sooner_it_is_told():
    t_ms = np.arange(300, dtype=np.int64) * 1000
    began = [accumulate(Evidence(), t_ms, np.full(300, level))[1][0].t_ms for level in (9.0, 2.0, 1.2)]
    assert began == [7_000, 15_000, pytest.approx(80_000, abs=1_000)]


def test_an_anomaly_that_still_lasts_ends_with_the_window():
    t_ms = np.arange(100, dtype=np.int64) * 1000
    assert episodes(t_ms, np.full(100, 3.0)) == [(0, 99_000, 3.0)]


@pytest.mark.parametrize("cut", [1, 57, 110, 199])
def test_splitting_the_stream_anywhere_gives_the_same_decisions(cut):
    noise = np.random.default_rng(4)
    t_ms = np.arange(400, dtype=np.int64) * 1000
    score = noise.gamma(2.0, 0.3, 400)
    score[100:180] += 1.5
    score[30:40] = np.nan
    whole, decisions = accumulate(Evidence(), t_ms, score)
    first, early = accumulate(Evidence(), t_ms[:cut], score[:cut])
    kept = Evidence.from_json(first.to_json())
    second, late = accumulate(kept, t_ms[cut:], score[cut:])
    assert early + late == decisions
    assert second == whole
    assert [d.change for d in decisions][:1] == [Change.BEGAN]


def test_a_gap_neither_accuses_nor_acquits():
    t_ms = np.arange(100, dtype=np.int64) * 1000
    accused, _ = accumulate(Evidence(), t_ms, np.full(100, 3.0))
    after, decisions = accumulate(accused, t_ms + 100_000, np.full(100, np.nan))
    assert after == accused
    assert decisions == []
