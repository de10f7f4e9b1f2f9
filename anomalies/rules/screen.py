"""Readings as they arrive, looked through for what turns a condition of a rule: who has to be evaluated at once.

A sieve and no judge: it remembers only what this process has seen, knows neither trees nor cool-downs, and leaves
conditions on changes, differences and silence to the ordinary run. What it lets through is evaluated by `watch`, with
the states in the database; what it overlooks is, too, a moment later. Pure: numpy alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from anomalies.rules.columns import NEVER, Asked, Family, Stands, Truth, advance
from anomalies.rules.engine import Leaf, Program, asked_of
from telemetry.readings import BoolArray, Float64Array, Int64Array, Key, ReadingBatch

# A rule's machine, and where among its conditions this one stands: what a stream's state outlives an edit by.
Stream = tuple[int, str, int, Leaf]


@dataclass(frozen=True, slots=True)
class Hit:
    """A reading turned a condition: whose reading it was, when (ms), and whose rules ask for it."""

    reported_by: str
    t_ms: int
    concerns: str


class Screen:
    """The plain conditions of all rules of a factory, over one series each. One thread's at a time."""

    def __init__(self, running: Iterable[tuple[int, str, Program]], before: "Screen | None" = None) -> None:
        """running: rule, machine and program of all that stands; before: whose memory goes on."""
        streams = [
            (rule, machine, place, leaf)
            for rule, machine, program in running
            for place, leaf in enumerate(program.leaves)
            if leaf.family is not Family.NO_DATA and leaf.minus is None and not leaf.over_ms
        ]
        # Streams of one series stand side by side, so that a reading is given to all of them by counting.
        self._streams: list[Stream] = sorted(streams, key=lambda stream: stream[3].key)
        self._places: dict[Key, int] = {}
        for stream in self._streams:
            self._places.setdefault(stream[3].key, len(self._places))
        owners = np.array([self._places[stream[3].key] for stream in self._streams], np.int64)
        self._counts: Int64Array = np.bincount(owners, minlength=len(self._places))
        self._firsts: Int64Array = np.cumsum(self._counts) - self._counts
        self._asked: Asked = asked_of([stream[3] for stream in self._streams])
        self._stands = _remembered(self._streams, before)

    def __len__(self) -> int:
        return len(self._streams)

    def look(self, batches: Sequence[ReadingBatch]) -> list[Hit]:
        """Take what has arrived, in order of arrival; the conditions that it turned true, each once."""
        found = [self._picked(batch) for batch in batches]
        place, t_ms, values = (np.concatenate(columns) for columns in zip(*found, strict=True)) if found else _NOTHING
        if not len(place):
            return []
        stream, t_ms, values = self._ordered(place, t_ms, values)
        self._stands, turns = advance(self._asked, self._stands, stream, t_ms, values)
        true = np.flatnonzero(turns.truth == Truth.TRUE)
        return [self._hit(*turn) for turn in zip(turns.stream[true].tolist(), turns.t_ms[true].tolist(), strict=True)]

    def _picked(self, batch: ReadingBatch) -> tuple[Int64Array, Int64Array, Float64Array]:
        """The readings of a batch that anybody asks for, by place of their series."""
        places = np.array([self._places.get((machine, metric), -1) for machine, metric in batch.keys], np.int64)
        place = places[batch.codes]
        asked: BoolArray = place >= 0
        return place[asked], batch.t_ms[asked], batch.values[asked]

    def _ordered(
        self, place: Int64Array, t_ms: Int64Array, values: Float64Array
    ) -> tuple[Int64Array, Int64Array, Float64Array]:
        """A row for each stream that a reading belongs to, as `advance` takes them; what is not new is left out."""
        counts = self._counts[place]
        row = np.repeat(np.arange(len(place)), counts)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        stream, t_ms, values = self._firsts[place][row] + nth, t_ms[row], values[row]
        order = np.lexsort((t_ms, stream))
        stream, t_ms, values = stream[order], t_ms[order], values[order]
        keep = t_ms > self._stands.to_ms[stream]
        # Of equal times the last arrival stands.
        keep[:-1] &= (stream[1:] != stream[:-1]) | (t_ms[1:] != t_ms[:-1])
        return stream[keep], t_ms[keep], values[keep]

    def _hit(self, stream: int, t_ms: int) -> Hit:
        _rule, machine, _place, leaf = self._streams[stream]
        return Hit(leaf.key[0], t_ms, machine)

    def memory(self) -> tuple[dict[Stream, int], Stands]:
        """Which stream stands at which place of the columns beside it."""
        return {stream: place for place, stream in enumerate(self._streams)}, self._stands


_NOTHING = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def _remembered(streams: Sequence[Stream], before: Screen | None) -> Stands:
    """Where streams stood in an earlier screen: an edit of one rule must not let through all that is wrong already."""
    count = len(streams)
    stands = Stands(
        np.full(count, NEVER, np.int64),
        np.full(count, NEVER, np.int64),
        np.zeros(count, np.bool_),
        np.zeros(count, np.int64),
        np.full(count, np.nan),
        np.full(count, np.nan),
    )
    if before is None or not len(before):
        return stands
    places, held = before.memory()
    source = np.array([places.get(stream, -1) for stream in streams], np.int64)
    known = source >= 0
    for name in ("to_ms", "since_ms", "active", "step_ms", "last", "worst"):
        getattr(stands, name)[known] = getattr(held, name)[source[known]]
    return stands
