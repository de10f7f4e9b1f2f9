"""Count, minimum, maximum and sum per stretch of time, of many series at once. Pure: numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Float64Array, Int64Array
from telemetry.store.strips import Strips


@dataclass(frozen=True, slots=True)
class Aggregates:
    """One row per series and stretch; equally long columns.

    t_ms: where each stretch begins; count: readings in it, > 0; minimum, maximum, total: over them.
    """

    series: Int64Array
    t_ms: Int64Array
    count: Int64Array
    minimum: Float64Array
    maximum: Float64Array
    total: Float64Array

    def __len__(self) -> int:
        return len(self.t_ms)

    def rows(self, which: NDArray[np.bool_] | slice) -> "Aggregates":
        """Some of the rows."""
        return Aggregates(
            self.series[which],
            self.t_ms[which],
            self.count[which],
            self.minimum[which],
            self.maximum[which],
            self.total[which],
        )

    def widened(self, width_ms: int) -> "Aggregates":
        """Gathered into stretches of `width_ms`, whose starts are multiples of it; by series, then time."""
        if not len(self):
            return self
        stretch = self.t_ms // width_ms
        lowest = stretch.min()
        # One key, because what is nearly in order is sorted much faster by one than by two.
        place = self.series * (stretch.max() - lowest + 1) + (stretch - lowest)
        order = np.argsort(place, kind="stable")
        first = np.flatnonzero(np.diff(place[order], prepend=-1))
        return Aggregates(
            self.series[order[first]],
            stretch[order[first]] * width_ms,
            np.add.reduceat(self.count[order], first),
            np.minimum.reduceat(self.minimum[order], first),
            np.maximum.reduceat(self.maximum[order], first),
            np.add.reduceat(self.total[order], first),
        )


def aggregated(strips: Strips, width_ms: int) -> Aggregates:
    """Merged readings by stretches of `width_ms`, by series, then time.

    >>> strips = Strips.of([(7, np.array([0, 5, 12]), np.array([1.0, 3.0, 5.0]))])
    >>> rows = aggregated(strips, 10)
    >>> rows.t_ms.tolist(), rows.count.tolist(), rows.total.tolist()
    ([0, 10], [2, 1], [4.0, 5.0])
    """
    if not len(strips):
        return NO_AGGREGATES
    series, start = np.repeat(strips.series, strips.counts), strips.t_ms // width_ms * width_ms
    first = np.flatnonzero(np.append(True, (series[1:] != series[:-1]) | (start[1:] != start[:-1])))
    # A sum beyond float64 is infinite; minimum and maximum stay what they are.
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduceat(strips.values, first)
    return Aggregates(
        series[first],
        start[first],
        np.diff(np.append(first, len(strips))),
        np.minimum.reduceat(strips.values, first),
        np.maximum.reduceat(strips.values, first),
        total,
    )


def gathered(parts: Sequence[Aggregates], width_ms: int) -> Aggregates:
    """Aggregates of different readings of the same series, as one with stretches of `width_ms`."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return NO_AGGREGATES
    return Aggregates(
        np.concatenate([part.series for part in filled]),
        np.concatenate([part.t_ms for part in filled]),
        np.concatenate([part.count for part in filled]),
        np.concatenate([part.minimum for part in filled]),
        np.concatenate([part.maximum for part in filled]),
        np.concatenate([part.total for part in filled]),
    ).widened(width_ms)


_NO_INTEGERS, _NO_FLOATS = np.zeros(0, np.int64), np.zeros(0)
NO_AGGREGATES = Aggregates(_NO_INTEGERS, _NO_INTEGERS, _NO_INTEGERS, _NO_FLOATS, _NO_FLOATS, _NO_FLOATS)
