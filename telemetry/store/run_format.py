"""How a run is written: readings of one machine in 64-bit little-endian words. Pure: numpy and zstandard.

    word 0            number of stretches k (low half), number of times T (high half)
    k words           one per stretch: series (low half), readings (31 bits), and a top bit that says: the times are
                      those of the stretch before. Devices send their metrics with one timestamp.
    T words           times, int64 epoch milliseconds
    the rest          values, float64, all stretches in turn

Everything is a word, so any number of runs is decoded as one array. A run that compaction made is compressed whole.
"""

from dataclasses import dataclass

import numpy as np
import zstandard

from telemetry.readings import Int64Array
from telemetry.store.strips import NOTHING, BoolArray, Strips, ranges

_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)
_COUNT = np.uint64(0x7FFF_FFFF)
_TOP = np.uint64(1 << 63)
# Of the measured levels the one with the best size for its time; higher ones gain 2 % and take longer.
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class EncodedRun:
    """One machine's part of a batch: its span, how many readings, and their words."""

    machine: int
    from_ms: int
    to_ms: int
    count: int
    body: bytes


def runs_encode(machines: Int64Array, strips: Strips) -> list[EncodedRun]:
    """One run per machine.

    machines: of each stretch, ascending. strips: of each machine its merged series (see `strips.merged`).
    """
    if not len(strips):
        return []
    first = np.flatnonzero(np.append(True, machines[1:] != machines[:-1]))
    shared = _shared_times(strips, first)
    own = np.where(shared, 0, strips.counts)
    entries = np.diff(np.append(first, len(machines)))
    times, readings = np.add.reduceat(own, first), np.add.reduceat(strips.counts, first)
    sizes = 1 + entries + times + readings
    begins = np.cumsum(sizes) - sizes
    words = np.empty(int(sizes.sum()), np.uint64)
    words[begins] = entries.astype(np.uint64) | times.astype(np.uint64) << _HALF
    words[ranges(begins + 1, entries)] = (
        strips.series.astype(np.uint64) | strips.counts.astype(np.uint64) << _HALF | shared.astype(np.uint64) << 63
    )
    kept = strips.t_ms if not shared.any() else strips.t_ms[np.repeat(~shared, strips.counts)]
    words[ranges(begins + 1 + entries, times)] = kept.view(np.uint64)
    words[ranges(begins + 1 + entries + times, readings)] = strips.values.view(np.uint64)
    body = words.astype("<u8", copy=False).tobytes()
    lowest, highest = _span(strips, readings)
    columns = (machines[first], lowest, highest, readings, begins * 8, (begins + sizes) * 8)
    return [
        EncodedRun(machine, low, high, count, body[begin:end])
        for machine, low, high, count, begin, end in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _span(strips: Strips, readings: Int64Array) -> tuple[Int64Array, Int64Array]:
    begins = np.cumsum(readings) - readings
    return np.minimum.reduceat(strips.t_ms, begins), np.maximum.reduceat(strips.t_ms, begins)


def _shared_times(strips: Strips, first: Int64Array) -> BoolArray:
    """Which stretches have exactly the times of the one before, within a machine."""
    counts = strips.counts
    likely = np.append(False, counts[1:] == counts[:-1])
    likely[first] = False
    if not likely.any():
        return likely
    begins = (np.cumsum(counts) - counts)[likely]
    here = ranges(begins, counts[likely])
    equal = strips.t_ms[here] == strips.t_ms[here - np.repeat(counts[likely], counts[likely])]
    likely[likely] = np.logical_and.reduceat(equal, np.cumsum(counts[likely]) - counts[likely])
    return likely


def runs_decode(bodies: bytes, sizes: Int64Array, *, series: Int64Array | None = None) -> tuple[Int64Array, Strips]:
    """The stretches of many runs, in the runs' order, and which run each one is from.

    bodies: not compressed, one behind the other; sizes: how long each is; series: take these alone.
    """
    if not len(sizes):
        return NOTHING.series, NOTHING
    words = np.frombuffer(bodies, "<u8")
    begins = (np.cumsum(sizes) - sizes) // 8
    entries, times = (words[begins] & _LOW).astype(np.int64), (words[begins] >> _HALF).astype(np.int64)
    entry = words[ranges(begins + 1, entries)]
    run = np.repeat(np.arange(len(sizes)), entries)
    numbers, counts = (entry & _LOW).astype(np.int64), (entry >> _HALF & _COUNT).astype(np.int64)
    t_at = _times_at(entry & _TOP != 0, counts, entries) + (begins + 1 + entries)[run]
    v_at = _within(counts, entries) + (begins + 1 + entries + times)[run]
    if series is not None:
        keep = np.isin(numbers, series)
        run, numbers, counts, t_at, v_at = run[keep], numbers[keep], counts[keep], t_at[keep], v_at[keep]
    t_ms, values = words[ranges(t_at, counts)].view(np.int64), words[ranges(v_at, counts)].view(np.float64)
    return run, Strips(numbers, counts, t_ms, values)


def _within(counts: Int64Array, entries: Int64Array) -> Int64Array:
    """Where each stretch begins among its run's own."""
    before = np.cumsum(counts) - counts
    return np.asarray(before - np.repeat(before[np.cumsum(entries) - entries], entries))


def _times_at(shared: BoolArray, counts: Int64Array, entries: Int64Array) -> Int64Array:
    at = _within(np.where(shared, 0, counts), entries)
    owner = np.maximum.accumulate(np.where(shared, 0, np.arange(len(counts))))
    return at[owner]


def compress(body: bytes) -> bytes:
    """A body for long keeping."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(body)


def decompress(bodies: bytes, sizes: Int64Array, compressed: BoolArray) -> tuple[bytes, Int64Array]:
    """Bodies of which some are compressed, one behind the other, as they were before, and how long each is."""
    if not compressed.any():
        return bodies, sizes
    decompressor, ends = zstandard.ZstdDecompressor(), np.cumsum(sizes)
    parts = [
        decompressor.decompress(bodies[begin:end]) if is_compressed else bodies[begin:end]
        for begin, end, is_compressed in zip(
            *((ends - sizes).tolist(), ends.tolist(), compressed.tolist()), strict=True
        )
    ]
    return b"".join(parts), np.array([len(part) for part in parts], np.int64)
