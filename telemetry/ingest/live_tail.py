"""The live path: what the journal commits goes to browsers at once, whether or not the store is there."""

import threading
from collections.abc import Callable

import structlog

from common import clock
from telemetry.ingest.journal import READINGS, Journal, JournalError
from telemetry.live.hub import LivePublisher, live_publish
from telemetry.signals import readings_arrived

_log = structlog.get_logger(__name__)

# Half of it is what a reading waits on average; looking costs some ten microseconds.
TICK_S = 0.005
# Under load ticks come in proportion to what one takes, so that watching never takes most of the processor.
_REST, _REST_AT_MOST_S = 3.0, 0.03
_CHUNK_BYTES = 4 * 1024 * 1024
# Live means now: after a pause longer than this the tail jumps to the end and browsers fill the gap from history.
_BEHIND_AT_MOST_MS = 5_000
_OWED_EVERY_S = 0.5


class LiveTail:
    """Follows the journal's end from when it starts, rows of other processes included.

    hurry: told of a factory whose newest rows some receiver of `readings_arrived` can't wait for.
    """

    def __init__(
        self,
        journal: Journal,
        publisher: LivePublisher | None = None,
        *,
        hurry: Callable[[str], None] = lambda slug: None,
    ) -> None:
        self._journal = journal
        self._publisher = publisher or LivePublisher()
        self._hurry = hurry
        self._arrived: dict[str, list[bytes]] = {}
        self._cursor = journal.last_id()
        # Factories with rows that do not come this way, and when these had all been appended: browsers are sent to
        # history once the store has them.
        self._owed_ms = dict.fromkeys(journal.factories(), clock.now_ms())
        self._owed_s = 0.0
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
        if self._owed_ms:
            self._pay()
        self._publisher.flush()
        self._announce()
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
            self._jump(behind_ms=clock.now_ms() - entries[-1].at_ms)
            return len(entries)
        for entry in entries:
            if entry.kind == READINGS and entry.intact:
                self._publisher.add_encoded(entry.factory, entry.body)
                self._arrived.setdefault(entry.factory, []).append(entry.body)
        return len(entries)

    def _announce(self) -> None:
        arrived, self._arrived = self._arrived, {}
        for slug, bodies in arrived.items():
            answers = readings_arrived.send_robust(sender=LiveTail, factory_slug=slug, bodies=bodies)
            for receiver, answer in answers:
                if isinstance(answer, Exception):
                    _log.warning("arrival_not_looked_at", factory=slug, receiver=str(receiver), error=str(answer))
                elif answer:
                    self._hurry(slug)

    def _jump(self, *, behind_ms: int) -> None:
        self._cursor = self._journal.last_id()
        slugs = self._journal.factories()
        _log.warning("live_jumped_ahead", behind_ms=behind_ms, factories=len(slugs))
        self._owed_ms |= dict.fromkeys(slugs, clock.now_ms())
        for slug in slugs:
            live_publish(slug, {"type": "status", "code": "lagging"})

    def _pay(self) -> None:
        """Send browsers to history for what the store has by now."""
        if clock.monotonic_s() - self._owed_s < _OWED_EVERY_S:
            return
        self._owed_s = clock.monotonic_s()
        for slug, until_ms in list(self._owed_ms.items()):
            oldest_ms = self._journal.oldest_ms(slug)
            if oldest_ms is None or oldest_ms > until_ms:
                del self._owed_ms[slug]
                self._publisher.gap(slug)

    def _run(self) -> None:
        rest_s = TICK_S
        while not self._stop.wait(rest_s):
            began_s = clock.monotonic_s()
            try:
                self.tick()
                rest_s = min(max(TICK_S, _REST * (clock.monotonic_s() - began_s)), _REST_AT_MOST_S)
            except JournalError as error:
                _log.error("live_tail_stumbled", error=str(error))
                self._stop.wait(1.0)
            except Exception:  # noqa: BLE001  # a thread's edge: live charts must come back by themselves
                _log.exception("live_tail_failed")
                self._stop.wait(1.0)
