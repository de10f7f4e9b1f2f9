"""Rollups as InfluxDB keeps them: what is written, and what of a window they answer. Pure.

A span of a machine is a point, a field a metric: a text of 40 characters for the span and for each of its steps with
readings. It is believed while the token in it is the span's mark, which every write replaces. See docs/adr/0008.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import BoolArray, Int64Array, ReadingBatch
from telemetry.store.aggregates import Aggregates
from telemetry.store.base import Buckets
from telemetry.store.influx_levels import MINUTES, SLICE_MS, Level
from telemetry.store.line_protocol import COVERS_FIELD, MARKS, TOKEN_FIELD, field_start, line_start

# The sum of a day's tokens is a whole number that a float64 holds: servers answer in JSON.
TOKEN_BITS = 45
# Fewer readings of ten minutes are read as fast, and take less room, as they are.
_FEWEST_IN_SLICE = 15
# Each stretch of readings is a statement; more than so many small ones cost more than a longer one.
_MOST_STRETCHES = 16

# Both of a length that base64 needs no padding for.
_STEP = np.dtype([("step", "<u2"), ("count", "<u4"), ("minimum", "<f8"), ("maximum", "<f8"), ("total", "<f8")])
_HEAD = np.dtype([("step", "<u2"), ("version", "<u4"), ("reserved", "<i8"), ("again", "<i8"), ("token", "<i8")])
_TEXT_LENGTH = _STEP.itemsize * 4 // 3
_HEAD_STEP, _VERSION = 0xFFFF, 1
_SLICE_BITS = 44

Stretch = tuple[int, int]
_EMPTY, _RAW, _ROLLED = 0, 1, 2
_States = NDArray[np.int8]


# --- what is written ---


def marks_body(batch: ReadingBatch, token: int) -> bytes:
    """A mark for each machine's slices that the batch touches.

    token: another one at each call, below 2**TOKEN_BITS; what was rolled up under a different one is no longer true.
    """
    machines: dict[str, int] = {}
    machine_of = np.array([machines.setdefault(machine, len(machines)) for machine, _ in batch.keys], np.int64)
    touched = machine_of[batch.codes] << _SLICE_BITS | (batch.t_ms // SLICE_MS + (1 << _SLICE_BITS - 1))
    touched = np.unique(touched[np.append(True, touched[1:] != touched[:-1])])
    starts = ((touched & (1 << _SLICE_BITS) - 1) - (1 << _SLICE_BITS - 1)) * SLICE_MS
    names = list(machines)
    places = zip((touched >> _SLICE_BITS).tolist(), starts.tolist(), strict=True)
    return marks_lines([(names[machine], start) for machine, start in places], token)


def marks_lines(slices: Sequence[tuple[str, int]], token: int) -> bytes:
    """A mark for each (machine, start of a slice)."""
    field = b"%s=%di " % (TOKEN_FIELD.encode(), token)
    return b"".join(line_start(MARKS, machine) + field + b"%d\n" % start for machine, start in slices)


def rollups_body(level: Level, machine: str, parts: Sequence[Buckets], start_ms: int, tokens: Sequence[int]) -> bytes:
    """Points of consecutive spans from start_ms on. parts: buckets of the level's steps; tokens: one a span."""
    texts = {part.metric: _texts(level, part, start_ms, tokens) for part in parts}
    start, covers = line_start(level.measurement, machine), COVERS_FIELD.encode()
    lines = []
    for at, token in enumerate(tokens):
        fields = [b'%s"%s"' % (field_start(metric), column[at]) for metric, column in texts.items() if column[at]]
        fields.append(b"%s=%di" % (covers, token))
        lines.append(b"%s%s %d\n" % (start, b",".join(fields), start_ms + at * level.span_ms))
    return b"".join(lines)


def _texts(level: Level, part: Buckets, start_ms: int, tokens: Sequence[int]) -> list[bytes]:
    """One a span; an empty one where the readings are few enough to be read themselves."""
    span, offset_ms = np.divmod(part.t_ms - start_ms, level.span_ms)
    steps = np.bincount(span, minlength=len(tokens))
    ends = np.cumsum(steps + 1)
    rows = np.zeros(len(part.t_ms) + len(tokens), _STEP)
    heads = rows.view(_HEAD)
    heads["step"][ends - steps - 1], heads["version"][ends - steps - 1] = _HEAD_STEP, _VERSION
    heads["token"][ends - steps - 1] = tokens
    place = np.arange(len(part.t_ms)) + span + 1
    rows["step"][place], rows["count"][place] = offset_ms // level.step_ms, part.count
    rows["minimum"][place], rows["maximum"][place] = part.minimum, part.maximum
    rows["total"][place] = part.mean * part.count
    text = b64encode(rows.tobytes())
    readings = np.bincount(span, weights=part.count, minlength=len(tokens))
    few = (readings > 0) & (readings < _FEWEST_IN_SLICE) & (level is MINUTES)
    bounds = np.append(0, ends) * _TEXT_LENGTH
    return [
        b"" if is_few else text[begin:end]
        for begin, end, is_few in zip(bounds[:-1].tolist(), bounds[1:].tolist(), few.tolist(), strict=True)
    ]


# --- what it answers ---


@dataclass(frozen=True, slots=True)
class Rolled:
    """What of a window the rollups of one metric answer. stretches: what they do not, [from_ms, to_ms) each."""

    steps: Aggregates
    stretches: tuple[Stretch, ...]


def rolled_up(
    level: Level, marks: Mapping[int, int], texts: Mapping[int, str], *, series: int, from_ms: int, to_ms: int
) -> Rolled:
    """One metric's rollups of [from_ms, to_ms), each row of `steps` with this series.

    marks, texts: by the span's start. A span without a mark has no readings; one whose text has another token is left
    to be read otherwise.
    """
    first, last = from_ms // level.span_ms, (to_ms - 1) // level.span_ms
    states, records, span_of = _spans(level, marks, texts, first, last - first + 1)
    first_step, end_step = from_ms // level.step_ms, -(-to_ms // level.step_ms)
    states = np.repeat(states, level.steps)[first_step - first * level.steps :][: end_step - first_step]
    if from_ms % level.step_ms:
        states[0] = min(states[0], _RAW)
    if to_ms % level.step_ms:
        states[-1] = min(states[-1], _RAW)
    begins, ends = _left_over(states)
    edges = np.stack([begins, ends]) + first_step
    edges *= level.step_ms
    stretches = tuple(
        (max(begin, from_ms), min(end, to_ms)) for begin, end in zip(edges[0].tolist(), edges[1].tolist(), strict=True)
    )
    step = (span_of + first) * level.steps + records["step"] - first_step
    inside = (step >= 0) & (step < len(states))
    inside[inside] = states[step[inside]] == _ROLLED
    return Rolled(_aggregates(records[inside], (step[inside] + first_step) * level.step_ms, series), stretches)


def _spans(
    level: Level, marks: Mapping[int, int], texts: Mapping[int, str], first: int, count: int
) -> tuple[_States, NDArray[np.void], Int64Array]:
    """The state of each span, the steps of those that can be believed, and whose of the spans each step is."""
    states, tokens = np.full(count, _EMPTY, np.int8), np.full(count, -1, np.int64)
    for start_ms, token in marks.items():
        at = start_ms // level.span_ms - first
        if 0 <= at < count:
            states[at], tokens[at] = _RAW, token
    known = {start_ms: text for start_ms, text in texts.items() if text and not len(text) % _TEXT_LENGTH}
    rows = _decoded("".join(known.values()))
    lengths = np.array([len(text) // _TEXT_LENGTH for text in known.values()], np.int64)
    if not len(rows):
        return states, rows, np.zeros(0, np.int64)
    spans = np.array(list(known), np.int64) // level.span_ms - first
    begins = np.cumsum(lengths) - lengths
    heads = rows[begins].view(_HEAD)
    inside = (spans >= 0) & (spans < count)
    believed = inside & (heads["step"] == _HEAD_STEP) & (heads["version"] == _VERSION)
    believed[believed] = tokens[spans[believed]] == heads["token"][believed]
    states[spans[believed]] = _ROLLED
    keep = np.repeat(believed, lengths)
    keep[begins] = False
    return states, rows[keep], np.repeat(spans, lengths)[keep]


def _decoded(text: str) -> NDArray[np.void]:
    try:
        return np.frombuffer(b64decode(text, validate=True), _STEP)
    except (NotBase64Error, ValueError):  # a stranger's writing
        return np.zeros(0, _STEP)


def _left_over(states: _States) -> tuple[Int64Array, Int64Array]:
    """Where stretches begin and end that no rollup answers; steps that are read along lose their state."""
    begins, ends = _runs(states == _RAW)
    if len(begins) < 2:
        return begins, ends
    rolled = np.append(0, np.cumsum(states == _ROLLED))
    between = rolled[begins[1:]] - rolled[ends[:-1]]
    # What is empty is read along for nothing; then the shortest of what is not, so that few statements remain.
    joined = between == 0
    surplus = len(begins) - int(joined.sum()) - _MOST_STRETCHES
    if surplus > 0:
        order = np.argsort(between, kind="stable")
        joined[order[: int(joined.sum()) + surplus]] = True
    for end, begin in zip(ends[:-1][joined].tolist(), begins[1:][joined].tolist(), strict=True):
        states[end:begin] = _RAW
    return _runs(states == _RAW)


def _runs(flags: BoolArray) -> tuple[Int64Array, Int64Array]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return edges[0::2], edges[1::2]


def _aggregates(records: NDArray[np.void], t_ms: Int64Array, series: int) -> Aggregates:
    return Aggregates(
        np.full(len(records), series, np.int64),
        t_ms,
        records["count"].astype(np.int64),
        records["minimum"].astype(np.float64),
        records["maximum"].astype(np.float64),
        records["total"].astype(np.float64),
    )
