"""The detectors that a process used last, and their forests gathered in tables. Pure."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from anomalies.detection.detector import Detector
from anomalies.detection.forest import TREES
from anomalies.detection.forest_table import ForestTable, table_of

_MOST = 1_000
# Machines with neighbouring numbers stand in one table. When one of them is taught anew, its table is written again:
# some forty megabytes, twenty milliseconds.
_MACHINES_A_TABLE = 64

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Shelf:
    """A table, and which model of each machine stands in it."""

    table: ForestTable
    models: Mapping[int, int]


class DetectorCache:
    """Detectors by schema and model; a model never changes, so no entry is ever stale."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._entries: OrderedDict[_Key, Detector] = OrderedDict()
        self._shelves: OrderedDict[_Key, _Shelf] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: _Key) -> Detector | None:
        """The detector, if it is known here."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: _Key, detector: Detector) -> None:
        """Know a detector; the one that was not asked for the longest is forgotten."""
        with self._lock:
            self._entries[key] = detector
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Know nothing."""
        with self._lock:
            self._entries.clear()
            self._shelves.clear()

    def gathered(
        self, schema: str, wanted: Mapping[int, tuple[int, Detector]]
    ) -> dict[int, tuple[Detector, ForestTable | None]]:
        """The detectors by machine, (model, detector), each with its table; None where its forest fits into none.

        A detector that comes into a table is kept with its forest as a part of that: nothing is kept twice.
        """
        groups: dict[int, list[int]] = {}
        found: dict[int, tuple[Detector, ForestTable | None]] = {}
        for machine, (_model, detector) in wanted.items():
            found[machine] = (detector, None)
            if len(detector.forest.roots) == TREES:
                groups.setdefault(machine // _MACHINES_A_TABLE, []).append(machine)
        with self._lock:
            for group, machines in groups.items():
                table = self._table((schema, group), {machine: wanted[machine] for machine in machines})
                for machine in machines:
                    found[machine] = (_placed(wanted[machine][1], table, machine), table)
        return found

    def _table(self, key: _Key, wanted: Mapping[int, tuple[int, Detector]]) -> ForestTable:
        shelf = self._shelves.get(key)
        if shelf is not None and shelf.table.holds({m: detector.forest for m, (_model, detector) in wanted.items()}):
            self._shelves.move_to_end(key)
            return shelf.table
        # The others of the table stay in it, as far as they are still known.
        together = dict(wanted)
        for machine, model in (shelf.models if shelf else {}).items():
            known = self._entries.get((key[0], model))
            if machine not in together and known is not None:
                together[machine] = (model, known)
        table = table_of({machine: detector.forest for machine, (_model, detector) in together.items()})
        for machine, (model, detector) in together.items():
            self.put((key[0], model), _placed(detector, table, machine))
        self._shelves[key] = _Shelf(table, {machine: model for machine, (model, _detector) in together.items()})
        self._shelves.move_to_end(key)
        while len(self._shelves) > 1 and sum(len(shelf.models) for shelf in self._shelves.values()) > self._most:
            self._shelves.popitem(last=False)
        return table


def _placed(detector: Detector, table: ForestTable, machine: int) -> Detector:
    """The detector with its forest as a part of the table."""
    forest = table.forests[machine]
    return detector if detector.forest is forest else replace(detector, forest=forest)
