"""The promise: what `append` has resolved is on this node's disk. A drain takes it from here to the store.

Several processes append to one file. Within a process one writer thread commits everything that waits in one
transaction (group commit), appends and deletions alike, so that its own deletions never make its appends wait.
"""

import atexit
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from common import clock
from telemetry.ingest import counted, journal_file, journal_full, journal_salvage
from telemetry.ingest.journal_file import (
    DeadLetter,
    Entry,
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
    immediate,
)

__all__ = [
    "READINGS",
    "REFUSALS",
    "DeadLetter",
    "Entry",
    "Journal",
    "JournalBusyError",
    "JournalError",
    "JournalFullError",
    "process_journal",
]

READINGS = 0
REFUSALS = 1

DEFAULT_MAX_BYTES = 4 * 1024**3
DEFAULT_RESERVE_BYTES = 64 * 1024**2  # the drain needs room to delete, else a full disk could never empty itself
_WAITING_BYTES = 64 * 1024**2
_GROUP = 2_000
_LOG_BYTES = 64 * 1024**2
_LOG_LOOK_EVERY_S = 0.2
_SYNC = {True: "FULL", False: "NORMAL"}
_REST_AT_MOST_S, _BUSY_PER_S = 0.01, 100_000

_log = structlog.get_logger(__name__)
_COLUMNS = "id, factory, kind, readings, at_ms, crc, body"
_INSERT = "INSERT INTO entry (factory, kind, readings, at_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_MARKS = "INSERT INTO mark (factory, at_ms, kept, marks) VALUES (?, ?, ?, ?)"
_FACTORIES = """
WITH RECURSIVE hop (factory) AS (
    SELECT min(factory) FROM entry UNION ALL
    SELECT (SELECT min(e.factory) FROM entry AS e WHERE e.factory > hop.factory) FROM hop WHERE hop.factory IS NOT NULL
) SELECT factory FROM hop WHERE factory IS NOT NULL
"""


@dataclass(slots=True)
class _Append:
    row: tuple[str, int, int, int, int, bytes]
    marks: bytes = b""
    future: "Future[int]" = field(default_factory=Future)


@dataclass(slots=True)
class _Change:
    statements: list[tuple[str, tuple[object, ...]]]
    durable: bool = True
    future: "Future[int]" = field(default_factory=Future)


_Work = _Append | _Change


class Journal:
    """The node's journal in a directory; safe from any thread.

    max_bytes bounds the file; reserve_bytes is disk space that appends leave free.
    """

    def __init__(
        self, directory: Path, *, max_bytes: int = DEFAULT_MAX_BYTES, reserve_bytes: int = DEFAULT_RESERVE_BYTES
    ) -> None:
        journal_salvage.journal_open(directory, max_bytes=max_bytes)
        self._directory = directory
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._waiting_lock = threading.Lock()
        self._closed = False
        self._log_path = directory / f"{journal_file.FILE_NAME}-wal"
        self._log_looked_at_s = clock.monotonic_s()
        self._readers = threading.local()
        self._on_commit: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._write_forever, name="journal", daemon=True)
        self._thread.start()

    def append(
        self, factory: str, body: bytes, readings: int, *, kind: int = READINGS, marks: bytes = b""
    ) -> "Future[int]":
        """Queue a row; the future gives its id once it is on disk, or the JournalError that kept it from there.

        marks: of the messages in it, see `mqtt_resends`. Raises JournalBusyError at once when too much waits already.
        """
        work = _Append(
            (factory, kind, readings, clock.now_ms(), journal_file.checksum(factory, kind, body), body), marks
        )
        with self._waiting_lock:
            if self._closed:
                raise JournalBusyError("This process is stopping; send it again.")
            if self._waiting_bytes > _WAITING_BYTES:
                raise JournalBusyError("The disk is slower than what arrives; send it again later.")
            self._waiting_bytes += len(body)
            self._work.put(work)
        return work.future

    def delete_through(self, factory: str, last_id: int) -> "Future[int]":
        """Forget a factory's rows up to one that was read; call it once the store has them."""
        return self._change([("DELETE FROM entry WHERE factory = ? AND id <= ?", (factory, last_id))], durable=False)

    def delete(self, ids: Iterable[int]) -> "Future[int]":
        """Forget single rows."""
        return self._change([("DELETE FROM entry WHERE id = ?", (row_id,)) for row_id in ids])

    def bury(self, ids: Iterable[int], *, reason: str) -> "Future[int]":
        """Move rows that can never be stored among the dead letters, in one transaction."""
        statements: list[tuple[str, tuple[object, ...]]] = []
        for row_id in ids:
            copy = f"INSERT OR IGNORE INTO dead_letter SELECT {_COLUMNS}, ? FROM entry WHERE id = ?"  # noqa: S608  # a constant
            statements += [(copy, (reason, row_id)), ("DELETE FROM entry WHERE id = ?", (row_id,))]
        return self._change(statements)

    def marks_read(self) -> list[tuple[str, int, bool, bytes]]:
        """Factory, time, whether it was kept on purpose, and marks of each row of them, oldest first."""
        with self._reading() as reader:
            rows = reader.execute("SELECT factory, at_ms, kept, marks FROM mark ORDER BY id")
            return [(factory, at_ms, bool(kept), marks) for factory, at_ms, kept, marks in rows]

    def marks_keep(self, factory: str, marks: bytes) -> "Future[int]":
        """Keep marks of messages that are on disk already, beyond the last moments."""
        return self._change([(_INSERT_MARKS, (factory, clock.now_ms(), 1, marks))])

    def marks_replace(self, marks: Iterable[tuple[str, bytes]]) -> "Future[int]":
        """Keep these, by factory, and forget all others."""
        keep = [(_INSERT_MARKS, (factory, clock.now_ms(), 1, blob)) for factory, blob in marks]
        return self._change([("DELETE FROM mark", ()), *keep])

    def marks_forget(self, *, moments_before_ms: int, kept_before_ms: int) -> "Future[int]":
        """Forget what is older: marks of rows, and marks kept on purpose."""
        older = "DELETE FROM mark WHERE at_ms < CASE kept WHEN 0 THEN ? ELSE ? END"
        return self._change([(older, (moments_before_ms, kept_before_ms))])

    def requeue(self, ids: Iterable[int]) -> "Future[int]":
        """Let the drain have dead letters again, as the newest rows with the time at which they first came."""
        statements: list[tuple[str, tuple[object, ...]]] = []
        columns = "factory, kind, readings, at_ms, crc, body"
        copy = f"INSERT INTO entry ({columns}) SELECT {columns} FROM dead_letter WHERE id = ?"  # noqa: S608  # constants
        for row_id in ids:
            statements += [(copy, (row_id,)), ("DELETE FROM dead_letter WHERE id = ?", (row_id,))]
        return self._change(statements)

    def discard(self, ids: Iterable[int]) -> "Future[int]":
        """Forget dead letters for ever."""
        return self._change([("DELETE FROM dead_letter WHERE id = ?", (row_id,)) for row_id in ids])

    def read_after(self, last_id: int, *, max_bytes: int) -> list[Entry]:
        """Rows of every factory in the order of their commits, about max_bytes of them."""
        return self._read(f"SELECT {_COLUMNS} FROM entry WHERE id > ? ORDER BY id", (last_id,), max_bytes)  # noqa: S608  # a constant

    def read_factory(self, factory: str, *, max_bytes: int) -> list[Entry]:
        """The oldest rows of one factory, about max_bytes of them."""
        query = f"SELECT {_COLUMNS} FROM entry WHERE factory = ? ORDER BY id"  # noqa: S608  # a constant
        return self._read(query, (factory,), max_bytes)

    def factories(self) -> list[str]:
        """Which factories have rows here."""
        with self._reading() as reader:
            return [row[0] for row in reader.execute(_FACTORIES)]

    def waiting_rows(self) -> dict[str, int]:
        """How many rows of each factory wait; it counts them, so ask seldom."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT factory, count(*) FROM entry GROUP BY factory"))

    @property
    def directory(self) -> Path:
        """Where it is."""
        return self._directory

    def has_room(self) -> bool:
        """Whether appends of any size have room, on the disk and with a tenth of the bound to spare."""
        on_disk = journal_full.disk_has_room(self._directory, reserve_bytes=self._reserve_bytes)
        return on_disk and self.used_bytes() < self._max_bytes * 0.9

    def used_bytes(self) -> int:
        """Bytes in use in the file, without the pages that deletions left free."""
        with self._reading() as connection:
            names = ("page_count", "freelist_count", "page_size")
            pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((pages - free) * size)

    def oldest_ms(self, factory: str) -> int | None:
        """When a factory's oldest row was appended; None when it has none."""
        query = "SELECT at_ms FROM entry WHERE factory = ? ORDER BY id LIMIT 1"
        with self._reading() as reader:
            row = reader.execute(query, (factory,)).fetchone()
        return int(row[0]) if row else None

    def last_id(self) -> int:
        """The id of the newest row ever appended."""
        with self._reading() as reader:
            row = reader.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").fetchone()
        return int(row[0]) if row else 0

    def version(self) -> int:
        """A number that changes when any process has committed; cheap enough to poll."""
        with self._reading() as reader:
            return int(reader.execute("PRAGMA data_version").fetchone()[0])

    def dead_letters(self) -> list[tuple[int, str, str]]:
        """Id, factory and reason of each buried row."""
        with self._reading() as reader:
            return list(reader.execute("SELECT id, factory, reason FROM dead_letter ORDER BY id"))

    def dead_letter_entries(self, limit: int = -1) -> list[DeadLetter]:
        """What was buried, oldest first, without its bytes; at most `limit`, or all."""
        query = "SELECT id, factory, kind, readings, at_ms, length(body), reason FROM dead_letter ORDER BY id LIMIT ?"
        with self._reading() as reader:
            return [DeadLetter(*row) for row in reader.execute(query, (limit,))]

    def dead_letter(self, row_id: int) -> Entry | None:
        """One buried row with its bytes."""
        query = f"SELECT {_COLUMNS} FROM dead_letter WHERE id = ?"  # noqa: S608  # a constant
        with self._reading() as reader:
            row = reader.execute(query, (row_id,)).fetchone()
        return journal_file.entry_of(row) if row else None

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call this after each commit of this process, from the writer's thread; it must return at once."""
        self._on_commit.append(callback)

    def checkpoint(self) -> None:
        """Move what is on disk from the log into the file without making anybody wait; for the drain."""
        with self._reading() as reader:
            reader.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._waiting_lock:
            if self._closed:
                return
            self._closed = True
            self._work.put(None)
        self._thread.join()

    # --- reading ---

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if connection is None or journal_file.replaced(connection):
            connection = journal_file.connect(self._directory, max_bytes=self._max_bytes)
            self._readers.connection = connection
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection. Raises JournalError; of a damaged file once, for then another takes its place."""
        met = journal_file.file_id(self._directory)
        try:
            with journal_file.translated():
                yield self._reader()
        except JournalDamagedError as error:
            self._rescue(met, error)
            raise

    def _rescue(self, met: int | None, error: JournalDamagedError) -> None:
        journal_salvage.rescue(self._directory, max_bytes=self._max_bytes, met=met, why=str(error))

    def _read(self, query: str, arguments: tuple[object, ...], max_bytes: int) -> list[Entry]:
        entries, size = [], 0
        with self._reading() as reader:
            cursor = reader.execute(query, arguments)
            for row in cursor:
                entries.append(journal_file.entry_of(row))
                size += len(row[-1]) + 100
                if size >= max_bytes:
                    break
            cursor.close()  # an open cursor would hold the log from being reset
        return entries

    # --- the writer thread ---

    def _change(self, statements: list[tuple[str, tuple[object, ...]]], *, durable: bool = True) -> "Future[int]":
        """durable: whether the future waits for the disk; what a power cut undoes of the others is done again."""
        work = _Change(statements, durable)
        self._work.put(work)
        return work.future

    def _write_forever(self) -> None:
        connection: sqlite3.Connection | None = None
        stopping = False
        not_before_s = began_s = clock.monotonic_s()
        while not stopping:
            since_s = began_s
            group, stopping = self._next_group(not_before_s=not_before_s)
            began_s = clock.monotonic_s()
            met = journal_file.file_id(self._directory)
            try:
                connection = connection or journal_file.connect(self._directory, max_bytes=self._max_bytes)
                self._commit(connection, group)
            except (sqlite3.Error, OSError, JournalError) as error:
                connection = self._failed(connection, group, error)
                translated = journal_file.journal_error(error)
                if isinstance(translated, JournalDamagedError):
                    self._rescue(met, translated)
            self._forget_waiting(group)
            not_before_s = self._rested_s(sum(work.row[2] for work in group if isinstance(work, _Append)), since_s)
        if connection is not None:
            connection.close()

    def _rested_s(self, readings: int, since_s: float) -> float:
        """When the next commit may begin, after one of so many readings, these having come since an instant.

        A sync costs about the same for one row as for many: the more arrives, the longer some of it gathers.
        """
        now_s = clock.monotonic_s()
        per_s = readings / max(now_s - since_s, 1e-4)
        return now_s + _REST_AT_MOST_S * per_s / (per_s + _BUSY_PER_S)

    def _next_group(self, *, not_before_s: float) -> tuple[list[_Work], bool]:
        group: list[_Work] = []
        work = self._work.get()
        wait_s = not_before_s - clock.monotonic_s()
        if wait_s > 0 and work is not None:
            time.sleep(wait_s)
        while work is not None:
            group.append(work)
            if len(group) == _GROUP or self._work.empty():
                return group, False
            work = self._work.get()
        return group, True

    def _commit(self, connection: sqlite3.Connection, group: list[_Work]) -> None:
        appends = [work for work in group if isinstance(work, _Append)]
        changes = [work for work in group if isinstance(work, _Change)]
        if appends:
            self._check_room(appends)
        appends = [work for work in appends if not work.future.done()]
        last_id, began_s = 0, clock.monotonic_s()
        durable = bool(appends) or any(change.durable for change in changes)
        connection.execute(f"PRAGMA synchronous={_SYNC[durable]}")
        with immediate(connection):
            # Deletions first: they make room.
            for change in changes:
                for statement, arguments in change.statements:
                    connection.execute(statement, arguments)
            if appends:
                connection.executemany(_INSERT, [work.row for work in appends])
                last_id = connection.execute("SELECT last_insert_rowid()").fetchone()[0]
                marked = [(work.row[0], work.row[3], 0, work.marks) for work in appends if work.marks]
                connection.executemany(_INSERT_MARKS, marked)
        counted.JOURNAL_COMMIT_S.observe(clock.monotonic_s() - began_s)
        counted.READINGS_ACCEPTED.inc(sum(work.row[2] for work in appends if work.row[1] == READINGS))
        first_id = last_id - len(appends) + 1
        for at, work in enumerate(appends):
            work.future.set_result(first_id + at)
        for change in changes:
            change.future.set_result(0)
        if appends:
            journal_full.note_remove(self._directory)
        self._after_commit(connection)

    def _check_room(self, appends: list[_Append]) -> None:
        stat = os.statvfs(self._directory)
        if stat.f_bavail * stat.f_frsize < self._reserve_bytes:
            error = JournalFullError("The disk is full; nothing was accepted. Send it again later.")
            self._note_full(error)
            for work in appends:
                work.future.set_exception(error)

    def _note_full(self, error: JournalFullError) -> None:
        counted.JOURNAL_FAILURES.labels(error.code).inc()
        if journal_full.note_leave(self._directory):
            _log.critical("journal_full", error=str(error))

    def _after_commit(self, connection: sqlite3.Connection) -> None:
        for callback in self._on_commit:
            callback()
        now_s = clock.monotonic_s()
        if now_s - self._log_looked_at_s < _LOG_LOOK_EVERY_S:
            return
        self._log_looked_at_s = now_s
        if self._log_path.stat().st_size > _LOG_BYTES:
            # The drain's passive checkpoints can't begin the log anew while somebody always writes; this can, and has
            # little left to copy. It gives up at once when somebody reads just now.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _failed(
        self, connection: sqlite3.Connection | None, group: list[_Work], error: BaseException
    ) -> sqlite3.Connection | None:
        translated = journal_file.journal_error(error)
        if isinstance(translated, JournalFullError):
            self._note_full(translated)
        else:
            counted.JOURNAL_FAILURES.labels(translated.code).inc()
        _log.error("journal_write_failed", code=translated.code, error=str(error), rows=len(group))
        alone = len(group) > 1 and isinstance(translated, JournalFullError)
        if connection is not None and not alone and not isinstance(translated, JournalFullError | JournalBusyError):
            # After a failed sync nobody knows what the cache holds: begin again from what the file says.
            connection.close()
            connection = None
        changes = [work for work in group if isinstance(work, _Change)]
        if alone and connection is not None and changes:
            # Deletions need no room of their own: without them a full journal would stay full.
            self._commit_changes_alone(connection, changes)
        for work in group:
            if not work.future.done():
                work.future.set_exception(translated)
        return connection

    def _commit_changes_alone(self, connection: sqlite3.Connection, changes: list[_Change]) -> None:
        try:
            self._commit(connection, list(changes))
        except (sqlite3.Error, OSError) as error:
            _log.error("journal_delete_failed", error=str(error))

    def _forget_waiting(self, group: list[_Work]) -> None:
        size = sum(len(work.row[-1]) for work in group if isinstance(work, _Append))
        with self._waiting_lock:
            self._waiting_bytes -= size


_process_lock = threading.Lock()
_process_journals: dict[int, Journal] = {}


def process_journal() -> Journal:
    """This process's journal in settings.JOURNAL_DIR; made at first use, after any fork."""
    from django.conf import settings

    with _process_lock:
        journal = _process_journals.get(os.getpid())
        if journal is None:
            journal = _process_journals[os.getpid()] = Journal(Path(settings.JOURNAL_DIR))
            atexit.register(journal.close)
        return journal
