"""Gathers readings of any number of bodies into columns, with what each body had refused. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from telemetry.ingest.arrivals import Arrivals
from telemetry.ingest.refusals import Rejection
from telemetry.readings import Float64Array, Int64Array, Key, ReadingBatch

# No sensor measures beyond this, and float64 keeps no unit digits there: a number of 30 digits is a fault, not a value.
LARGEST_VALUE = 1e18

Shape: TypeAlias = tuple[str, ...]
_LONGEST_KEPT = 100


@dataclass(frozen=True, slots=True)
class ParsedPayload:
    """Readable readings in columns and the values that were refused.

    index: where each reading of the batch stood in the body, shape (n,).
    """

    batch: ReadingBatch
    rejected: list[Rejection]
    index: Int64Array


@dataclass(frozen=True, slots=True)
class _Block:
    code: int
    t_ms: Int64Array
    values: Float64Array
    index: Int64Array


class Columns:
    """Readings by machine and metric, in the order of their arrival; blocks behind what came reading by reading.

    >>> columns = Columns()
    >>> columns.row("M01", {"vibration": 2.1, "temperature": 71.3}, t_ms=1000, index=0)
    >>> columns.row("M01", {"vibration": float("inf")}, t_ms=1000, index=1)
    >>> parsed = columns.finish()
    >>> len(parsed.batch), parsed.rejected[0].code
    (2, 'not_finite')
    """

    def __init__(self, arrivals: Arrivals | None = None) -> None:
        # Those of readings without a time of their own: of this body alone, or of all that came before it, too.
        self.arrivals = arrivals or Arrivals()
        self._keys: list[Key] = []
        # What a machine sent first is what it mostly sends; whatever else it sends is found by key.
        self._shapes: dict[str, tuple[Shape, range]] = {}
        self._codes: dict[Key, int] = {}
        self._row_codes: list[int] = []
        self._row_values: list[float] = []
        # Of each row: its time, its place in the body, and how many values it has.
        self._t_ms: list[int] = []
        self._index: list[int] = []
        self._lengths: list[int] = []
        self._blocks: list[_Block] = []
        self.rejected: list[Rejection] = []

    def row(self, machine: str, metrics: Mapping[str, float], *, t_ms: int, index: int) -> None:
        """Take one reading of each metric; values that are no readings are refused one by one."""
        shape = tuple(metrics)
        # Many machines of one metric are what a gateway sends: one comparison for each, which NaN makes false.
        if not (-LARGEST_VALUE <= metrics[shape[0]] <= LARGEST_VALUE if len(shape) == 1 else _measurable(metrics)):
            metrics = self._sifted(machine, metrics, index)
            shape = tuple(metrics)
        known = self._shapes.get(machine)
        if known is None:
            keys, first = self._keys, len(self._keys)
            keys += _shape_keys_again(machine, shape) if len(shape) <= _LONGEST_KEPT else _shape_keys(machine, shape)
            known = self._shapes[machine] = (shape, range(first, len(keys)))
        self._row_codes += known[1] if known[0] == shape else [self._code(machine, metric) for metric in shape]
        self._row_values += metrics.values()
        self._t_ms.append(t_ms)
        self._index.append(index)
        self._lengths.append(len(shape))

    def point(self, machine: str, metric: str, t_ms: int, value: float, *, index: int) -> None:
        """Take one reading."""
        self.row(machine, {metric: value}, t_ms=t_ms, index=index)

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
            self._blocks.append(_Block(self._code(machine, metric), t_ms, values, index))

    def refuse(self, rejection: Rejection) -> None:
        """Take note of a value that is no reading."""
        self.rejected.append(rejection)

    def finish(self) -> ParsedPayload:
        """The columns so far."""
        lengths = np.array(self._lengths, np.int64)
        codes = np.array(self._row_codes, np.int32)
        t_ms = np.array(self._t_ms, np.int64).repeat(lengths)
        values = np.array(self._row_values, np.float64)
        index = np.array(self._index, np.int64).repeat(lengths)
        if self._blocks:
            sizes = [len(block.values) for block in self._blocks]
            codes = np.append(codes, np.repeat([block.code for block in self._blocks], sizes).astype(np.int32))
            t_ms = np.concatenate([t_ms, *(block.t_ms for block in self._blocks)])
            values = np.concatenate([values, *(block.values for block in self._blocks)])
            index = np.concatenate([index, *(block.index for block in self._blocks)])
        return ParsedPayload(ReadingBatch.of_columns(self._keys, codes, t_ms, values), self.rejected, index)

    def _new_codes(self, keys: Sequence[Key]) -> range:
        first = len(self._keys)
        self._keys += keys
        return range(first, len(self._keys))

    def _code(self, machine: str, metric: str) -> int:
        shape, codes = self._shapes.setdefault(machine, ((), range(0)))
        if metric in shape:
            return codes[shape.index(metric)]
        code = self._codes.get((machine, metric))
        if code is None:
            code = self._codes[machine, metric] = self._new_codes([(machine, metric)])[0]
        return code

    def _sifted(self, machine: str, metrics: Mapping[str, float], index: int) -> Mapping[str, float]:
        good = {}
        for metric, value in metrics.items():
            if -LARGEST_VALUE <= value <= LARGEST_VALUE:
                good[metric] = value
            else:
                code, detail = value_fault(value)
                self.rejected.append(Rejection(index, metric, code, detail, machine))
        return good


def _shape_keys(machine: str, metrics: Shape) -> Sequence[Key]:
    """The keys of a machine's metrics."""
    return [(machine, metric) for metric in metrics]


_shape_keys_again = lru_cache(maxsize=10_000)(_shape_keys)


def _measurable(metrics: Mapping[str, float]) -> bool:
    """Whether there are values, all of them readings."""
    values = metrics.values()
    # The sum of finite values of this size is finite; NaN makes every comparison false.
    if not metrics or not (min(values) >= -LARGEST_VALUE and max(values) <= LARGEST_VALUE):
        return False
    total = sum(values)
    return total - total == 0


def value_fault(value: float) -> tuple[str, str]:
    """Code and detail for a number that is no reading."""
    if value - value != 0:  # NaN and the infinities
        return "not_finite", "NaN, Infinity and numbers beyond float64 are no readings"
    return "out_of_range", f"beyond ±{LARGEST_VALUE:g} nothing is measured"
