"""From the journal's rows to one machine's tick: columns all the way, nothing for what nobody watches. Pure."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import BoolArray, ReadingBatch


def rows_pick(rows: Sequence[bytes], machines: Collection[str]) -> ReadingBatch:
    """Readings of these machines in encoded batches, in order of arrival. Raises msgspec.DecodeError."""
    picked = [_pick(ReadingBatch.from_bytes(row), machines) for row in rows]
    return ReadingBatch.joined([batch for batch in picked if len(batch)])


def _pick(batch: ReadingBatch, machines: Collection[str]) -> ReadingBatch:
    wanted = np.array([machine in machines for machine, _ in batch.keys], np.bool_)
    if not wanted.any():
        return ReadingBatch()
    return batch if wanted.all() else batch.only(wanted[batch.codes])


def by_machine(batch: ReadingBatch) -> dict[str, ReadingBatch]:
    """The readings of each machine, in order of arrival; machines without any are left out.

    >>> from telemetry.readings import Series
    >>> one = np.ones(1, np.int64)
    >>> parts = [Series("M01", "a", one, one / 2), Series("M02", "a", one, one), Series("M01", "b", one, one)]
    >>> {machine: [s.metric for s in found] for machine, found in by_machine(ReadingBatch(parts)).items()}
    {'M01': ['a', 'b'], 'M02': ['a']}
    """
    places: dict[str, int] = {}
    machine_of_key = np.array([places.setdefault(machine, len(places)) for machine, _ in batch.keys], np.int32)
    if len(places) == 1:
        return {machine: batch for machine in places if len(batch)}
    machine_of = machine_of_key[batch.codes] if len(batch) else np.empty(0, np.int32)
    order = np.argsort(machine_of, kind="stable")
    ends = np.cumsum(np.bincount(machine_of, minlength=len(places))).tolist()
    starts = [0, *ends]
    return {
        machine: _over_own_keys(batch, order[starts[place] : ends[place]], machine_of_key == place)
        for machine, place in places.items()
        if ends[place] > starts[place]
    }


def _over_own_keys(batch: ReadingBatch, which: NDArray[np.intp], own: BoolArray) -> ReadingBatch:
    places = np.flatnonzero(own)
    code_of = np.zeros(len(batch.keys), np.int32)
    code_of[places] = np.arange(len(places), dtype=np.int32)
    keys = [batch.keys[place] for place in places.tolist()]
    return ReadingBatch.of_columns(keys, code_of[batch.codes[which]], batch.t_ms[which], batch.values[which])
