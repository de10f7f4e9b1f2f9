"""Compaction: many small runs become one, and runs of hours that have passed become hours.

Each step is one transaction that deletes exactly the runs it has read and adds what they became: killed midway it never
happened, and a run that is written meanwhile stays for the next time. One process at a time compacts a factory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from common import clock
from telemetry.readings import Int64Array
from telemetry.store.hour_format import HOUR_MS, hours_decode, hours_encode, hours_touched
from telemetry.store.pg_tables import hours_insert, reorganising, rows_read, runs_keep, statement, translated
from telemetry.store.run_format import EncodedRun, compress, decompress, runs_decode, runs_encode
from telemetry.store.strips import BoolArray, Strips, merged, merged_by

# A machine's runs are merged from this many on: a read decodes them all.
_RUNS_TO_MERGE = 16
# Readings that come a little late still find their hour open, and are not merged into it one by one.
_GRACE_MS = 120_000
# Bounds the memory and the length of one transaction.
_READINGS_PER_STEP = 250_000

# Only runs newer than all that were merged before are merged: one that a step's end has left behind would come to stand
# above values that replaced its own. It waits for its hour to close.
_DUE = statement("""
    WITH merged AS (SELECT machine, max(seq) AS seq FROM {run} WHERE level > 0 GROUP BY machine),
    new AS (
        SELECT r.machine, r.seq, count(*) OVER (PARTITION BY r.machine) AS many
        FROM {run} AS r LEFT JOIN merged AS m USING (machine) WHERE r.level = 0 AND r.seq > coalesce(m.seq, 0)
    )
    SELECT coalesce(array_agg(machine), '{{}}'), coalesce(array_agg(seq), '{{}}'), coalesce(array_agg(n), '{{}}') FROM (
        SELECT machine, seq, n FROM {run}
        WHERE from_ms < %(closed_ms)s OR (machine, seq) IN (SELECT machine, seq FROM new WHERE many >= %(many)s)
        ORDER BY machine, seq
    ) AS due
""")
_TAKE_RUNS = statement("""
    WITH wanted AS (
        SELECT k.*, coalesce(
            (SELECT max(m.seq) FROM {run} AS m WHERE m.machine = k.machine AND m.level > 0), 0
        ) AS merged
        FROM unnest(%(machines)s::int4[], %(first)s::int8[], %(last)s::int8[]) AS k (machine, first, last)
    ), taken AS (
        DELETE FROM {run} AS r USING wanted AS k WHERE r.machine = k.machine AND r.seq BETWEEN k.first AND k.last
        RETURNING r.machine, r.seq, r.level, r.body, k.merged
    )
    SELECT array_agg(machine), array_agg(seq), array_agg(level), array_agg(merged),
        array_agg(length(body)), string_agg(body, '')
    FROM (SELECT * FROM taken ORDER BY machine, seq) AS ordered
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
        for step in _steps(closed_ms):
            if clock.monotonic_s() > deadline_s:
                return Compacted(runs, readings, complete=False)
            with reorganising(wait=wait) as alone:
                if not alone:
                    return Compacted(runs, readings, complete=False)
                taken = _taken(step)
                if taken is not None:
                    _sort_out(taken, closed_ms)
                    runs, readings = runs + len(taken.seqs), readings + len(taken.strips)
    return Compacted(runs, readings, complete=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """Which runs to take: of each machine those from a first to a last number."""

    machines: Int64Array
    first: Int64Array
    last: Int64Array


def _steps(closed_ms: int) -> Iterator[_Step]:
    """By machine, and of a machine the oldest runs first."""
    [(machines, seqs, readings)] = rows_read(_DUE, closed_ms=closed_ms, many=_RUNS_TO_MERGE)
    step = np.cumsum(readings) // _READINGS_PER_STEP
    for part in np.split(np.arange(len(step)), np.flatnonzero(np.diff(step)) + 1):
        if len(part):
            first = np.flatnonzero(np.diff(machines[part], prepend=-1))
            last = np.append(first[1:], len(part)) - 1
            yield _Step(machines[part][first], seqs[part][first], seqs[part][last])


@dataclass(frozen=True, slots=True)
class _Taken:
    """Runs of one step, by machine and seq, and their readings.

    new: which have not been merged, nor has any later one of their machine; run: of each stretch, which it is from.
    """

    machines: Int64Array
    seqs: Int64Array
    levels: Int64Array
    new: BoolArray
    run: Int64Array
    strips: Strips


def _taken(step: _Step) -> _Taken | None:
    [(machines, seqs, levels, merged_to, sizes, body)] = rows_read(
        _TAKE_RUNS, machines=step.machines.tolist(), first=step.first.tolist(), last=step.last.tolist()
    )
    if body is None:  # somebody else was here in between
        return None
    run, strips = runs_decode(*decompress(body, sizes, levels > 0))
    return _Taken(machines, seqs, levels, (levels == 0) & (seqs > merged_to), run, strips)


def _sort_out(taken: _Taken, closed_ms: int) -> None:
    is_open = taken.strips.t_ms >= closed_ms
    _hours_fold(taken.strips.kept(~is_open))
    _runs_merge(taken, is_open)


def _hours_fold(strips: Strips) -> None:
    """Merge readings into their hours; what came later stands."""
    if not len(strips):
        return
    late = merged(strips)
    keys = hours_touched(late)
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
    new = np.flatnonzero(taken.new)
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
