"""Gathers readings of any number of bodies into columns, with what each body had refused. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telemetry.ingest.refusals import Rejection
from telemetry.readings import Float64Array, Int64Array, ReadingBatch, Series

# No sensor measures beyond this, and float64 keeps no unit digits there: a number of 30 digits is a fault, not a value.
LARGEST_VALUE = 1e18


@dataclass(slots=True)
class _Points:
    t_ms: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    index: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ParsedPayload:
    """Readable readings in columns and the values that were refused.

    index: for each series of the batch, where its readings stood in the body.
    """

    batch: ReadingBatch
    rejected: list[Rejection]
    index: Sequence[NDArray[np.int64]] = ()


class Columns:
    """Readings by machine and metric, in the order of their arrival.

    >>> columns = Columns()
    >>> columns.point("M01", "vibration", 1000, 2.1, index=0)
    >>> columns.point("M01", "vibration", 1000, float("inf"), index=1)
    >>> parsed = columns.finish()
    >>> len(parsed.batch), parsed.rejected[0].code
    (1, 'not_finite')
    """

    def __init__(self) -> None:
        self._points: dict[tuple[str, str], _Points] = {}
        self._blocks: list[tuple[Series, NDArray[np.int64]]] = []
        self.rejected: list[Rejection] = []

    def point(self, machine: str, metric: str, t_ms: int, value: float, *, index: int) -> None:
        """Take one reading."""
        if not -LARGEST_VALUE <= value <= LARGEST_VALUE:  # NaN compares false
            code, detail = value_fault(value)
            self.rejected.append(Rejection(index, metric, code, detail, machine))
            return
        points = self._points.get((machine, metric))
        if points is None:
            points = self._points[machine, metric] = _Points()
        points.t_ms.append(t_ms)
        points.values.append(value)
        points.index.append(index)

    def block(self, machine: str, metric: str, t_ms: Int64Array, values: Float64Array) -> None:
        """Take a column; values that are no readings are refused one by one, the rest stays a column."""
        index = np.arange(len(values))
        good = np.abs(values) <= LARGEST_VALUE
        if not good.all():
            for at in np.flatnonzero(~good).tolist():
                code, detail = value_fault(float(values[at]))
                self.rejected.append(Rejection(at, metric, code, detail, machine))
            t_ms, values, index = t_ms[good], values[good], index[good]
        if len(values):
            self._blocks.append((Series(machine, metric, t_ms, values), index))

    def refuse(self, rejection: Rejection) -> None:
        """Take note of a value that is no reading."""
        self.rejected.append(rejection)

    def finish(self) -> ParsedPayload:
        """The columns so far."""
        series = [
            Series(machine, metric, np.array(p.t_ms, np.int64), np.array(p.values, np.float64))
            for (machine, metric), p in self._points.items()
        ]
        index = [np.array(p.index, np.int64) for p in self._points.values()]
        series += [block for block, _ in self._blocks]
        index += [where for _, where in self._blocks]
        return ParsedPayload(ReadingBatch(series), self.rejected, index)


def value_fault(value: float) -> tuple[str, str]:
    """Code and detail for a number that is no reading."""
    if value - value != 0:  # NaN and the infinities
        return "not_finite", "NaN, Infinity and numbers beyond float64 are no readings"
    return "out_of_range", f"beyond ±{LARGEST_VALUE:g} nothing is measured"
