"""Every edge of an ingest body: one bad value is refused alone, one bad body is refused with a code."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ingest.arrivals import Arrivals
from telemetry.ingest.payloads import MAX_BYTES, MAX_READINGS, parse
from telemetry.ingest.refusals import PayloadError, excerpt, grouped

NOW = 1_795_255_200_000


def readings(body: bytes | str, **options: str) -> dict[tuple[str, str], list[tuple[int, float]]]:
    encoded = body.encode() if isinstance(body, str) else body
    parsed = parse(encoded, received_ms=NOW, **options)
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for s in parsed.batch:
        found.setdefault((s.machine, s.metric), []).extend(zip(s.t_ms.tolist(), s.values.tolist(), strict=True))
    return found


def codes(body: bytes | str) -> list[tuple[int, str, str]]:
    encoded = body.encode() if isinstance(body, str) else body
    return [(r.index, r.metric, r.code) for r in parse(encoded, received_ms=NOW).rejected]


def test_nested_shape_is_read():
    body = '{"machine": "M01", "timestamp": "2026-11-21T10:00:00Z", "metrics": {"vibration": 2.1, "temperature": 71}}'
    assert readings(body) == {("M01", "vibration"): [(NOW, 2.1)], ("M01", "temperature"): [(NOW, 71.0)]}


def test_flat_shape_is_read():
    body = f'{{"equipment_id": "M01", "timestamp": {NOW}, "vibration": 2.1, "temperature": 71.3}}'
    assert readings(body) == {("M01", "vibration"): [(NOW, 2.1)], ("M01", "temperature"): [(NOW, 71.3)]}


@pytest.mark.parametrize("wrap", ['{{"readings": {}}}', "{}"])
def test_many_readings_are_read_wrapped_or_bare(wrap):
    items = f'[{{"machine": "M01", "metrics": {{"a": 1}}}}, {{"equipment_id": "M02", "timestamp": {NOW - 5}, "a": 2}}]'
    assert readings(wrap.format(items)) == {("M01", "a"): [(NOW, 1.0)], ("M02", "a"): [(NOW - 5, 2.0)]}


def test_a_list_may_name_its_machine_once():
    assert readings('{"machine": "M01", "readings": [{"metrics": {"a": 1}}]}') == {("M01", "a"): [(NOW, 1.0)]}


def test_columns_are_read_as_columns():
    body = f'{{"machine": "M01", "timestamps": [{NOW}, {NOW + 10}], "metrics": {{"a": [1, 2.5], "b": [3, 4]}}}}'
    assert readings(body) == {
        ("M01", "a"): [(NOW, 1.0), (NOW + 10, 2.5)],
        ("M01", "b"): [(NOW, 3.0), (NOW + 10, 4.0)],
    }


@pytest.mark.parametrize("shape", ["nested", "flat"])
def test_readings_without_a_time_keep_apart_and_those_of_one_moment_together(shape):
    body = [{"machine": "M01", "metrics": {"a": n, "b": n}} for n in range(3)]
    if shape == "flat":
        body = [{"machine": "M01", "a": n, "b": n} for n in range(3)]
    body.append({"machine": "M02", **({"metrics": {"a": 9}} if shape == "nested" else {"a": 9})})
    found = readings(json.dumps(body))
    assert found["M01", "a"] == found["M01", "b"] == [(NOW, 0), (NOW + 1, 1), (NOW + 2, 2)]
    assert found["M02", "a"] == [(NOW, 9)]


def test_a_clock_that_is_set_back_and_a_flood_leave_times_near_the_arrival():
    arrivals = Arrivals()
    assert arrivals.time_ms("M01", ["n"], 10_000_000) == 10_000_000
    assert arrivals.time_ms("M01", ["n"], 1_000_000) == 1_000_000
    assert max(arrivals.time_ms("M01", ["n"], 2_000_000) for _ in range(70_000)) == 2_060_000


def test_the_topic_names_the_machine_unless_the_body_does():
    assert list(readings('{"metrics": {"a": 1}}', machine="M07")) == [("M07", "a")]
    assert list(readings('{"machine": "M01", "metrics": {"a": 1}}', machine="M07")) == [("M01", "a")]
    assert list(readings('{"a": 1}', machine="M07")) == [("M07", "a")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e999", "not_finite"),
        ("-1e999", "not_finite"),
        ("1" * 5000, "not_finite"),
        ("1" * 30, "out_of_range"),
        ("true", "not_a_number"),
        ("false", "not_a_number"),
        ('"72.3"', "not_a_number"),
        ("null", "not_a_number"),
        ("[1]", "not_a_number"),
        ("{}", "not_a_number"),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        '{{"machine": "M01", "metrics": {{"bad": {}, "good": 1.5}}}}',
        '{{"machine": "M01", "bad": {}, "good": 1.5}}',
        '[{{"machine": "M01", "metrics": {{"bad": {}, "good": 1.5}}}}]',
    ],
)
def test_a_bad_value_is_refused_alone(value, code, shape):
    body = shape.format(value)
    assert codes(body) == [(0, "bad", code)]
    assert readings(body) == {("M01", "good"): [(NOW, 1.5)]}


@pytest.mark.parametrize(
    ("value", "code"),
    [("NaN", "not_finite"), ("1e999", "not_finite"), ("null", "not_a_number"), ("1e30", "out_of_range")],
)
def test_a_bad_value_in_a_column_is_refused_alone(value, code):
    body = f'{{"machine": "M01", "timestamps": [{NOW}, {NOW + 1}, {NOW + 2}], "metrics": {{"a": [1, {value}, 3]}}}}'
    assert codes(body) == [(1, "a", code)]
    assert readings(body) == {("M01", "a"): [(NOW, 1.0), (NOW + 2, 3.0)]}


def test_a_column_of_another_length_is_refused_and_the_others_kept():
    body = f'{{"machine": "M01", "timestamps": [{NOW}, {NOW + 1}], "metrics": {{"a": [1], "b": [1, 2], "c": 4}}}}'
    assert codes(body) == [(0, "a", "length_mismatch"), (0, "c", "length_mismatch")]
    assert list(readings(body)) == [("M01", "b")]


@pytest.mark.parametrize(
    "timestamp",
    [
        '"2026-11-21T10:00:00"',
        '"2026-11-21"',
        '"yesterday"',
        '"2026-W47-6T10:00:00Z+"',
        "true",
        "[]",
        "1" * 30,
        '"2026-13-01T00:00:00Z"',
    ],
)
def test_a_timestamp_that_names_no_instant_refuses_its_reading_alone(timestamp):
    late = f'{{"machine": "M01", "timestamp": {timestamp}, "metrics": {{"a": 1}}}}'
    body = f'[{late}, {{"machine": "M01", "metrics": {{"b": 2}}}}]'
    assert codes(body) == [(0, "", "timestamp_invalid")]
    assert list(readings(body)) == [("M01", "b")]


@pytest.mark.parametrize(
    "text", ["2026-11-21T12:00:00+02:00", "2026-11-21t10:00:00.000z", "2026-11-21T10:00:00.000999999Z"]
)
def test_rfc_3339_is_read_with_its_offset(text):
    assert readings(f'{{"machine": "M01", "timestamp": "{text}", "metrics": {{"a": 1}}}}') == {
        ("M01", "a"): [(NOW, 1.0)]
    }


def test_a_reading_without_machine_is_refused_alone():
    body = '[{"metrics": {"a": 1}}, {"machine": 5, "metrics": {"a": 1}}, {"machine": "M01", "metrics": {"a": 1}}, 7]'
    assert codes(body) == [(0, "", "machine_missing"), (1, "", "machine_invalid"), (3, "", "unknown_shape")]
    assert list(readings(body)) == [("M01", "a")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b'{"machine": "M01"} trailing', "malformed_json"),
        (b'{"machine": "\xff", "metrics": {"a": 1}}', "malformed_json"),
        (b'{"machine": "M\x0001", "metrics": {"a": 1}}', "malformed_json"),
        (b"vibration=2.1", "malformed_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"metrics":' * 50_000, "too_deep"),
        (b'{"machine": "M01", "metrics": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "too_deep"),
        (b"7", "unknown_shape"),
        (b"null", "unknown_shape"),
        (b'"text"', "unknown_shape"),
        (b"[]", "unknown_shape"),
        (b"{}", "unknown_shape"),
        (b'{"machine": "M01"}', "unknown_shape"),
        (b'{"machine": "M01", "metrics": {}}', "unknown_shape"),
        (b"[1, 2]", "unknown_shape"),
        (b" " * (MAX_BYTES + 1), "too_large"),
        (b'{"machine":"M","metrics":{"a":1}}'.ljust(MAX_BYTES + 1), "too_large"),
    ],
)
def test_a_body_that_is_no_readings_is_refused_whole_with_a_code(body, code):
    with pytest.raises(PayloadError) as refused:
        parse(body, received_ms=NOW)
    assert refused.value.code == code


@pytest.mark.parametrize("fault", [1, None])
def test_more_readings_than_allowed_are_refused_whole_on_both_roads(fault):
    values = [*range(MAX_READINGS - 1), fault, 1]
    body = {"machine": "M01", "timestamps": list(range(len(values))), "metrics": {"a": values}}
    with pytest.raises(PayloadError) as refused:
        parse(json.dumps(body).encode(), received_ms=NOW)
    assert (refused.value.code, refused.value.status) == ("too_many_readings", 413)


def test_a_flood_of_refusals_is_told_in_a_few_groups_and_counted_in_full():
    values = {f"m{n}": None for n in range(1000)}
    parsed = parse(json.dumps({"machine": "M01", "metrics": values}).encode(), received_ms=NOW)
    told = grouped(parsed.rejected, source="http")
    assert len(told) < 60
    assert sum(refusal.count for refusal in told) == 1000


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_payload_errors(body):
    with contextlib.suppress(PayloadError):
        parse(body, received_ms=NOW)
    assert "\0" not in excerpt(body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["machine", "equipment_id", "timestamp", "timestamps", "metrics", "readings", "a", "b"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_json)
def test_random_json_is_read_or_refused_and_every_kept_value_is_a_finite_number(document):
    try:
        parsed = parse(json.dumps(document).encode("utf-8", "replace"), received_ms=NOW)
    except PayloadError:
        return
    for series in parsed.batch:
        assert series.machine
        assert abs(series.values).max() <= 1e18
        assert len(series.t_ms) == len(series.values)
    assert len(parsed.index) == len(parsed.batch)
