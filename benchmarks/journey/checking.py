"""Whether a contender's store holds exactly what its sender was told is kept."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.checker import Stored, verdict_on
from benchmarks.journey.contender import Contender
from benchmarks.journey.load import FIRST_VALUE, SINGLES, Float64Array, Int64Array, Load
from benchmarks.ledger import Stream, Told, ledger_read


@dataclass(frozen=True, slots=True)
class Checked:
    """Readings that were acknowledged, and what is wrong with those stored.

    unlike: readings of other metrics that are missing or too many, measured against `count` of the same message.
    """

    acknowledged: int
    stored: int
    lost: int
    doubled: int
    altered: int
    surplus: int
    unlike: int

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, nothing altered."""
        return not (self.lost or self.doubled or self.altered or self.unlike)


@dataclass(frozen=True, slots=True)
class _Numbered(Stream):
    """All machines of a load as one stream."""

    load: Load | None = None

    def times_ms(self, numbers: Int64Array) -> Int64Array:
        assert self.load is not None
        return self.load.times_ms(numbers)


def stored_check(load: Load, contender: Contender, ledger: Path) -> Checked:
    """Compare every reading of a load with the ledger of its sender."""
    times, values, others, unlike = _read(load, contender)
    told = ledger_read(ledger)
    block = np.arange(load.shape.block)
    acknowledged = (told.acknowledged[:, None] * load.shape.block + block).ravel()
    verdict = verdict_on(
        Told(acknowledged, told.refused),
        Stored(times, values - FIRST_VALUE),
        _Numbered("", "", start_ms=0, load=load),
    )
    return Checked(
        acknowledged=len(acknowledged) * load.shape.metrics,
        stored=len(times) + others,
        lost=len(verdict.lost),
        doubled=len(verdict.doubled),
        altered=len(verdict.altered),
        surplus=verdict.surplus,
        unlike=unlike,
    )


def _read(load: Load, contender: Contender) -> tuple[Int64Array, Float64Array, int, int]:
    """Times and values of the counting metrics; how many readings the others have, and how many of them don't match."""
    from_ms = int(load.start_ms) - load.shape.block * load.spacing_ms
    to_ms = int(load.start_ms + 1000 * load.messages / load.messages_per_s) + 1
    counting = len(SINGLES) if load.shape.name == "single" else 1
    times, values, others, unlike = [np.zeros(0, np.int64)], [np.zeros(0)], 0, 0
    for machine in load.machine_names():
        series = contender.stored(machine, load.series_names(), from_ms=from_ms, to_ms=to_ms)
        times += [t_ms for t_ms, _ in series[:counting]]
        values += [found for _, found in series[:counting]]
        others += sum(len(t_ms) for t_ms, _ in series[counting:])
        unlike += sum(len(np.setxor1d(t_ms, series[0][0])) for t_ms, _ in series[counting:])
    return np.concatenate(times), np.concatenate(values), others, unlike
