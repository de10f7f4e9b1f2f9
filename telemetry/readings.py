"""ReadingBatch: readings in columns, the one currency between rooms. Pure: numpy and msgspec alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one metric of one machine.

    t_ms: epoch milliseconds, shape (n,); values: shape (n,), finite.
    """

    machine: str
    metric: str
    t_ms: Int64Array
    values: Float64Array

    def __len__(self) -> int:
        return len(self.t_ms)


class _WireSeries(msgspec.Struct, array_like=True):
    machine: str
    metric: str
    t_ms: bytes
    values: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_WireSeries])


@dataclass(frozen=True, slots=True)
class ReadingBatch:
    """Any number of series, in the order in which they arrived.

    >>> batch = ReadingBatch([Series("M01", "vibration", np.array([1000]), np.array([2.1]))])
    >>> len(batch), ReadingBatch.from_bytes(batch.to_bytes()).series[0].values.tolist()
    (1, [2.1])
    """

    series: Sequence[Series] = field(default_factory=tuple)

    def __len__(self) -> int:
        return sum(len(part) for part in self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def to_bytes(self) -> bytes:
        """Little-endian columns in msgpack: what the journal keeps."""
        return _encoder.encode(
            [
                _WireSeries(
                    s.machine,
                    s.metric,
                    s.t_ms.astype("<i8", copy=False).tobytes(),
                    s.values.astype("<f8", copy=False).tobytes(),
                )
                for s in self.series
            ]
        )

    @classmethod
    def from_bytes(cls, encoded: bytes) -> "ReadingBatch":
        """The inverse of `to_bytes`. Raises msgspec.DecodeError for anything else."""
        return cls(
            [
                Series(w.machine, w.metric, np.frombuffer(w.t_ms, "<i8"), np.frombuffer(w.values, "<f8"))
                for w in _decoder.decode(encoded)
            ]
        )

    @classmethod
    def merged(cls, batches: Sequence["ReadingBatch"]) -> "ReadingBatch":
        """One series per (machine, metric), its readings in time order; of equal times the last arrival stands."""
        parts: dict[tuple[str, str], list[Series]] = {}
        for batch in batches:
            for s in batch.series:
                parts.setdefault((s.machine, s.metric), []).append(s)
        return cls([_merge_series(same) for same in parts.values()])


def _merge_series(parts: list[Series]) -> Series:
    t_ms = np.concatenate([p.t_ms for p in parts])
    values = np.concatenate([p.values for p in parts])
    order = np.argsort(t_ms, kind="stable")
    t_ms, values = t_ms[order], values[order]
    last_of_equal = np.append(t_ms[1:] != t_ms[:-1], True) if len(t_ms) else np.zeros(0, dtype=bool)
    return Series(parts[0].machine, parts[0].metric, t_ms[last_of_equal], values[last_of_equal])
