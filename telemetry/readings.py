"""ReadingBatch: readings in columns, the one currency between rooms. Pure: numpy and msgspec alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Key: TypeAlias = tuple[str, str]

_VERSION = 2
_OFFSET_BITS = 40  # 34 years in milliseconds


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


class _Wire(msgspec.Struct, array_like=True, gc=False):
    version: int
    keys: list[Key]
    first_ms: int
    codes: bytes
    offsets: bytes
    values: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Wire)


class ReadingBatch:
    """Readings of any number of series, in the order in which they arrived. Not to be changed once made.

    keys: (machine, metric) of each series, each once; codes: which of the keys a reading belongs to, shape (n,);
    t_ms: epoch milliseconds, shape (n,); values: finite, shape (n,). A key may have no reading.

    What comes from a thousand devices at once is a thousand series of one reading each: whoever must be fast takes the
    columns, whoever wants one series after the other takes `series`.

    >>> batch = ReadingBatch([Series("M01", "vibration", np.array([1000]), np.array([2.1]))])
    >>> len(batch), ReadingBatch.from_bytes(batch.to_bytes()).series[0].values.tolist()
    (1, [2.1])
    """

    __slots__ = ("_series", "codes", "keys", "t_ms", "values")

    def __init__(self, series: Iterable[Series] = ()) -> None:
        parts = list(series)
        places: dict[Key, int] = {}
        codes = [places.setdefault((part.machine, part.metric), len(places)) for part in parts]
        self.keys: Sequence[Key] = list(places)
        self.codes: Int32Array = np.repeat(np.array(codes, np.int32), [len(part) for part in parts])
        self.t_ms: Int64Array = _joined([part.t_ms for part in parts], np.int64)
        self.values: Float64Array = _joined([part.values for part in parts], np.float64)
        self._series: list[Series] | None = None

    @classmethod
    def of_columns(
        cls, keys: Sequence[Key], codes: Int32Array, t_ms: Int64Array, values: Float64Array
    ) -> "ReadingBatch":
        """From columns as they are described above."""
        batch = cls.__new__(cls)
        batch.keys, batch.codes, batch.t_ms, batch.values = keys, codes, t_ms, values
        batch._series = None
        return batch

    def __len__(self) -> int:
        return len(self.t_ms)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __repr__(self) -> str:
        return f"<ReadingBatch of {len(self)} readings in {len(self.keys)} series>"

    @property
    def series(self) -> Sequence[Series]:
        """One Series for each key that has readings, these in the order of their arrival."""
        if self._series is None:
            self._series = list(_split(self if _ascends(self.codes) else self.taken(_order(self.codes))))
        return self._series

    def spans(self) -> Iterator[tuple[Key, int, int]]:
        """Each series' key and where its first and last reading stand; of a batch such as `merged` makes.

        Ten thousand series of a few readings each would be ten thousand objects, and twice as many arrays, as `series`.

        >>> batch = ReadingBatch([Series("M01", "a", np.array([1, 2]), np.array([1.0, 2.0]))])
        >>> list(batch.spans())
        [(('M01', 'a'), 0, 1)]
        """
        firsts = np.flatnonzero(np.diff(self.codes, prepend=-1))
        lasts = np.append(firsts, len(self))[1:] - 1
        keys = map(self.keys.__getitem__, self.codes[firsts].tolist())
        return zip(keys, firsts.tolist(), lasts.tolist(), strict=True)

    def taken(self, which: NDArray[Any] | slice) -> "ReadingBatch":
        """These readings, by position or by mask, over the same keys."""
        return ReadingBatch.of_columns(self.keys, self.codes[which], self.t_ms[which], self.values[which])

    def only(self, which: BoolArray) -> "ReadingBatch":
        """These readings by mask, over the keys that they have."""
        part = self.taken(which)
        used = np.bincount(part.codes, minlength=len(self.keys)) > 0
        keys = [key for key, has in zip(self.keys, used.tolist(), strict=True) if has]
        return ReadingBatch.of_columns(keys, (np.cumsum(used, dtype=np.int32) - 1)[part.codes], part.t_ms, part.values)

    def to_bytes(self) -> bytes:
        """Little-endian columns in msgpack: what the journal keeps."""
        first_ms = int(self.t_ms.min()) if len(self) else 0
        offsets = self.t_ms - first_ms
        narrow = not len(self) or int(offsets.max()) < 1 << 32
        return _encoder.encode(
            _Wire(
                _VERSION,
                self.keys if isinstance(self.keys, list) else list(self.keys),
                first_ms,
                self.codes.astype("<u2" if len(self.keys) <= 1 << 16 else "<u4").tobytes(),
                offsets.astype("<u4" if narrow else "<i8").tobytes(),
                self.values.astype("<f8", copy=False).tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, encoded: bytes) -> "ReadingBatch":
        """The inverse of `to_bytes`. Raises msgspec.DecodeError for anything else."""
        try:
            wire = _decoder.decode(encoded)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError("a name is not UTF-8") from error
        count, rest = divmod(len(wire.values), 8)
        codes = _column(wire.codes, count, {2: "<u2", 4: "<u4"})
        offsets = _column(wire.offsets, count, {4: "<u4", 8: "<i8"}).astype(np.int64)
        if rest or wire.version != _VERSION or (count and int(codes.max()) >= len(wire.keys)):
            raise msgspec.DecodeError("these are not the columns of a batch")
        if not -(1 << 62) < wire.first_ms < 1 << 62:
            raise msgspec.DecodeError("no clock shows this time")
        return cls.of_columns(
            wire.keys, codes.astype(np.int32), offsets + wire.first_ms, np.frombuffer(wire.values, "<f8")
        )

    @classmethod
    def joined(cls, batches: Sequence["ReadingBatch"]) -> "ReadingBatch":
        """All readings behind one another, over the keys of all."""
        if len(batches) == 1:
            return batches[0]
        places: dict[Key, int] = {}
        codes = []
        for batch in batches:
            place_of = [places.setdefault(key, len(places)) for key in batch.keys]
            codes.append(np.array(place_of, np.int32)[batch.codes])
        return cls.of_columns(
            list(places),
            _joined(codes, np.int32),
            _joined([batch.t_ms for batch in batches], np.int64),
            _joined([batch.values for batch in batches], np.float64),
        )

    @classmethod
    def merged(cls, batches: Sequence["ReadingBatch"]) -> "ReadingBatch":
        """Series by series, each in time order; of equal times the last arrival stands."""
        batch = cls.joined(batches)
        if not len(batch):
            return batch
        order = _sorting(batch)
        codes, t_ms = batch.codes[order], batch.t_ms[order]
        last_of_equal = np.ones(len(order), np.bool_)
        last_of_equal[:-1] = (codes[1:] != codes[:-1]) | (t_ms[1:] != t_ms[:-1])
        return batch.taken(order[last_of_equal])


def _joined(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _column(encoded: bytes, count: int, kinds: dict[int, str]) -> NDArray[Any]:
    width, rest = divmod(len(encoded), count) if count else (min(kinds), len(encoded))
    if rest or width not in kinds:
        raise msgspec.DecodeError("a column has another length than its batch")
    return np.frombuffer(encoded, kinds[width])


def _ascends(codes: Int32Array) -> bool:
    return bool((codes[1:] >= codes[:-1]).all())


def _order(codes: Int32Array) -> NDArray[np.intp]:
    return np.argsort(codes, kind="stable")


def _sorting(batch: ReadingBatch) -> NDArray[np.intp]:
    """Where readings stand once they are sorted by series, then time, then arrival."""
    offsets = batch.t_ms - batch.t_ms.min()
    if int(offsets.max()) >> _OFFSET_BITS or len(batch.keys) >> (63 - _OFFSET_BITS):
        return np.lexsort((batch.t_ms, batch.codes))
    # One sort instead of two.
    return np.argsort(batch.codes.astype(np.int64) << _OFFSET_BITS | offsets, kind="stable")


def _split(batch: ReadingBatch) -> Iterator[Series]:
    """Series of a batch whose codes ascend."""
    starts = np.flatnonzero(np.diff(batch.codes, prepend=-1))
    ends = np.append(starts, len(batch))[1:].tolist()
    for code, start, end in zip(batch.codes[starts].tolist(), starts.tolist(), ends, strict=True):
        machine, metric = batch.keys[code]
        yield Series(machine, metric, batch.t_ms[start:end], batch.values[start:end])
