"""The last seconds of every factory, by reference: what has arrived and may not be in the store yet. Pure."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from telemetry.readings import ReadingBatch, Series


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_s: float
    readings: int
    batch: ReadingBatch


class RecentReadings:
    """At most `keep_s` seconds and about `max_readings` readings over all factories; the oldest go first."""

    def __init__(self, *, keep_s: float, max_readings: int) -> None:
        self._keep_s = keep_s
        self._max_readings = max_readings
        self._arrivals: dict[str, deque[_Arrival]] = {}
        self._order: deque[str] = deque()
        self._readings = 0

    def add(self, factory_slug: str, batch: ReadingBatch, *, at_s: float) -> None:
        """Remember an arrival. at_s: monotonic, never less than the one before."""
        arrival = _Arrival(at_s, len(batch), batch)
        self._arrivals.setdefault(factory_slug, deque()).append(arrival)
        self._order.append(factory_slug)
        self._readings += arrival.readings
        while self._order and (self._readings > self._max_readings or self._oldest().at_s < at_s - self._keep_s):
            self._drop_oldest()

    def of(self, factory_slug: str, machines: Collection[str], *, since_s: float) -> dict[str, list[Series]]:
        """Series by machine key, in order of arrival, of what arrived at or after `since_s`."""
        found: dict[str, list[Series]] = {}
        for arrival in self._arrivals.get(factory_slug, ()):
            if arrival.at_s >= since_s:
                sort_by_machine(arrival.batch, machines, into=found)
        return found

    def _oldest(self) -> _Arrival:
        return self._arrivals[self._order[0]][0]

    def _drop_oldest(self) -> None:
        slug = self._order.popleft()
        arrivals = self._arrivals[slug]
        self._readings -= arrivals.popleft().readings
        if not arrivals:
            del self._arrivals[slug]


def sort_by_machine(
    batch: ReadingBatch | Sequence[Series], machines: Collection[str], *, into: dict[str, list[Series]]
) -> None:
    """Append each series of one of these machines to its machine's list."""
    for part in batch:
        if part.machine in machines:
            into.setdefault(part.machine, []).append(part)
