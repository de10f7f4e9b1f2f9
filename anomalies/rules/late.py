"""Readings that arrive behind others of their series: noted as they are stored, so that rules look again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import connection

from anomalies.models import LateReadings
from telemetry.readings import Float64Array, Int64Array, Key, ReadingBatch

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


@dataclass(slots=True)
class _Seen:
    """What has been stored of a factory: each series' newest reading, by its place, and each machine's newest time."""

    places: dict[Key, int] = field(default_factory=dict)
    newest_ms: Int64Array = field(default_factory=lambda: np.full(64, -_FAR))
    values: Float64Array = field(default_factory=lambda: np.zeros(64))
    machines: dict[str, int] = field(default_factory=dict)

    def places_of(self, keys: Sequence[Key]) -> Int64Array:
        """Where these series stand in the columns; new ones are given a place."""
        places = self.places
        found = np.array([places.setdefault(key, len(places)) for key in keys], np.int64)
        if len(places) > len(self.newest_ms):
            more = 2 * len(places) - len(self.newest_ms)
            self.newest_ms = np.append(self.newest_ms, np.full(more, -_FAR))
            self.values = np.append(self.values, np.zeros(more))
        return found


class LateNotes:
    """Notices late readings from what this process has seen stored; one of it lives with the drain.

    A series' newest reading sent again as it was is not late: many devices repeat the last one until there is another,
    and looking at the past again for that would never end. After a restart the first batch of a series is compared
    with nothing: what a killed drain stores again is the same.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def see(self, factory: str, batch: ReadingBatch) -> dict[str, int]:
        """The machines to which something late was stored, with its earliest time (ms)."""
        seen = self._seen.get(factory)
        if seen is None or len(seen.places) > _SERIES_MOST:
            seen = self._seen[factory] = _Seen()
        places = seen.places_of(batch.keys)
        newest = seen.newest_ms[places]
        repeated = (batch.t_ms == newest[batch.codes]) & (batch.values == seen.values[places][batch.codes])
        news = batch.taken(~repeated) if repeated.any() else batch
        first, last = _spans(news)
        late = _late(seen.machines, batch.keys, first, last, newest)
        ahead = (news.t_ms == last[news.codes]) & (news.t_ms >= newest[news.codes])
        at = places[news.codes[ahead]]
        seen.newest_ms[at], seen.values[at] = news.t_ms[ahead], news.values[ahead]
        return late


def _late(
    machines: dict[str, int], keys: Sequence[Key], first: Int64Array, last: Int64Array, newest: Int64Array
) -> dict[str, int]:
    """The earliest late reading of each machine; `machines` learns how far each has come."""
    late: dict[str, int] = {}
    in_order = (first > newest).tolist()
    # A device sends each of its series once a batch: what is done for each of them must be little.
    for key, begins, ends, orderly in zip(keys, first.tolist(), last.tolist(), in_order, strict=True):
        if begins == _FAR:
            continue
        machine = key[0]
        heard = machines.get(machine, 0)
        if not orderly or begins <= heard - _BEHIND_MS:
            late[machine] = min(begins, late.get(machine, begins))
        if ends > heard:
            machines[machine] = ends
    return late


def _spans(batch: ReadingBatch) -> tuple[Int64Array, Int64Array]:
    """The earliest and the latest time of each series; _FAR and -_FAR where it has no reading."""
    first = np.full(len(batch.keys), _FAR, np.int64)
    last = -first
    np.minimum.at(first, batch.codes, batch.t_ms)
    np.maximum.at(last, batch.codes, batch.t_ms)
    return first, last


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
