"""The time of a reading that brings none: when it arrived, and never one that its metric has had already.

A reading is (machine, metric, time), so of two that arrive within one millisecond the later would take the place of the
earlier: a device that sends all it kept while it was offline would lose most of it, acknowledged.
"""

import math
import threading
from collections.abc import Iterable

from common.expiring import ExpiringMap
from telemetry.readings import Key

# Whoever sends more than a thousand a second without times for longer than this has to send times.
_AHEAD_MS = 60_000
_KEPT = 20_000


class Arrivals:
    """Gives out times; safe from any thread.

    >>> arrivals = Arrivals()
    >>> [arrivals.time_ms("M01", ["n"], 1000) for _ in range(3)], arrivals.time_ms("M02", ["n"], 1000)
    ([1000, 1001, 1002], 1000)
    >>> arrivals.time_ms("M01", ["n"], 1001), arrivals.time_ms("M01", ["n"], 1010)
    (1003, 1010)
    """

    def __init__(self) -> None:
        self._last: dict[Key, int] = {}
        self._newest_ms = 0
        self._lock = threading.Lock()

    def time_ms(self, machine: str, metrics: Iterable[str], received_ms: int) -> int:
        """When a machine's metrics were read that arrived together: then, or the first free millisecond after it."""
        with self._lock:
            last, t_ms = self._last, received_ms
            # All given out is past, or the clock was set back.
            if not 0 <= self._newest_ms - received_ms <= _AHEAD_MS or len(last) > _KEPT:
                last.clear()
                self._newest_ms = received_ms
            for metric in metrics:
                t_ms = max(t_ms, last.get((machine, metric), -1) + 1)
            t_ms = min(t_ms, received_ms + _AHEAD_MS)
            for metric in metrics:
                last[machine, metric] = t_ms
            self._newest_ms = max(self._newest_ms, t_ms)
            return t_ms


_making = threading.Lock()
_of_factories: ExpiringMap[str, Arrivals] = ExpiringMap(size=1_000, fresh_s=math.inf)


def arrivals_of(factory_slug: str) -> Arrivals:
    """What this process has given out for a factory."""
    # Two that are first at once must not count apart: the same millisecond would be given out twice.
    with _making:
        held = _of_factories.fresh(factory_slug)
        if held is not None:
            return held.value
        made = Arrivals()
        _of_factories.put(factory_slug, made)
        return made
