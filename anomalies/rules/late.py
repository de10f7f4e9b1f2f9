"""Readings that arrive behind others of their series: noted as they are stored, so that rules look again."""

from collections.abc import Iterable, Mapping

from django.db import connection

from anomalies.models import LateReadings
from telemetry.readings import Series

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


class LateNotes:
    """Notices late readings from what this process has seen stored; one of it lives with the drain.

    After a restart the first batch of a series is compared with nothing: what a killed drain stores again is the same.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], int] = {}
        self._machines: dict[tuple[str, str], int] = {}

    def see(self, factory: str, batch: Iterable[Series]) -> dict[str, int]:
        """The machines to which something late was stored, with its earliest time (ms)."""
        late: dict[str, int] = {}
        if len(self._series) > _SERIES_MOST:
            self._series.clear()
        for part in batch:
            first, last = int(part.t_ms.min()), int(part.t_ms.max())
            key = (factory, part.machine, part.metric)
            newest = self._series.get(key)
            behind = self._machines.get((factory, part.machine), 0) - _BEHIND_MS
            if (newest is not None and first <= newest) or first <= behind:
                late[part.machine] = min(first, late.get(part.machine, first))
            self._series[key] = max(last, newest or 0)
            self._machines[(factory, part.machine)] = max(last, self._machines.get((factory, part.machine), 0))
        return late


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
