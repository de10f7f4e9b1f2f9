"""The rules' core: what fires and returns over event time, whichever way readings are cut and whenever they arrive."""

from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.rules.again import news_of, state_before
from anomalies.rules.engine import PairState, evaluate, state_new
from anomalies.rules.program import program_of
from anomalies.rules.validation import rule_parse
from telemetry.readings import Series

BEGIN_MS = 1_795_255_200_000
UTC = ZoneInfo("UTC")


def program(when, zone=UTC, **more):
    if "metric" in when:
        when = {"all": [when]}
    made = program_of(rule_parse({"name": "r", "machines": ["M01"], "when": when, **more}), "M01", zone)
    assert made is not None
    return made


def series(metric, values, *, step_ms=1000, start_s=0, machine="M01"):
    """Readings every `step_ms`, or (second, value) pairs."""
    if values and isinstance(values[0], tuple):
        t_ms = np.array([round(second * 1000) for second, _value in values], np.int64)
        numbers = np.array([value for _second, value in values], np.float64)
    else:
        t_ms = np.arange(len(values), dtype=np.int64) * step_ms + start_s * 1000
        numbers = np.array(values, np.float64)
    return Series(machine, metric, t_ms + BEGIN_MS, numbers)


def run(made, *parts, state=None, now_s=None):
    found, state = carried(made, *parts, state=state, now_s=now_s)
    return told(found), state


def carried(made, *parts, state=None, now_s=None):
    state = state or state_new(made, from_ms=BEGIN_MS)
    newest = max((int(part.t_ms[-1]) for part in parts if len(part)), default=BEGIN_MS)
    now_ms = newest if now_s is None else BEGIN_MS + now_s * 1000
    [found] = evaluate([made], [state], {(part.machine, part.metric): part for part in parts}, now_ms=now_ms)
    return found, state


def told(crossings):
    return [("fires" if c.fired else "returns", (c.t_ms - BEGIN_MS) / 1000) for c in crossings]


HOT = {"metric": "t", "op": "above", "value": 80, "for_s": 3, "clear": 75}


def test_a_limit_fires_only_after_its_duration():
    assert run(program(HOT), series("t", [70, 81, 82, 83, 70, 70]))[0] == []
    found, state = run(program(HOT), series("t", [70, 81, 82, 83, 84, 85]))
    assert found == [("fires", 4)]
    assert state.leaves[0].worst == 85.0


def test_it_clears_at_its_own_value_and_not_at_the_limit():
    found, _ = run(program(HOT), series("t", [81, 81, 81, 81, 79, 76, 81, 75.0, 70]))
    assert found == [("fires", 3), ("returns", 7)]


def test_what_it_saw_is_told_with_it():
    state = state_new(program(HOT), from_ms=BEGIN_MS)
    part = series("t", [81, 90, 84, 83])
    [[crossing]] = evaluate([program(HOT)], [state], {("M01", "t"): part}, now_ms=BEGIN_MS)
    assert (crossing.since_ms, crossing.parts[0].worst) == (BEGIN_MS, 90.0)


@pytest.mark.parametrize(
    ("when", "values", "expected"),
    [
        ({"op": "below", "value": 2}, [3, 2, 1.5, 2.5, 1.0], [("fires", 2), ("returns", 3), ("fires", 4)]),
        ({"op": "at_least", "value": 2}, [1.9, 2, 1.9], [("fires", 1), ("returns", 2)]),
        ({"op": "at_most", "value": 2}, [2.1, 2, 2.1], [("fires", 1), ("returns", 2)]),
        ({"op": "equals", "value": 2}, [2.1, 2, 2.1], [("fires", 1), ("returns", 2)]),
        ({"op": "not_equals", "value": 2}, [2, 3, 2], [("fires", 1), ("returns", 2)]),
        ({"op": "inside", "value": [2, 4]}, [1, 2, 4, 5], [("fires", 1), ("returns", 3)]),
        ({"op": "inside", "value": [2, 4], "clear": [1, 5]}, [2, 4.5, 5, 6], [("fires", 0), ("returns", 3)]),
        ({"op": "outside", "value": [2, 4]}, [2, 4.1, 4, 1], [("fires", 1), ("returns", 2), ("fires", 3)]),
        ({"op": "outside", "value": [2, 4], "clear": [2.5, 3.5]}, [5, 4, 3.6, 3.5], [("fires", 0), ("returns", 3)]),
        ({"op": "state", "value": ["Held", 9]}, [6, 11, 9, 6], [("fires", 1), ("returns", 3)]),
        ({"op": "not_state", "value": "execute"}, [6, 70, 6.5, 6], [("fires", 1), ("returns", 3)]),
        ({"op": "stuck", "for_s": 3}, [1, 2, 2, 2, 2, 2, 3], [("fires", 4), ("returns", 6)]),
        ({"op": "rises", "value": 5, "over_s": 4}, [0, 0, 0, 0, 0, 3, 6, 6, 6, 6, 6], [("fires", 6), ("returns", 9)]),
        ({"op": "falls", "value": 5, "over_s": 4}, [9, 9, 9, 9, 3, 3, 3, 3, 3], [("fires", 4), ("returns", 8)]),
    ],
)
def test_each_kind_of_condition(when, values, expected):
    assert run(program({"metric": "t", **when}), series("t", values))[0] == expected


def test_no_data_is_told_when_its_time_has_passed_and_over_with_the_next_reading():
    made = program({"metric": "t", "op": "no_data", "for_s": 30})
    found, state = run(made, series("t", [1, 1]), now_s=20)
    assert found == []
    found, state = run(made, state=state, now_s=40)
    assert found == [("fires", 31)]
    found, state = run(made, series("t", [(60, 1), (61, 1)]), state=state, now_s=62)
    assert found == [("returns", 60)]
    # One that had passed before anybody looked.
    found, state = run(made, series("t", [(200, 1)]), state=state, now_s=201)
    assert found == [("fires", 91), ("returns", 200)]


def test_a_difference_is_taken_between_readings_of_the_same_time():
    made = program({"metric": "a", "op": "above", "value": 10, "minus": {"metric": "b"}})
    found, state = run(made, series("a", [20, 20, 40, 40]), series("b", [15, 15]))
    assert found == [], "the other metric has not reported as far"
    found, state = run(made, series("a", [20, 20, 40, 40]), series("b", [15, 15, 15, 35]), state=state)
    assert found == [("fires", 2), ("returns", 3)]


def test_a_difference_may_be_to_another_machine():
    made = program({"metric": "a", "op": "above", "value": 10, "minus": {"metric": "a", "machine": "M02"}})
    found, _ = run(made, series("a", [20, 30]), series("a", [15, 15], machine="M02"))
    assert found == [("fires", 1)]


BOTH = {"all": [{"metric": "a", "op": "above", "value": 1}, {"metric": "b", "op": "above", "value": 1}]}
EITHER = {"any": BOTH["all"]}


def test_all_and_any():
    a, b = series("a", [0, 2, 2, 0, 0]), series("b", [0, 0, 2, 2, 0])
    assert run(program(BOTH), a, b)[0] == [("fires", 2), ("returns", 3)]
    assert run(program(EITHER), a, b)[0] == [("fires", 1), ("returns", 4)]


def test_groups_stand_in_one_another():
    tree = {"all": [{"metric": "c", "op": "above", "value": 1}, EITHER]}
    a, b, c = series("a", [2, 2, 0, 0]), series("b", [0, 0, 0, 2]), series("c", [0, 2, 2, 2])
    assert run(program(tree), a, b, c)[0] == [("fires", 1), ("returns", 2), ("fires", 3)]


def test_a_metric_that_arrives_after_the_others_is_judged_as_if_it_had_come_with_them():
    made = program(BOTH)
    found, state = run(made, series("a", [0, 2, 0, 0, 0]))
    assert found == []
    found, _ = run(made, series("b", [2, 2, 2, 0, 0]), state=state)
    assert found == [("fires", 1), ("returns", 2)]


def test_what_has_been_away_neither_fires_nor_returns_a_rule():
    made = program(BOTH)
    found, state = run(made, series("a", [2, 2]), series("b", [0, 0]))
    found, state = run(made, series("b", [(900, 2)]), state=state)
    assert found == [], "nobody knows what the first one is after a quarter of an hour"
    found, state = run(made, series("a", [(901, 2)]), state=state)
    assert found == [("fires", 901)]
    found, state = run(made, series("a", [(5000, 2)]), state=state)
    assert found == [], "an alert does not end because a sensor died"


def test_a_gap_proves_nothing_about_the_time_in_it():
    found, state = run(program(HOT), series("t", [(0, 90), (1, 90), (200, 90), (201, 90)]))
    assert found == []
    assert state.leaves[0].since_ms == BEGIN_MS + 200_000


def test_metrics_that_report_slowly_have_longer_gaps():
    found, _ = run(program({**HOT, "for_s": 1200}), series("t", [90] * 4, step_ms=600_000))
    assert found == [("fires", 1800)], "the first distance is not known yet, the second counts"


def test_a_cool_down_holds_back_and_fires_later_what_still_holds():
    made = program({"metric": "t", "op": "above", "value": 1}, cooldown_s=10)
    assert run(made, series("t", [2, 0, 2, 0, 0]))[0] == [("fires", 0), ("returns", 1)]
    values = [2, 0, *[2] * 12]
    assert run(made, series("t", values))[0] == [("fires", 0), ("returns", 1), ("fires", 10)]


def test_outside_its_hours_a_rule_is_quiet_and_fires_when_they_begin_if_it_still_holds():
    # 10:00 UTC is 11:00 in Warsaw.
    active = {"from": "11:01", "to": "11:02"}
    made = program({"metric": "t", "op": "above", "value": 1}, zone=ZoneInfo("Europe/Warsaw"), active=active)
    assert run(made, series("t", [2] * 50 + [0] * 100))[0] == []
    assert run(made, series("t", [2] * 200))[0] == [("fires", 60)]
    assert run(made, series("t", [0] * 130 + [2] * 100))[0] == []


def test_overrides_change_a_limit_or_switch_a_machine_off():
    rule = {
        "name": "r",
        "machines": ["*"],
        "when": {"all": [HOT]},
        "overrides": [{"machine": "M01", "condition": 1, "value": 90}, {"machine": "M02", "off": True}],
    }
    parsed = rule_parse(rule)
    assert program_of(parsed, "M02", UTC) is None
    mine, other = program_of(parsed, "M01", UTC), program_of(parsed, "M03", UTC)
    assert (mine.leaves[0].high, mine.leaves[0].clear_high, mine.leaves[0].for_ms) == (90.0, 90.0, 3000)
    assert other.leaves[0].high == 80.0


def test_a_state_is_the_same_after_it_was_stored():
    made = program(BOTH)
    _, state = run(made, series("a", [0, 2, 2]), series("b", [0, 0, 2]))
    again = msgspec.json.decode(msgspec.json.encode(state), type=PairState)
    assert again == state


# --- however readings are cut, and whenever they come ---

NUMBERS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), min_size=5, max_size=60)
RULES = [
    program(HOT | {"value": 4, "clear": 2}),
    program(BOTH, cooldown_s=5),
    program(EITHER),
    program({"metric": "a", "op": "stuck", "for_s": 2}),
    program({"metric": "a", "op": "rises", "value": 2, "over_s": 5, "clear": 1}),
    program({"metric": "a", "op": "above", "value": 2, "minus": {"metric": "b"}, "for_s": 1}),
    program({"any": [{"metric": "a", "op": "no_data", "for_s": 90}, BOTH]}),
    program(
        {
            "all": [
                {"metric": "a", "op": "above", "value": 3, "for_s": 1},
                {"metric": "b", "op": "state", "value": [2, 6]},
            ]
        }
    ),
]


def stream(steps, more):
    """Two metrics at uneven times, with a gap now and then; the second misses some."""
    at, rows = 0, []
    for (a, b), step in zip(steps, more, strict=False):
        at += step
        rows.append((at, "a", float(a)))
        rows.append((at, "t", float(a)))
        if b:
            rows.append((at, "b", float(b)))
    return rows


def fed(made, batches):
    """What is told, and the state at the end; each time all is read from where it says it needs to be read."""
    state, found, now, stored = state_new(made, from_ms=BEGIN_MS), [], 0, []
    for batch in batches:
        stored += batch
        begin = (state.needs_from(made) - BEGIN_MS) / 1000
        names = {name for _at, name, _value in stored}
        parts = [series(name, [(at, v) for at, n, v in stored if n == name and at >= begin]) for name in sorted(names)]
        now = max([now, *(at for at, _n, _v in batch)])
        more, state = run(
            made, *parts, state=msgspec.json.decode(msgspec.json.encode(state), type=PairState), now_s=now
        )
        found += more
    return found, state


@settings(max_examples=60, deadline=None)
@given(
    steps=NUMBERS,
    gaps=st.lists(st.sampled_from([1, 1, 1, 1, 2, 3, 70, 400]), min_size=60, max_size=60),
    cuts=st.lists(st.booleans(), min_size=60, max_size=60),
    which=st.integers(0, len(RULES) - 1),
)
def test_batches_cut_anywhere_tell_the_same(steps, gaps, cuts, which):
    rows = stream(steps, gaps)
    times = sorted({at for at, _n, _v in rows})
    edges = [at for at, cut in zip(times, cuts, strict=False) if cut]
    batches, begin = [], -1
    for edge in [*edges, times[-1]]:
        batches.append([row for row in rows if begin < row[0] <= edge])
        begin = edge
    whole, state = fed(RULES[which], [rows])
    found, after = fed(RULES[which], [batch for batch in batches if batch])
    assert found == whole
    assert [leaf.to_ms for leaf in after.leaves] == [leaf.to_ms for leaf in state.leaves]


@settings(max_examples=60, deadline=None)
@given(
    steps=NUMBERS,
    behind=st.lists(st.integers(0, 20), min_size=60, max_size=60),
    which=st.sampled_from([0, 1, 2, 5, 7]),
)
def test_metrics_that_lag_behind_one_another_end_where_they_would_together(steps, behind, which):
    rows = stream(steps, [1] * 60)
    whole, state = fed(RULES[which], [rows])
    # Each metric in its own order, but b comes seconds after a.
    lag, waiting, batches = 0, [], []
    for row, late in zip(rows, behind * 3, strict=False):
        lag = max(lag - 1, late)
        waiting.append(row)
        if row[1] == "b" and lag:
            continue
        batches.append([each for each in waiting if each[1] != "b" or not lag])
        waiting = [each for each in waiting if each[1] == "b" and lag]
    batches.append(waiting)
    found, after = fed(RULES[which], [batch for batch in batches if batch])
    assert after.active == state.active
    assert set(whole) <= set(found), "nothing is missed, though something may have been told too early and taken back"


@settings(max_examples=60, deadline=None)
@given(
    steps=NUMBERS,
    withheld=st.lists(st.integers(0, 59), max_size=8),
    which=st.integers(0, len(RULES) - 1),
)
def test_readings_that_come_hours_late_correct_what_was_told(steps, withheld, which):
    made, rows = RULES[which], stream(steps, [1] * 60)
    whole, state = fed(made, [rows])
    times = sorted({at for at, _n, _v in rows})
    late = {times[place] for place in withheld if place < len(times) - 1}
    in_time = [row for row in rows if row[0] not in late]
    found, after = fed(made, [in_time])
    if late:
        names = sorted({name for _at, name, _v in rows})
        parts = [series(name, [(at, v) for at, n, v in rows if n == name]) for name in names]
        before = state_before(made, after, BEGIN_MS + min(late) * 1000)
        if before is None:
            # Nothing was judged yet, so what was withheld is not late for this rule.
            more, after = run(made, *parts, state=after, now_s=times[-1])
        else:
            known, from_ms = after.told, before.held.at_ms + 1
            crossings, after = carried(made, *parts, state=before, now_s=times[-1])
            more = told(news_of(known, crossings, from_ms=from_ms))
            in_order = [(c.t_ms, c.fired) for c in crossings]
            assert after.told == in_order[-len(after.told) :], "as if it had come in time"
        found += more
        assert told_to_stand(found) == state.active
    assert set(whole) <= set(found)
    assert after.active == state.active
    assert [leaf.to_ms for leaf in after.leaves] == [leaf.to_ms for leaf in state.leaves]


def told_to_stand(found):
    """Whether the rule stands, for somebody who believed all that was told."""
    return bool(found) and found[-1][0] == "fires"


def test_news_of_the_past_is_a_whole_stretch_and_leaves_what_stands_alone():
    made = program(HOT)
    cool, hot = [70.0] * 10, [90.0] * 10
    in_time = [*zip(range(10), cool, strict=True), *zip(range(4_000, 4_010), hot, strict=True)]
    known, state = run(made, series("t", in_time))
    assert known == [("fires", 4_003)]
    late = [*zip(range(2_000, 2_010), hot, strict=True), *zip(range(2_010, 2_020), cool, strict=True)]
    before, told_before = state_before(made, state, BEGIN_MS + 2_000_000), state.told
    crossings, state = carried(made, series("t", sorted(in_time + late)), state=before)
    news = news_of(told_before, crossings, from_ms=before.held.at_ms + 1)
    assert told(news)[:2] == [("fires", 2_003), ("returns", 2_010)]
    # Then, for whoever takes each of them for the newest, that it stands as before.
    assert told(news)[2:] == [("fires", 4_003)]
    assert state.active


def test_a_reading_that_came_in_time_repeats_nothing():
    made = program(HOT)
    _, state = run(made, series("t", [70, 71]))
    assert state_before(made, state, BEGIN_MS + 1_001) is None
    assert state_before(made, state, BEGIN_MS + 1_000) is not None


def test_a_repeated_run_knows_that_the_rule_was_active():
    made = program(HOT)
    _, state = run(made, series("t", [90] * 6))
    _, state = run(made, series("t", [(20_000 + s, 78) for s in range(5)]), state=state)
    again = state_before(made, state, BEGIN_MS + 20_002_000)
    # Between limit and clear: only who knows what was told before can say that it is still active.
    found, again = run(made, series("t", [(20_000 + s, 78) for s in range(6)]), state=again)
    assert (found, again.active) == ([], True)
