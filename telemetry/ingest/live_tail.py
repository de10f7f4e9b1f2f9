"""The live path: what the journal commits goes to browsers at once, whether or not the store is there."""

import threading

import structlog

from common import clock
from telemetry.ingest.journal import READINGS, Journal, JournalError
from telemetry.live.hub import LivePublisher
from telemetry.readings import ReadingBatch

_log = structlog.get_logger(__name__)

TICK_S = 0.02
_CHUNK_BYTES = 4 * 1024 * 1024
# Live means now: after a pause longer than this the tail jumps to the end and browsers fill the gap from history.
_BEHIND_AT_MOST_MS = 5_000


class LiveTail:
    """Follows the journal's end from when it starts, rows of other processes included."""

    def __init__(self, journal: Journal, publisher: LivePublisher | None = None) -> None:
        self._journal = journal
        self._publisher = publisher or LivePublisher()
        self._cursor = journal.last_id()
        self._version = -1
        self._more = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-tail", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()

    def tick(self) -> int:
        """Publish what has come since the last tick; the number of rows."""
        rows = self._follow() if self._changed() else 0
        self._publisher.flush()
        return rows

    def _changed(self) -> bool:
        version = self._journal.version()
        changed = self._more or version != self._version
        self._version = version
        return changed

    def _follow(self) -> int:
        entries = self._journal.read_after(self._cursor, max_bytes=_CHUNK_BYTES)
        self._more = bool(entries)  # perhaps cut off by the bound
        if not entries:
            return 0
        self._cursor = entries[-1].id
        if entries[-1].at_ms < clock.now_ms() - _BEHIND_AT_MOST_MS:
            self._cursor = self._journal.last_id()
            _log.warning("live_jumped_ahead", behind_ms=clock.now_ms() - entries[-1].at_ms)
            return len(entries)
        for entry in entries:
            if entry.kind == READINGS and entry.intact:
                self._publisher.add(entry.factory, ReadingBatch.from_bytes(entry.body))
        return len(entries)

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                self.tick()
            except JournalError as error:
                _log.error("live_tail_stumbled", error=str(error))
                self._stop.wait(1.0)
            except Exception:  # noqa: BLE001  # a thread's edge: live charts must come back by themselves
                _log.exception("live_tail_failed")
                self._stop.wait(1.0)
