"""Frames: one axis, gaps as null, nothing twice."""

import json

import numpy as np

from telemetry.live.frames import Frame, frame_encode, frame_of, frame_thinned, frame_without, shown_of
from telemetry.readings import ReadingBatch, Series


def batch(metric: str, times: list[int], values: list[float], machine: str = "M01") -> ReadingBatch:
    return ReadingBatch([Series(machine, metric, np.array(times, np.int64), np.array(values))])


def as_message(frame: Frame) -> dict[str, object]:
    message: dict[str, object] = json.loads(frame_encode("readings", frame))
    return message


def test_metrics_of_different_times_share_an_axis_with_gaps() -> None:
    frame = frame_of("M01", [batch("a", [1, 3], [1.0, 3.0]), batch("b", [2, 3], [2.0, 4.0])])
    assert as_message(frame) == {
        "type": "readings",
        "machine": "M01",
        "t": [1, 2, 3],
        "metrics": {"a": [1.0, None, 3.0], "b": [None, 2.0, 4.0]},
    }


def test_batches_of_a_machine_are_merged_and_others_left_out() -> None:
    frame = frame_of("M01", [batch("a", [2], [2.0]), batch("a", [1, 2], [1.0, 9.0]), batch("a", [5], [5.0], "M02")])
    assert (frame.t_ms.tolist(), frame.columns.tolist()) == ([1, 2], [[1.0, 9.0]])


def test_only_wanted_metrics_are_shown() -> None:
    frame = frame_of("M01", [batch("a", [1], [1.0]), batch("b", [1], [2.0])], metrics=("b",))
    assert list(frame.metrics) == ["b"]


def test_nothing_is_an_empty_frame() -> None:
    assert as_message(frame_of("M01", [])) == {"type": "readings", "machine": "M01", "t": [], "metrics": {}}


def test_what_was_shown_is_taken_out_by_metric_and_time() -> None:
    shown = shown_of(frame_of("M01", [batch("a", [1, 2], [1.0, 2.0]), batch("b", [2], [9.0])]), newest=100)
    later = frame_of("M01", [batch("a", [2, 3], [2.0, 3.0]), batch("b", [1, 2], [8.0, 9.0])])
    assert as_message(frame_without(later, shown)) == {
        "type": "readings",
        "machine": "M01",
        "t": [1, 3],
        "metrics": {"a": [None, 3.0], "b": [8.0, None]},
    }


def test_a_frame_that_was_shown_entirely_is_empty() -> None:
    frame = frame_of("M01", [batch("a", [1, 2], [1.0, 2.0])])
    assert len(frame_without(frame, shown_of(frame, newest=100)).t_ms) == 0


def test_a_long_frame_keeps_its_peaks() -> None:
    values = np.zeros(20_000)
    values[7_001] = 50.0
    frame = frame_of("M01", [ReadingBatch([Series("M01", "a", np.arange(20_000), values)])])
    short = frame_thinned(frame, rows=1_000)
    assert len(short.t_ms) <= 1_002
    assert 7_001 in short.t_ms
