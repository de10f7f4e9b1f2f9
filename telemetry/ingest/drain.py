"""From the journal to the store, factory by factory; rows leave the journal only after the store has them.

Everything here may happen twice: a reading's identity makes writing it again change nothing.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections, connection

from common import clock
from telemetry.equipment import Registered, registration_of, registry_forget
from telemetry.ingest import counted
from telemetry.ingest.admission import plan_learn
from telemetry.ingest.journal import REFUSALS, Entry, Journal, JournalError
from telemetry.ingest.last_values import LastValues
from telemetry.ingest.quarantine import quarantine_write
from telemetry.ingest.refusals import Refusal, refusals_decode
from telemetry.live.hub import live_publish
from telemetry.readings import ReadingBatch
from telemetry.signals import readings_stored
from telemetry.store import reading_store
from telemetry.store.base import ReadingStore, StoreUnavailableError
from tenants.context import factory_context
from tenants.hosts import factory_of_slug
from tenants.models import Factory

_log = structlog.get_logger(__name__)

# About 50,000 readings: half a second of a store's work, so that other factories get their turn.
CHUNK_BYTES = 1024 * 1024
# One transaction for what comes within this time; history lags by as much.
TICK_S = 0.1
# A batch costs a store about the same for a thousand readings as for ten thousand: one that takes long is followed by a
# rest in proportion, while more arrives. History lags by as much; browsers are told by the live path meanwhile.
_REST, _REST_AT_MOST_S = 4.0, 0.4
_BACKLOG_MS = 2_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
DELAYED_AFTER_S = 10.0
_TELL_EVERY_S = 5.0
_COMMIT_WITHIN_S = 30.0
# Its sync holds up the doors' own: seldom enough to be no one's hundredth acknowledgement.
_CHECKPOINT_EVERY_S = 3.0


@dataclass(slots=True)
class _Lane:
    """One factory's place in the drain."""

    running: bool = False
    idle: bool = False
    pause_s: float = 0.0
    not_before_s: float = 0.0
    told_s: float = float("-inf")
    delayed: bool = False


class Drain:
    """Moves rows of all factories, each in its own lane; a lane that fails pauses alone."""

    def __init__(self, journal: Journal, *, store: ReadingStore | None = None, workers: int = 2) -> None:
        self._journal = journal
        self._store = store or reading_store()
        self._last_values = LastValues()
        self._lanes: dict[str, _Lane] = {}
        self._urgent: set[str] = set()
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="drain")
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        """Begin to move rows."""
        self._thread.start()

    def hurry(self, slug: str) -> None:
        """Move what a factory has in the journal now, without the rest that load makes it take; from any thread.

        One whose store is in trouble keeps its pause.
        """
        self._urgent.add(slug)
        self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether rows are being moved."""
        return self._thread.is_alive()

    def stop(self, *, within_s: float = 5.0) -> None:
        """Move what can be moved within the time, then stop; the rest waits in the journal."""
        deadline_s = clock.monotonic_s() + within_s
        while self._journal.factories() and clock.monotonic_s() < deadline_s and not self._all_paused():
            self._stop.wait(0.05)
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._pool.shutdown(wait=True)

    def drain_once(self, slug: str) -> int:
        """Move one chunk of one factory; the number of rows that left the journal.

        Raises StoreUnavailableError, DatabaseError and JournalError when that can't be now.
        """
        entries = self._journal.read_factory(slug, max_bytes=CHUNK_BYTES)
        if not entries:
            return self._idle(slug)
        self._bury_damaged(slug, [entry for entry in entries if not entry.intact])
        factory = factory_of_slug(slug)
        if factory is None:
            self._last_values.forget(slug)
            _log.warning("journal_rows_dropped", factory=slug, rows=len(entries), reason="the factory is gone")
        else:
            plan_learn(factory)
            with factory_context(factory):
                self._move(factory, [entry for entry in entries if entry.intact])
        self._journal.delete_through(slug, entries[-1].id).result(timeout=_COMMIT_WITHIN_S)
        return len(entries)

    # --- one factory's chunk ---

    def _move(self, factory: Factory, entries: list[Entry]) -> None:
        refusals = [entry for entry in entries if entry.kind == REFUSALS]
        readings = [entry for entry in entries if entry.kind != REFUSALS]
        told = self._store_or_bury(factory, readings) if readings else []
        for entry in refusals:
            told += self._refusals_of(entry)
        if told:
            quarantine_write(told)
        self._write_last_values(factory)

    def _store_or_bury(self, factory: Factory, entries: list[Entry]) -> list[Refusal]:
        """Store rows; a row that can never be stored is found by halving and buried alone."""
        try:
            return self._store_rows(factory, entries)
        except (DataError, IntegrityError, OverflowError, TypeError, ValueError) as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                first = self._store_or_bury(factory, entries[:middle])
                return first + self._store_or_bury(factory, entries[middle:])
            _log.exception("readings_buried", factory=factory.slug, row=entries[0].id, readings=entries[0].readings)
            self._bury(entries, f"{type(error).__name__}: {error}")
            detail = "the store refused this for good; it is kept among the dead letters"
            return [Refusal("drain", "", "", "store_refused", detail, entries[0].readings)]

    def _refusals_of(self, entry: Entry) -> list[Refusal]:
        try:
            return refusals_decode(entry.body)
        except ValueError as error:
            _log.error("refusals_buried", factory=entry.factory, row=entry.id, error=str(error))
            self._bury([entry], f"no refusals: {error}")
            return []

    def _store_rows(self, factory: Factory, entries: list[Entry]) -> list[Refusal]:
        registered = registration_of(ReadingBatch.merged([ReadingBatch.from_bytes(entry.body) for entry in entries]))
        if registered.batch:
            try:
                with counted.STORE_WRITE_S.time():
                    self._store.write(registered.batch, machines=registered.machines)
            except StoreUnavailableError:
                # Perhaps because a metric was deleted meanwhile: the next attempt looks again.
                registry_forget(factory)
                raise
            counted.READINGS_STORED.inc(len(registered.batch))
            self._announce(factory, registered)
            self._last_values.note(factory, registered, arrived_ms=entries[-1].at_ms)
        for refusal in registered.refused:
            counted.READINGS_REFUSED.labels(refusal.code).inc(refusal.count)
        return registered.refused

    def _announce(self, factory: Factory, registered: Registered) -> None:
        spans: dict[str, tuple[int, int]] = {}
        for series in registered.batch:
            first, last = int(series.t_ms[0]), int(series.t_ms[-1])
            known = spans.get(series.machine, (first, last))
            spans[series.machine] = (min(first, known[0]), max(last, known[1]))
        for receiver, error in readings_stored.send_robust(
            sender=Drain, factory=factory, machines=spans, readings=len(registered.batch), batch=registered.batch
        ):
            if isinstance(error, Exception):
                # A receiver only enqueues; the readings are safe, and the next batch announces itself.
                _log.warning("announcement_failed", factory=factory.slug, receiver=str(receiver), error=str(error))

    def _write_last_values(self, factory: Factory) -> None:
        if self._last_values.due(factory) and not self._last_values.write(factory):
            registry_forget(factory)

    def _idle(self, slug: str) -> int:
        """Nothing to move: write the last second's values, if they wait."""
        factory = factory_of_slug(slug)
        if factory is None:
            self._last_values.forget(slug)
        elif self._last_values.due(factory):
            with factory_context(factory):
                self._write_last_values(factory)
        return 0

    def _bury_damaged(self, slug: str, entries: list[Entry]) -> None:
        if entries:
            _log.error("journal_rows_damaged", factory=slug, rows=[entry.id for entry in entries])
            self._bury(entries, "the row's checksum is wrong")

    def _bury(self, entries: Sequence[Entry], reason: str) -> None:
        self._journal.bury([entry.id for entry in entries], reason=reason[:300]).result(timeout=_COMMIT_WITHIN_S)
        counted.READINGS_BURIED.inc(sum(entry.readings for entry in entries))

    # --- lanes ---

    def _run(self) -> None:
        checkpoint_s = 0.0
        while not self._stop.is_set():
            self._wake.wait(TICK_S)
            self._wake.clear()
            try:
                slugs = set(self._journal.factories()) | {
                    slug for slug, lane in self._lanes.items() if not lane.pause_s
                }
                if clock.monotonic_s() - checkpoint_s > _CHECKPOINT_EVERY_S:
                    self._journal.checkpoint()
                    checkpoint_s = clock.monotonic_s()
            except JournalError as error:
                _log.error("journal_unreadable", error=str(error))
                continue
            for slug in [slug for slug, lane in self._lanes.items() if lane.idle and slug not in slugs]:
                del self._lanes[slug]
            self._dispatch(slugs | self._lanes.keys())

    def _dispatch(self, slugs: set[str]) -> None:
        # Whoever waited longest first, so that two busy factories can't keep a third from its turn.
        for slug in sorted(slugs, key=lambda slug: self._lanes.setdefault(slug, _Lane()).not_before_s):
            lane = self._lanes[slug]
            hurries = slug in self._urgent and not lane.pause_s
            if not lane.running and (hurries or clock.monotonic_s() >= lane.not_before_s):
                # Before the rows are read: what asks for hurry from now on may not be among them.
                self._urgent.discard(slug)
                lane.running, lane.idle = True, False
                self._pool.submit(self._turn, slug, lane)

    def _turn(self, slug: str, lane: _Lane) -> None:
        try:
            close_old_connections()
            began_s = clock.monotonic_s()
            rows = self.drain_once(slug)
            lane.pause_s = 0.0
            lane.not_before_s = clock.monotonic_s()
            rest_s = min(_REST * (lane.not_before_s - began_s), _REST_AT_MOST_S)
            self._tell(slug, lane)
            lane.idle = rows == 0 and not self._last_values.waiting(slug)
            if rows == 0:
                lane.not_before_s += 2 * TICK_S
            elif clock.now_ms() - (self._journal.oldest_ms(slug) or clock.now_ms()) < _BACKLOG_MS:
                lane.not_before_s += rest_s
        except (StoreUnavailableError, DatabaseError, JournalError) as error:
            self._pause(slug, lane, error)
        except Exception as error:  # noqa: BLE001  # a thread's edge: one factory's surprise must not end the drain of all
            _log.exception("drain_failed", factory=slug)
            self._pause(slug, lane, error)
        finally:
            lane.running = False
            if lane.not_before_s <= clock.monotonic_s() or slug in self._urgent:
                self._wake.set()  # a backlog waits for no tick

    def _pause(self, slug: str, lane: _Lane, error: Exception) -> None:
        connection.close()
        counted.DRAIN_PAUSES.inc()
        lane.pause_s = min(max(FIRST_PAUSE_S, lane.pause_s * 2), LONGEST_PAUSE_S)
        lane.not_before_s = clock.monotonic_s() + lane.pause_s
        _log.warning("drain_paused", factory=slug, pause_s=lane.pause_s, error=str(error)[:300])
        self._tell(slug, lane)

    def _tell(self, slug: str, lane: _Lane) -> None:
        """Tell browsers that history lags, and once that it doesn't any more."""
        now_s = clock.monotonic_s()
        if now_s - lane.told_s < _TELL_EVERY_S:
            return
        oldest_ms = self._journal.oldest_ms(slug)
        delayed = oldest_ms is not None and clock.now_ms() - oldest_ms > DELAYED_AFTER_S * 1000
        lane.told_s = now_s
        if delayed or lane.delayed:
            live_publish(slug, {"type": "status", "code": "history_delayed" if delayed else "history_current"})
        lane.delayed = delayed

    def _all_paused(self) -> bool:
        return all(lane.pause_s for lane in self._lanes.values())
