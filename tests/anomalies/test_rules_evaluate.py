import numpy as np
import pytest

from anomalies.rules.evaluate import Limit, LimitState, Side, limit_evaluate

HOT = Limit(Side.ABOVE, value=80.0, clear=75.0, for_ms=3_000)
NEVER = LimitState(to_ms=-1)


def at(*values: float, step_ms: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(values), dtype=np.int64) * step_ms, np.array(values)


def told(crossings):
    return [(c.fired, c.t_ms // 1000, c.since_ms // 1000, c.worst) for c in crossings]


def test_a_limit_fires_only_after_its_duration():
    _, found = limit_evaluate(HOT, NEVER, *at(70, 81, 82, 83, 70, 70))
    assert found == []
    state, found = limit_evaluate(HOT, NEVER, *at(70, 81, 82, 83, 84, 85))
    assert told(found) == [(True, 4, 1, 84.0)]
    assert state.active
    assert state.worst == 85.0


def test_it_clears_at_its_own_value_and_not_at_the_limit():
    _, found = limit_evaluate(HOT, NEVER, *at(81, 81, 81, 81, 79, 76, 81, 75.0, 70))
    assert told(found) == [(True, 3, 0, 81.0), (False, 7, 0, 81.0)]


def test_without_a_duration_the_first_reading_fires():
    limit = Limit(Side.BELOW, value=2.0, clear=2.0, for_ms=0)
    _, found = limit_evaluate(limit, NEVER, *at(3, 1.5, 2.5, 1.0))
    assert told(found) == [(True, 1, 1, 1.5), (False, 2, 1, 1.5), (True, 3, 3, 1.0)]


def test_a_gap_proves_nothing_about_the_time_in_it():
    t_ms = np.array([0, 1000, 200_000, 201_000])
    state, found = limit_evaluate(HOT, NEVER, t_ms, np.full(4, 90.0))
    assert found == []
    assert state.since_ms == 200_000


def test_an_active_limit_stays_over_a_gap():
    state, _ = limit_evaluate(HOT, NEVER, *at(90, 90, 90, 90))
    state, found = limit_evaluate(HOT, state, np.array([900_000]), np.array([91.0]))
    assert found == []
    assert state.active


def test_late_and_repeated_readings_are_not_counted_twice():
    state, found = limit_evaluate(HOT, NEVER, *at(90, 90, 90, 90, 90))
    again, more = limit_evaluate(HOT, state, *at(70, 70, 90, 90, 90))
    assert len(found) == 1
    assert (again, more) == (state, [])


@pytest.mark.parametrize("seed", range(8))
def test_batches_cut_anywhere_give_the_same_crossings(seed):
    noise = np.random.default_rng(seed)
    t_ms = np.cumsum(noise.integers(200, 3000, 400)).astype(np.int64)
    t_ms[200:] += 90_000
    values = 78.0 + 6.0 * np.sin(np.arange(400) / 25.0) + noise.normal(0, 1.0, 400)
    whole, expected = limit_evaluate(HOT, NEVER, t_ms, values)
    assert expected, "the walk should cross the limit"
    state, found = NEVER, []
    cuts = np.sort(noise.integers(0, 400, 12))
    for part in np.split(np.arange(400), cuts):
        state, more = limit_evaluate(HOT, LimitState.from_json(state.to_json()), t_ms[part], values[part])
        found += more
    assert found == expected
    assert state == whole
