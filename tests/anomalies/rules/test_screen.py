"""The sieve before the rules: whatever a plain condition fires at is let through, at that very reading, and once."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.rules.engine import evaluate, state_new
from anomalies.rules.screen import Hit, Screen
from telemetry.readings import ReadingBatch, Series
from tests.anomalies.rules.test_engine import BEGIN_MS, program, series

HIGH = {"metric": "t", "op": "above", "value": 80, "clear": 75}


def screen(*whens, machine="M01", before=None):
    return Screen([(number, machine, program(when)) for number, when in enumerate(whens)], before)


def look(made, *parts):
    return [(hit.concerns, (hit.t_ms - BEGIN_MS) / 1000) for hit in made.look([ReadingBatch(parts)])]


def test_what_goes_beyond_a_limit_is_let_through_once():
    made = screen(HIGH)
    assert look(made, series("t", [70, 81, 82])) == [("M01", 1)]
    assert look(made, series("t", [83, 84], start_s=3)) == []
    assert look(made, series("t", [74, 90], start_s=5)) == [("M01", 6)]


def test_a_duration_is_counted_over_batches():
    made = screen({**HIGH, "for_s": 3})
    assert [look(made, series("t", [85], start_s=second)) for second in range(5)] == [[], [], [], [("M01", 3)], []]


def test_one_reading_turns_the_conditions_of_all_rules_that_ask_for_it():
    made = screen(HIGH, {**HIGH, "value": 90}, {"metric": "v", "op": "below", "value": 1})
    found = made.look([ReadingBatch([series("t", [70, 95]), series("other", [5, 5]), series("v", [5, 5])])])
    assert found == [Hit("M01", BEGIN_MS + 1000, "M01")] * 2


def test_a_condition_on_another_machine_concerns_the_rules_own():
    made = screen({**HIGH, "machine": "M02"})
    assert look(made, series("t", [95])) == []
    assert made.look([ReadingBatch([series("t", [95], machine="M02")])]) == [Hit("M02", BEGIN_MS, "M01")]


def test_changes_differences_and_silence_are_left_to_the_ordinary_run():
    made = screen(
        {"metric": "t", "op": "rises", "value": 1, "over_s": 10},
        {"metric": "t", "op": "above", "value": 1, "minus": {"metric": "v"}},
        {"metric": "t", "op": "no_data", "for_s": 60},
    )
    assert len(made) == 0


def test_what_is_wrong_already_stays_known_when_another_rule_is_edited():
    before = screen(HIGH)
    assert look(before, series("t", [81])) == [("M01", 0)]
    after = screen(HIGH, {**HIGH, "value": 90}, before=before)
    assert look(after, series("t", [85], start_s=1)) == []
    assert look(after, series("t", [95], start_s=2)) == [("M01", 2)]


def test_readings_that_come_late_or_twice_turn_nothing():
    made = screen(HIGH)
    assert look(made, series("t", [(10, 70)])) == []
    assert look(made, series("t", [(5, 95), (10, 95)])) == []
    twice = Series("M01", "t", np.array([BEGIN_MS + 11_000] * 2), np.array([95.0, 70.0]))
    assert look(made, twice) == []


VALUES = st.lists(st.sampled_from([60.0, 72.0, 78.0, 81.0, 95.0]), min_size=1, max_size=40)
CONDITIONS = st.sampled_from(
    [
        HIGH,
        {**HIGH, "for_s": 2},
        {"metric": "t", "op": "below", "value": 70, "for_s": 1},
        {"metric": "t", "op": "outside", "value": [70, 80]},
        {"metric": "t", "op": "inside", "value": [70, 80], "for_s": 3},
        {"metric": "t", "op": "stuck", "for_s": 2},
    ]
)


@settings(max_examples=200, deadline=None)
@given(values=VALUES, when=CONDITIONS, cuts=st.sets(st.integers(1, 39)))
def test_whatever_a_condition_fires_at_is_let_through(values, when, cuts):
    whole = series("t", values)
    made, rule = screen(when), program(when)
    [crossings] = evaluate(
        [rule], [state_new(rule, from_ms=BEGIN_MS)], {("M01", "t"): whole}, now_ms=int(whole.t_ms[-1])
    )
    places = [0, *sorted(cut for cut in cuts if cut < len(values)), len(values)]
    parts = [Series("M01", "t", whole.t_ms[start:end], whole.values[start:end]) for start, end in pairwise(places)]
    hits = [hit.t_ms for part in parts for hit in made.look([ReadingBatch([part])])]
    assert [crossing.t_ms for crossing in crossings if crossing.fired] == hits
