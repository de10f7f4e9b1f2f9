"""The last seconds of every factory, as the journal's rows have them: what may not be in the store yet. Pure."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from telemetry.live.ticks import by_machine, rows_pick
from telemetry.readings import ReadingBatch


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_s: float
    encoded: bytes


class RecentReadings:
    """At most `keep_s` seconds and about `max_bytes` of rows over all factories; the oldest go first.

    Rows stay encoded until somebody asks: almost nobody does.
    """

    def __init__(self, *, keep_s: float, max_bytes: int) -> None:
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._arrivals: dict[str, deque[_Arrival]] = {}
        self._order: deque[str] = deque()
        self._bytes = 0

    def add(self, factory_slug: str, encoded: bytes, *, at_s: float) -> None:
        """Remember a row. at_s: monotonic, never less than the one before."""
        arrivals = self._arrivals.get(factory_slug)
        if arrivals is None:
            arrivals = self._arrivals[factory_slug] = deque()
        arrivals.append(_Arrival(at_s, encoded))
        self._order.append(factory_slug)
        self._bytes += len(encoded)
        while self._order and (self._bytes > self._max_bytes or self._oldest().at_s < at_s - self._keep_s):
            self._drop_oldest()

    def of(self, factory_slug: str, machines: Collection[str], *, since_s: float) -> dict[str, ReadingBatch]:
        """Readings by machine key, in order of arrival, of what arrived at or after `since_s`."""
        rows = [arrival.encoded for arrival in self._arrivals.get(factory_slug, ()) if arrival.at_s >= since_s]
        return by_machine(rows_pick(rows, machines))

    def _oldest(self) -> _Arrival:
        return self._arrivals[self._order[0]][0]

    def _drop_oldest(self) -> None:
        slug = self._order.popleft()
        arrivals = self._arrivals[slug]
        self._bytes -= len(arrivals.popleft().encoded)
        if not arrivals:
            del self._arrivals[slug]
