"""ReadingBatch: columns that say the same as a list of readings."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.readings import ReadingBatch, Series

readings = st.lists(
    st.tuples(
        st.sampled_from(["M01", "M02"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([-5, 0, 7, 1_790_000_000_000, 1 << 55]),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    max_size=30,
)


def batch_of(rows):
    return ReadingBatch([Series(m, n, np.array([t], np.int64), np.array([v])) for m, n, t, v in rows])


def rows_of(batch):
    return [(s.machine, s.metric, t, v) for s in batch for t, v in zip(s.t_ms.tolist(), s.values.tolist(), strict=True)]


@given(readings)
def test_bytes_give_back_the_same_batch(rows):
    batch = batch_of(rows)
    again = ReadingBatch.from_bytes(batch.to_bytes())
    assert list(again.keys) == list(batch.keys)
    assert rows_of(again) == rows_of(batch)


@given(readings, st.integers(0, 30))
def test_merging_keeps_each_reading_once_and_of_equal_times_the_last_arrival(rows, cut):
    merged = ReadingBatch.merged([batch_of(rows[:cut]), batch_of(rows[cut:])])
    model = {(machine, metric, t): value for machine, metric, t, value in rows}
    assert {(m, n, t): v for m, n, t, v in rows_of(merged)} == model
    assert len(merged) == len(model)
    assert all((np.diff(series.t_ms) > 0).all() for series in merged)


@given(readings, st.data())
def test_a_part_has_the_keys_of_its_readings_alone(rows, data):
    batch = batch_of(rows)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), np.bool_)
    part = batch.only(mask)
    assert rows_of(part) == rows_of(batch.taken(mask))
    kept = {(m, n) for (m, n, _t, _v), taken in zip(rows, mask.tolist(), strict=True) if taken}
    assert list(part.keys) == [key for key in batch.keys if key in kept]


@given(st.binary(max_size=200))
def test_other_bytes_are_no_batch(encoded):
    with pytest.raises(msgspec.DecodeError):
        ReadingBatch.from_bytes(encoded)


@given(readings.filter(bool), st.data())
def test_a_changed_byte_gives_a_batch_or_an_error_of_its_own(rows, data):
    encoded = bytearray(batch_of(rows).to_bytes())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = ReadingBatch.from_bytes(bytes(encoded))
    except msgspec.DecodeError:
        return
    assert len(rows_of(again)) == len(again)
