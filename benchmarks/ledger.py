"""A sender's own record of what the product acknowledged, and the numbered readings that make it comparable. Pure.

Reading n of a stream has its own time and the value n, so that a store's content tells by itself which numbers it
holds. The ledger is a file of its own, synced by the sender: it outlives whatever is done to the product.
`benchmarks.checker` compares the two.
"""

import os
import struct
import time
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]

_RECORD = struct.Struct("<qii")
_COLUMNS = np.dtype([("first", "<i8"), ("count", "<i4"), ("answer", "<i4")])
_SYNC_EVERY_S = 0.05


class Answer(IntEnum):
    """What the product said to a range of numbers."""

    ACKNOWLEDGED = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True)
class Stream:
    """One series of numbered readings: number n at start_ms + n * step_ms, with the value n.

    >>> stream = Stream("M01", "n", start_ms=1_000, step_ms=10)
    >>> stream.times_ms(np.array([0, 3])).tolist(), stream.values(np.array([0, 3])).tolist()
    ([1000, 1030], [0.0, 3.0])
    """

    machine: str
    metric: str
    start_ms: int
    step_ms: int = 1

    def times_ms(self, numbers: Int64Array) -> Int64Array:
        """Epoch milliseconds of each number."""
        return self.start_ms + numbers * self.step_ms

    def values(self, numbers: Int64Array) -> Float64Array:
        """The value of each number; float64 holds every one below 2**53."""
        return numbers.astype(np.float64)


class Ledger:
    """Appends ranges of numbers and what was answered to them; for one thread.

    A range is on disk at most sync_every_s after it was noted while more is noted, and at `sync` and `close`. Note only
    what was answered: a ledger that lags behind the product is weak, one that runs ahead of it is wrong.
    """

    def __init__(self, path: Path, *, sync_every_s: float = _SYNC_EVERY_S) -> None:
        self._file = path.open("ab")
        self._sync_every_s = sync_every_s
        self._synced_s = time.monotonic()

    def acknowledged(self, first: int, count: int = 1) -> None:
        """The numbers [first, first + count) were acknowledged."""
        self._note(first, count, Answer.ACKNOWLEDGED)

    def refused(self, first: int, count: int = 1) -> None:
        """The numbers [first, first + count) were answered with a refusal."""
        self._note(first, count, Answer.REFUSED)

    def sync(self) -> None:
        """Return once all that was noted is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced_s = time.monotonic()

    def close(self) -> None:
        """Sync and end."""
        self.sync()
        self._file.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _note(self, first: int, count: int, answer: Answer) -> None:
        self._file.write(_RECORD.pack(first, count, answer))
        if time.monotonic() - self._synced_s >= self._sync_every_s:
            self.sync()


@dataclass(frozen=True, slots=True)
class Told:
    """What a ledger says: the numbers that were acknowledged and those that were refused, ascending, each once."""

    acknowledged: Int64Array
    refused: Int64Array


def ledger_read(path: Path) -> Told:
    """A ledger's content; half a record at its end, from a sender that was killed, is left out.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "acks"
    ...     with Ledger(path) as ledger:
    ...         ledger.acknowledged(5, 3)
    ...         ledger.refused(9)
    ...         ledger.acknowledged(6)
    ...     told = ledger_read(path)
    >>> told.acknowledged.tolist(), told.refused.tolist()
    ([5, 6, 7], [9])
    """
    content = path.read_bytes()
    records = np.frombuffer(content[: len(content) - len(content) % _RECORD.size], _COLUMNS)
    return Told(_numbers(records, Answer.ACKNOWLEDGED), _numbers(records, Answer.REFUSED))


def _numbers(records: NDArray[np.void], answer: Answer) -> Int64Array:
    of_answer = records[records["answer"] == answer]
    counts = of_answer["count"].astype(np.int64)
    firsts = np.repeat(of_answer["first"].astype(np.int64), counts)
    within = np.arange(len(firsts)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.unique(firsts + within)
