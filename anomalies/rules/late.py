"""Readings that arrive behind others of their series: noted as they are stored, so that rules look again."""

from collections.abc import Iterable, Mapping

import numpy as np
from django.db import connection

from anomalies.models import LateReadings
from telemetry.readings import Key, ReadingBatch

_NOTE = """
INSERT INTO anomalies_latereadings AS l (machine_id, from_ms, count)
SELECT m.id, n.from_ms, 1 FROM unnest(%s::text[], %s::bigint[]) AS n (key, from_ms)
JOIN telemetry_machine AS m ON m.key = n.key ORDER BY m.id
ON CONFLICT (machine_id) DO UPDATE SET from_ms = least(l.from_ms, excluded.from_ms), count = l.count + 1
"""
# A metric that lags this far behind its machine's others is late, even where it is in order itself: the rules have
# gone on without it.
_BEHIND_MS = 60_000
_SERIES_MOST = 200_000
_FAR = 1 << 62


class LateNotes:
    """Notices late readings from what this process has seen stored; one of it lives with the drain.

    After a restart the first batch of a series is compared with nothing: what a killed drain stores again is the same.
    """

    def __init__(self) -> None:
        # By factory: the newest reading of each series, and of each machine.
        self._series: dict[str, dict[Key, int]] = {}
        self._machines: dict[str, dict[str, int]] = {}

    def see(self, factory: str, batch: ReadingBatch) -> dict[str, int]:
        """The machines to which something late was stored, with its earliest time (ms)."""
        late: dict[str, int] = {}
        series, machines = self._series.setdefault(factory, {}), self._machines.setdefault(factory, {})
        if len(series) > _SERIES_MOST:
            series.clear()
        # A device sends each of its series once a batch: what is done for each of them must be little.
        for key, first, last in _spans(batch):
            machine, newest = key[0], series.get(key)
            heard = machines.get(machine, 0)
            if (newest is not None and first <= newest) or first <= heard - _BEHIND_MS:
                late[machine] = min(first, late.get(machine, first))
            if newest is None or last > newest:
                series[key] = last
            if last > heard:
                machines[machine] = last
        return late


def _spans(batch: ReadingBatch) -> Iterable[tuple[Key, int, int]]:
    """Each series that has readings, with its earliest and its latest."""
    first = np.full(len(batch.keys), _FAR, np.int64)
    last = -first
    np.minimum.at(first, batch.codes, batch.t_ms)
    np.maximum.at(last, batch.codes, batch.t_ms)
    return (span for span in zip(batch.keys, first.tolist(), last.tolist(), strict=True) if span[1] < _FAR)


def late_note(late: Mapping[str, int]) -> None:
    """Write down, in the current factory, from when on machines have late readings."""
    if late:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, [list(late), list(late.values())])


def late_read() -> dict[str, LateReadings]:
    """What was noted, by the machine's key."""
    return {note.machine.key: note for note in LateReadings.objects.select_related("machine")}


def late_done(notes: Iterable[LateReadings]) -> None:
    """Forget what was looked at; what arrived meanwhile stays."""
    for note in notes:
        LateReadings.objects.filter(pk=note.pk, count=note.count).delete()


def late_of(keys: Iterable[tuple[str, str]], notes: Mapping[str, LateReadings]) -> int | None:
    """The earliest late reading among the machines of these series."""
    found = [notes[machine].from_ms for machine, _metric in keys if machine in notes]
    return min(found, default=None)
