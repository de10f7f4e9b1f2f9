"""From the journal's rows to a frame: split by machine in columns, the same frame whatever the rows look like."""

import numpy as np

from telemetry.live.frames import frame_encode, frame_of, frame_of_tick
from telemetry.live.ticks import by_machine, rows_pick
from telemetry.readings import ReadingBatch, Series


def batch(*parts: tuple[str, str, list[int], list[float]]) -> ReadingBatch:
    return ReadingBatch([Series(key, metric, np.array(t, np.int64), np.array(v)) for key, metric, t, v in parts])


def framed(machine: str, rows: list[ReadingBatch], metrics: tuple[str, ...] | None = None) -> bytes:
    found = by_machine(rows_pick([row.to_bytes() for row in rows], {machine}))
    tick = ReadingBatch.from_bytes(found.get(machine, ReadingBatch()).to_bytes())
    return frame_encode("readings", frame_of_tick(machine, tick, metrics=metrics))


def test_rows_of_any_shape_give_the_frame_that_their_batches_give() -> None:
    instant = batch(("M02", "a", [5], [9.0]), ("M01", "a", [5], [1.0]), ("M01", "b", [5], [2.0]))
    block = batch(("M01", "b", [6, 7, 8], [3.0, 4.0, 5.0]), ("M01", "a", [6, 7, 8], [6.0, 7.0, 8.0]))
    ragged = batch(("M01", "a", [9], [1.5]), ("M01", "c", [8], [2.5]), ("M03", "c", [8], [2.5]))
    late = batch(("M01", "a", [1, 5], [0.0, 7.5]), ("M01", "b", [1, 5], [0.5, 8.5]))
    for rows in ([instant], [block], [instant, block], [block, ragged], [instant, late], [late, block, instant], []):
        assert framed("M01", rows) == frame_encode("readings", frame_of("M01", rows))


def test_only_wanted_metrics_are_framed() -> None:
    rows = [batch(("M01", "a", [5], [1.0]), ("M01", "b", [5], [2.0]))]
    assert framed("M01", rows, ("b",)) == b'{"type":"readings","machine":"M01","t":[5],"metrics":{"b":[2.0]}}'
    assert framed("M01", rows, ("c",)) == frame_encode("readings", frame_of("M01", []))


def test_rows_of_machines_that_nobody_watches_come_to_nothing() -> None:
    rows = [batch(("M02", "a", [5], [9.0])).to_bytes(), batch(("M03", "a", [5], [9.0])).to_bytes()]
    assert by_machine(rows_pick(rows, {"M01"})) == {}
