"""Compaction: many small runs become one, and runs of hours that have passed become hours.

Each step is one transaction that deletes exactly the runs it has read and adds what they became: killed midway it never
happened, and a run that is written meanwhile stays for the next time. One process at a time compacts a factory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from common import clock
from telemetry.readings import Int64Array
from telemetry.store.hour_format import HOUR_MS, hours_decode, hours_encode
from telemetry.store.pg_binary import INT4, INT8
from telemetry.store.pg_tables import (
    hours_insert,
    numbers_read,
    reorganising,
    rows_read,
    runs_keep,
    statement,
    translated,
)
from telemetry.store.run_format import EncodedRun, compress, decompress, runs_decode, runs_encode
from telemetry.store.strips import BoolArray, Strips, merged, merged_by

# A machine's runs are merged from this many on: a read decodes them all.
_RUNS_TO_MERGE = 16
# Readings that come a little late still find their hour open, and are not merged into it one by one.
_GRACE_MS = 120_000
# Bounds the memory and the length of one transaction.
_READINGS_PER_STEP = 250_000

_DUE = """
    SELECT machine, seq, n FROM {run} WHERE from_ms < {closed_ms} OR (level = 0 AND machine IN (
        SELECT machine FROM {run} WHERE level = 0 GROUP BY machine HAVING count(*) >= {many}))
    ORDER BY machine, seq
"""
_TAKE_RUNS = statement("""
    DELETE FROM {run} AS r USING unnest(%(machines)s::int4[], %(seqs)s::int8[]) AS k (machine, seq)
    WHERE r.machine = k.machine AND r.seq = k.seq RETURNING r.machine, r.seq, r.level, r.body
""")
_TAKE_HOURS = statement("""
    DELETE FROM {hour} AS h USING unnest(%(series)s::int4[], %(hours)s::int4[]) AS k (series, hour)
    WHERE h.series = k.series AND h.hour = k.hour RETURNING h.series, h.hour, h.body
""")


@dataclass(frozen=True, slots=True)
class Compacted:
    """What one call did. complete: False when time ran out or somebody else is at it."""

    runs: int
    readings: int
    complete: bool


def compact(*, within_s: float = 5.0, closed_ms: int | None = None, wait: bool = False) -> Compacted:
    """Merge the current factory's runs, for about `within_s` seconds; what is left waits for the next call.

    closed_ms: readings before it go into hours; by default the hour that has just begun, with a little grace.
    wait: until whoever compacts right now has finished a step. Raises StoreUnavailableError.
    """
    if closed_ms is None:
        closed_ms = (clock.now_ms() - _GRACE_MS) // HOUR_MS * HOUR_MS
    deadline_s = clock.monotonic_s() + within_s
    runs = readings = 0
    with translated():
        for machines, seqs in _steps(closed_ms):
            if clock.monotonic_s() > deadline_s:
                return Compacted(runs, readings, complete=False)
            with reorganising(wait=wait) as alone:
                if not alone:
                    return Compacted(runs, readings, complete=False)
                taken = _step(machines, seqs, closed_ms)
            runs, readings = runs + len(seqs), readings + taken
    return Compacted(runs, readings, complete=True)


def _steps(closed_ms: int) -> Iterator[tuple[Int64Array, Int64Array]]:
    """(machines, seqs) of the runs of each step: by machine, and of a machine the oldest first."""
    columns = [("machine", INT4), ("seq", INT8), ("n", INT4)]
    due = numbers_read(_DUE, columns, closed_ms=closed_ms, many=_RUNS_TO_MERGE)
    step = np.cumsum(due["n"], dtype=np.int64) // _READINGS_PER_STEP
    for cut in np.split(np.arange(len(step)), np.flatnonzero(np.diff(step)) + 1):
        if len(cut):
            yield due["machine"][cut], due["seq"][cut]


@dataclass(frozen=True, slots=True)
class _Taken:
    """Runs of one step, by machine and seq, and their readings. run: of each stretch, which of them it is from."""

    machines: Int64Array
    seqs: Int64Array
    levels: Int64Array
    run: Int64Array
    strips: Strips


def _step(machines: Int64Array, seqs: Int64Array, closed_ms: int) -> int:
    rows = rows_read(_TAKE_RUNS, machines=machines.tolist(), seqs=seqs.tolist())
    if not rows:
        return 0
    rows.sort(key=lambda row: (row[0], row[1]))
    bodies = [decompress(body) if level else body for _machine, _seq, level, body in rows]
    run, strips = runs_decode(bodies)
    numbers = np.array([row[:3] for row in rows], np.int64)
    taken = _Taken(numbers[:, 0], numbers[:, 1], numbers[:, 2], run, strips)
    is_open = strips.t_ms >= closed_ms
    _hours_fold(strips.kept(~is_open))
    _runs_merge(taken, is_open)
    return len(strips)


def _hours_fold(strips: Strips) -> None:
    """Merge readings into their hours; what came later stands."""
    if not len(strips):
        return
    late = merged(strips)
    keys = np.unique(np.repeat(late.series, late.counts) << 32 | late.t_ms // HOUR_MS)
    taken = rows_read(_TAKE_HOURS, series=(keys >> 32).tolist(), hours=(keys & 0xFFFF_FFFF).tolist())
    if taken:
        late = merged(Strips.joined([hours_decode(taken), late]))
    hours_insert(hours_encode(late))


def _runs_merge(taken: _Taken, is_open: BoolArray) -> None:
    """Write what stays open: the new runs of a machine as one when they are many, each other under its own number."""
    target = _targets(taken)
    strips = taken.strips.kept(is_open)
    to = target[taken.run[taken.strips.tally(is_open) > 0]]
    groups, counts, t_ms, values = merged_by(to << 32 | strips.series, strips)
    encoded = runs_encode(groups >> 32, Strips(groups & 0xFFFF_FFFF, counts, t_ms, values))
    runs_keep(_numbered(encoded, taken, target))


def _targets(taken: _Taken) -> Int64Array:
    """Of each run, the one it is merged into: itself, or the newest of its machine's."""
    target = np.arange(len(taken.machines))
    new = np.flatnonzero(taken.levels == 0)
    _machines, first, counts = np.unique(taken.machines[new], return_index=True, return_counts=True)
    for begin, count in zip(first[counts >= _RUNS_TO_MERGE], counts[counts >= _RUNS_TO_MERGE], strict=True):
        target[new[begin : begin + count]] = new[begin + count - 1]
    return target


def _numbered(
    encoded: Sequence[EncodedRun], taken: _Taken, target: Int64Array
) -> Iterator[tuple[EncodedRun, int, int]]:
    merged_into = np.bincount(target, minlength=len(target))
    for part in encoded:
        at = part.machine
        level = 1 if taken.levels[at] or merged_into[at] > 1 else 0
        body = compress(part.body) if level else part.body
        run = EncodedRun(int(taken.machines[at]), part.from_ms, part.to_ms, part.count, body)
        yield run, int(taken.seqs[at]), level
