"""Paces a recording and sends it by the doors that devices use."""

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from common.clock import now_ms
from factorypulse.dev.plant.delivery import deliver
from factorypulse.dev.plant.doors import Door
from factorypulse.replay.tables import Row

log = logging.getLogger("replay")

_TICK_S = 0.2
_TELL_EVERY_S = 5.0
_BODY_READINGS = 2_000


@dataclass(slots=True)
class Replayed:
    """What came of it."""

    readings: int = 0
    refused: int = 0
    reason: str = ""


def replay(
    rows: Iterator[Row], door_of: Callable[[str], Door], *, speed: float, kept_times: bool, stop: threading.Event
) -> Replayed:
    """Send rows when they are due, until they end or `stop` is set.

    rows: times in ms, from 0 unless kept_times. speed: seconds of the recording for one second; 0 is as fast as the
    doors take it. Rows get the time at which they are due, or keep their own.
    """
    run = _Run(door_of, stop)
    start_ms, began_s, first_ms = now_ms(), time.monotonic(), None
    for row in rows:
        first_ms = row.t_ms if first_ms is None else first_ms
        into_s = (row.t_ms - first_ms) / 1000
        due_s = into_s / speed if speed else 0.0
        _wait(run, began_s + due_s, into_s, stop)
        if stop.is_set():
            break
        run.add(row.machine, row.t_ms if kept_times else start_ms + round(due_s * 1000), row.metrics)
    run.send()
    return run.done


def _wait(run: "_Run", due_s: float, into_s: float, stop: threading.Event) -> None:
    """Until a row is due; rows closer than a tick go out together."""
    wait_s = due_s - time.monotonic()
    if run.waiting >= _BODY_READINGS or wait_s > _TICK_S or run.idle_s > _TICK_S:
        run.send()
    run.tell(into_s)
    while wait_s > 0 and not stop.wait(min(wait_s, _TELL_EVERY_S)):
        wait_s = due_s - time.monotonic()
        run.tell(into_s - max(0.0, wait_s))


class _Run:
    def __init__(self, door_of: Callable[[str], Door], stop: threading.Event) -> None:
        self.done = Replayed()
        self.waiting = 0
        self._door_of, self._stop = door_of, stop
        self._rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._told_s = self._sent_s = time.monotonic()

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._sent_s

    def add(self, machine: str, t_ms: int, metrics: dict[str, float]) -> None:
        self._rows[machine].append({"machine": machine, "timestamp": t_ms, "metrics": metrics})
        self.waiting += len(metrics)

    def send(self) -> None:
        rows, self._rows, self.waiting = self._rows, defaultdict(list), 0
        self._sent_s = time.monotonic()
        for machine, readings in rows.items():
            body = json.dumps({"readings": readings}, separators=(",", ":")).encode()
            receipt = deliver(body, self._door_of(machine), self._stop, name=machine)
            if receipt is None:
                return
            self.done.readings += sum(len(reading["metrics"]) for reading in readings)
            self.done.refused += receipt.refused
            self.done.reason = receipt.reason or self.done.reason

    def tell(self, at_s: float) -> None:
        if time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self._told_s = time.monotonic()
            refused = f", {self.done.refused:,} refused ({self.done.reason})" if self.done.refused else ""
            log.info("%s into the recording: %s readings sent%s", _span(at_s), f"{self.done.readings:,}", refused)


def _span(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
