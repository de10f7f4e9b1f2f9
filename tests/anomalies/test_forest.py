import io

import numpy as np
import pytest

from anomalies.detection.forest import Forest, forest_fit, forest_score


def rows(count: int, columns: int = 7, *, seed: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed)
    values = noise.normal(size=(count, columns))
    values[:, 1] = np.round(values[:, 1])  # ties, which a 64-bit comparison would send the other way
    values[:, 2] *= 1e-7
    values[:, 3] = values[:, 3] * 1e6 + 1e8
    return values


@pytest.mark.parametrize("count", [2, 3, 100, 256, 3000])
def test_our_walk_equals_scikit_learn_to_1e_12(count):
    forest, trained = forest_fit(rows(count), seed=11)
    asked = np.vstack([rows(count), rows(500, seed=4) * 3.0, np.zeros((1, 7)), np.full((1, 7), 1e30)])
    theirs = -trained.score_samples(asked)
    assert np.abs(forest_score(forest, asked) - theirs).max() <= 1e-12


def test_one_row_scores_as_it_does_among_many():
    forest, _ = forest_fit(rows(1000), seed=1)
    asked = rows(50, seed=9)
    together = forest_score(forest, asked)
    assert [float(forest_score(forest, row[None])[0]) for row in asked] == together.tolist()


def test_the_same_seed_gives_the_same_forest():
    first, second = (forest_fit(rows(500), seed=5)[0] for _ in range(2))
    other, _ = forest_fit(rows(500), seed=6)
    assert all(np.array_equal(a, second.to_arrays()[name]) for name, a in first.to_arrays().items())
    assert not np.array_equal(first.limit, other.limit)


def test_a_forest_survives_an_npz_without_pickle():
    forest, _ = forest_fit(rows(500), seed=5)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **forest.to_arrays())
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as stored:
        again = Forest.from_arrays(dict(stored))
    asked = rows(100, seed=8)
    assert forest_score(again, asked).tolist() == forest_score(forest, asked).tolist()


def test_arrays_that_point_outside_are_refused():
    forest, _ = forest_fit(rows(100), seed=5)
    arrays = forest.to_arrays()
    arrays["left"] = arrays["left"] + 1_000_000
    with pytest.raises(ValueError, match="outside"):
        Forest.from_arrays(arrays)
