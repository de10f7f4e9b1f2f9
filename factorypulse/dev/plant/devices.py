"""A device: one machine's readings, posted as they fall due; what an outage held back follows in one block."""

import logging
import threading
from collections.abc import Callable

import numpy as np

from common.clock import now_ms
from factorypulse.dev.plant import bodies
from factorypulse.dev.plant.doors import Door, DoorClosedError
from factorypulse.dev.plant.line import PlantMachine
from factorypulse.dev.plant.noise import Int64s
from factorypulse.dev.plant.process import Columns
from factorypulse.dev.plant.progress import Progress

log = logging.getLogger("plant.device")

_CATCH_UP_ROWS = 600
_FAST_TICK_MS = 250
_FAILURES_TOLD = 3
Body = Callable[[str, Int64s, Columns], bytes]


class Device(threading.Thread):
    """Posts one machine until told to stop. Readings are asked of the physics, so nothing needs to be queued."""

    def __init__(
        self, machine: PlantMachine, door: Door, progress: Progress, *, start_ms: int, stop: threading.Event, body: Body
    ) -> None:
        super().__init__(name=machine.key, daemon=True)
        self._machine, self._door, self._progress, self._stop_event, self._body = machine, door, progress, stop, body
        self._tick_ms = _FAST_TICK_MS if machine.fast_metric else machine.period_ms
        self._slow_sent_ms = self._fast_sent_ms = start_ms - 1
        self._failures = 0
        self.posted = 0
        self.refused = 0

    def run(self) -> None:
        while not self._stop_event.wait(self._until_next_tick_s()):
            try:
                self._post_due(now_ms())
            except DoorClosedError as error:
                self._failures += 1
                # While everything starts, the doors may open after the devices: that is no news.
                if self._failures == _FAILURES_TOLD:
                    log.warning("%s: %s; trying again", self.name, error)
                self._stop_event.wait(error.retry_after_s or min(10.0, 0.5 * 2**self._failures))
            else:
                if self._failures >= _FAILURES_TOLD:
                    log.info("%s: connected again, nothing lost", self.name)
                self._failures = 0
        self._door.close()

    def _until_next_tick_s(self) -> float:
        return (self._tick_ms - now_ms() % self._tick_ms + 5) / 1000

    def _post_due(self, at_ms: int) -> None:
        machine = self._machine
        if machine.fast_metric:
            fast_ms = due(self._fast_sent_ms, at_ms, machine.fast_period_ms, rows=5000)
            if len(fast_ms):
                self._post(bodies.column_block, fast_ms, {machine.fast_metric: machine.fast_values_at(fast_ms)})
                self._fast_sent_ms = int(fast_ms[-1])
        slow_ms = due(self._slow_sent_ms, at_ms, machine.period_ms, rows=_CATCH_UP_ROWS)
        if not len(slow_ms):
            return
        columns = machine.values_at(slow_ms)
        if machine.fast_metric:
            del columns[machine.fast_metric]
        self._post(self._body if len(slow_ms) == 1 else bodies.column_block, slow_ms, columns)
        self._slow_sent_ms = int(slow_ms[-1])
        self._progress.sent(machine.key, self._slow_sent_ms)

    def _post(self, body: Body, t_ms: Int64s, columns: Columns) -> None:
        receipt = self._door.send(body(self._machine.key, t_ms, columns))
        self.posted += len(t_ms) * len(columns)
        self.refused += receipt.refused
        if receipt.refused:
            log.warning("%s: %s readings refused (%s)", self.name, receipt.refused, receipt.reason)


def due(sent_ms: int, at_ms: int, period_ms: int, *, rows: int) -> Int64s:
    """The instants in (sent_ms, at_ms] at which a sensor of this period speaks, oldest first, at most `rows`.

    >>> due(999, 3500, 1000, rows=10).tolist()
    [1000, 2000, 3000]
    """
    first = (sent_ms // period_ms + 1) * period_ms
    return np.arange(first, at_ms + 1, period_ms, dtype=np.int64)[:rows]
