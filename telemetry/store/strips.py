"""Strips: many stretches of readings in flat columns, and how they are merged. Pure: numpy alone.

The PostgreSQL store works on thousands of short stretches at once (one per series and batch): as flat columns each step
is a handful of numpy calls, however many stretches there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array, Int64Array

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Strips:
    """Stretches of readings, one after the other.

    series: number of each stretch's series, shape (k,); counts: readings in each, > 0, shape (k,);
    t_ms, values: the readings of all stretches in turn, shape (counts.sum(),).
    """

    series: Int64Array
    counts: Int64Array
    t_ms: Int64Array
    values: Float64Array

    def __len__(self) -> int:
        return len(self.t_ms)

    @classmethod
    def of(cls, parts: Sequence[tuple[int, Int64Array, Float64Array]]) -> "Strips":
        """(series, t_ms, values) of each stretch."""
        if not parts:
            return NOTHING
        return cls(
            np.array([series for series, _, _ in parts], np.int64),
            np.array([len(t_ms) for _, t_ms, _ in parts], np.int64),
            np.concatenate([t_ms for _, t_ms, _ in parts]),
            np.concatenate([values for _, _, values in parts]),
        )

    @classmethod
    def joined(cls, parts: Sequence["Strips"]) -> "Strips":
        """The stretches of the first, then those of the second, ..."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.series for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.t_ms for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    def ordered(self, order: NDArray[Any]) -> "Strips":
        """These stretches, in this order."""
        counts = self.counts[order]
        readings = ranges((np.cumsum(self.counts) - self.counts)[order], counts)
        return Strips(self.series[order], counts, self.t_ms[readings], self.values[readings])

    def kept(self, keep: BoolArray) -> "Strips":
        """These readings alone; a stretch that keeps none is left out. keep: one per reading."""
        if keep.all():
            return self
        counts = self.tally(keep)
        return Strips(self.series[counts > 0], counts[counts > 0], self.t_ms[keep], self.values[keep])

    def tally(self, keep: BoolArray) -> Int64Array:
        """How many readings of each stretch are among these. keep: one per reading."""
        return np.bincount(np.repeat(np.arange(len(self.series)), self.counts)[keep], minlength=len(self.series))

    def of_series(self, number: int) -> tuple[Int64Array, Float64Array]:
        """(t_ms, values) of one series of merged stretches, where each series has one at most."""
        at = int(np.searchsorted(self.series, number))
        if at == len(self.series) or self.series[at] != number:
            return self.t_ms[:0], self.values[:0]
        begin = int(self.counts[:at].sum())
        end = begin + int(self.counts[at])
        return self.t_ms[begin:end], self.values[begin:end]


NOTHING = Strips(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def ranges(starts: Int64Array, counts: Int64Array) -> Int64Array:
    """starts[0], starts[0] + 1, ..., counts[0] of them; then the same of the next.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    return np.asarray(np.arange(int(counts.sum())) + np.repeat(starts - (np.cumsum(counts) - counts), counts))


def merged(strips: Strips) -> Strips:
    """One stretch per series, series and times ascending, each time once: of equal times the later stretch stands.

    >>> old, new = (1, np.array([10, 20]), np.array([1.0, 2.0])), (1, np.array([20]), np.array([9.0]))
    >>> merged(Strips.of([old, new])).values.tolist()
    [1.0, 9.0]
    """
    groups, counts, t_ms, values = merged_by(strips.series, strips)
    return Strips(groups, counts, t_ms, values)


def merged_by(groups: Int64Array, strips: Strips) -> tuple[Int64Array, Int64Array, Int64Array, Float64Array]:
    """As `merged`, with stretches gathered by any number instead of their series; columns of what `merged` returns.

    groups: one per stretch.
    """
    if not len(strips):
        return NOTHING.series, NOTHING.counts, NOTHING.t_ms, NOTHING.values
    if (groups[1:] < groups[:-1]).any():
        order = np.argsort(groups, kind="stable")
        groups, strips = groups[order], strips.ordered(order)
    first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    counts = np.add.reduceat(strips.counts, first)
    group = np.repeat(np.arange(len(first)), counts)
    t_ms, values, keep = _in_order(group, strips.t_ms, strips.values)
    if keep is not None:
        counts, t_ms, values = np.bincount(group[keep], minlength=len(first)), t_ms[keep], values[keep]
    return groups[first], counts, t_ms, values


def _in_order(
    group: Int64Array, t_ms: Int64Array, values: Float64Array
) -> tuple[Int64Array, Float64Array, BoolArray | None]:
    """Times ascending within each group, and which readings no later one of the same time replaces (None: all)."""
    same = group[1:] == group[:-1]
    wrong = same & (t_ms[1:] <= t_ms[:-1])
    if not wrong.any():
        return t_ms, values, None
    # What comes in order, which is nearly everything, is not sorted.
    bad = np.zeros(int(group[-1]) + 1, np.bool_)
    bad[group[1:][wrong]] = True
    where = np.flatnonzero(bad[group])
    order = where[np.lexsort((t_ms[where], group[where]))]
    t_ms, values = t_ms.copy(), values.copy()
    t_ms[where], values[where] = t_ms[order], values[order]
    keep = np.append(~(same & (t_ms[1:] == t_ms[:-1])), True)
    return t_ms, values, keep
