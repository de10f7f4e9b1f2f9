"""Compares a sender's ledger with what the store holds: lost, doubled, altered. `verdict_on` is pure.

As a program, for a store that another process set up:
`python -m benchmarks.checker LEDGER --factory acme --machine M01 --metric n --start-ms 1790000000000`.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.ledger import Float64Array, Int64Array, Stream, Told, ledger_read

if TYPE_CHECKING:
    from telemetry.store.base import ReadingStore
    from tenants.models import Factory

_SHOWN = 5
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store shows of one stream. counted: readings by its aggregates, None where nobody asked."""

    t_ms: Int64Array
    values: Float64Array
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which promises were kept; numbers are ascending.

    lost: acknowledged and not stored. doubled: stored more than once. altered: stored with another time than theirs, or
    values that are no number of the stream. surplus: how many are stored without an acknowledgement, which is allowed
    (the answer may have been lost on its way). kept_refused: refused and stored all the same. miscounted: by how much
    the store's aggregates differ from its readings.
    """

    acknowledged: int
    stored: int
    refused: int
    lost: Int64Array
    doubled: Int64Array
    altered: Int64Array
    kept_refused: Int64Array
    surplus: int
    miscounted: int

    @property
    def clean(self) -> bool:
        """Nothing acknowledged is lost, and everything stored is there once, as it was sent."""
        return not (len(self.lost) or len(self.doubled) or len(self.altered) or self.miscounted)

    def __str__(self) -> str:
        faults = [_told(name, getattr(self, name)) for name in ("lost", "doubled", "altered", "kept_refused")]
        faults += [f"aggregates are off by {self.miscounted:+,}"] if self.miscounted else []
        counts = f"{self.acknowledged:,} acknowledged, {self.stored:,} stored, {self.refused:,} refused"
        return f"{counts}: {', '.join(filter(None, faults)) or 'nothing lost, doubled or altered'}"


def verdict_on(told: Told, stored: Stored, stream: Stream) -> Verdict:
    """Compare a ledger with what a store shows.

    >>> stream = Stream("M01", "n", start_ms=0)
    >>> told = Told(acknowledged=np.array([0, 1, 2]), refused=np.array([], np.int64))
    >>> print(verdict_on(told, Stored(np.array([0, 1, 7]), np.array([0.0, 1.0, 1.0])), stream))
    3 acknowledged, 3 stored, 0 refused: 1 lost (2), 1 doubled (1), 1 altered (1)
    """
    whole = np.isfinite(stored.values) & (stored.values == np.floor(stored.values))
    found = np.where(whole, stored.values, -1.0).astype(np.int64)
    numbers, times = np.unique(found, return_counts=True)
    right = (found >= 0) & (stream.times_ms(found) == stored.t_ms)
    surplus = np.setdiff1d(found[right], told.acknowledged)
    return Verdict(
        acknowledged=len(told.acknowledged),
        stored=len(found),
        refused=len(told.refused),
        lost=np.setdiff1d(told.acknowledged, found[right]),
        doubled=numbers[times > 1],
        altered=np.unique(found[~right]),
        kept_refused=np.intersect1d(told.refused, np.setdiff1d(found, told.acknowledged)),
        surplus=len(surplus),
        miscounted=0 if stored.counted is None else stored.counted - len(found),
    )


def stored_read(
    stream: Stream, *, factory: "Factory", until_ms: int | None = None, store: "ReadingStore | None" = None
) -> Stored:
    """What the product's own store shows of a stream, readings and hourly aggregates alike.

    until_ms: the end of the stream, a year after its start unless told. An unknown machine has stored nothing.
    """
    from telemetry.models import Machine
    from telemetry.store import reading_store
    from tenants.context import factory_context

    store = store or reading_store()
    from_ms = stream.start_ms // _HOUR_MS * _HOUR_MS
    to_ms = until_ms or from_ms + 365 * 24 * _HOUR_MS
    with factory_context(factory):
        machine = Machine.objects.filter(key=stream.machine).first()
        if machine is None:
            return Stored(np.array([], np.int64), np.array([], np.float64), 0)
        [series] = store.raw(machine, [stream.metric], from_ms=from_ms, to_ms=to_ms)
        [hours] = store.buckets(machine, [stream.metric], from_ms=from_ms, to_ms=to_ms, bucket_ms=_HOUR_MS)
    return Stored(np.asarray(series.t_ms), np.asarray(series.values), int(hours.count.sum()))


def check(path: Path, stream: Stream, *, factory: "Factory", store: "ReadingStore | None" = None) -> Verdict:
    """Compare a ledger's file with the product's own store."""
    return verdict_on(ledger_read(path), stored_read(stream, factory=factory, store=store), stream)


def main(arguments: list[str]) -> int:
    """Print the verdict; 0 when it is clean."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checker", description=__doc__)
    parser.add_argument("ledger", type=Path)
    for name in ("factory", "machine", "metric"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--start-ms", type=int, required=True)
    parser.add_argument("--step-ms", type=int, default=1)
    asked = parser.parse_args(arguments)
    _django()
    from tenants.context import factory_get

    stream = Stream(asked.machine, asked.metric, asked.start_ms, asked.step_ms)
    verdict = check(asked.ledger, stream, factory=factory_get(asked.factory))
    print(verdict)
    return 0 if verdict.clean else 1


def _django() -> None:
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.dev")
    django.setup()


def _told(name: str, numbers: Int64Array) -> str:
    if not len(numbers):
        return ""
    shown = ", ".join(map(str, numbers[:_SHOWN].tolist()))
    return f"{len(numbers):,} {name.replace('_', ' ')} ({shown}{', …' if len(numbers) > _SHOWN else ''})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
