"""The journal's one writer in a process: everything that waits is committed together, appends and deletions alike.

So a sync is shared by all who wait for it, and a process's own deletions never make its appends wait.
"""

import os
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import structlog

from common import clock
from telemetry.ingest import counted, journal_file, journal_full, journal_salvage
from telemetry.ingest.journal_file import (
    INSERT_MARKS,
    READINGS,
    JournalBusyError,
    JournalConnection,
    JournalDamagedError,
    JournalError,
    JournalFullError,
    immediate,
)

_WAITING_BYTES = 64 * 1024**2
_GROUP = 2_000
_LOG_BYTES = 64 * 1024**2
_LOG_LOOK_EVERY_S = 0.2
# The disk's free room is looked at as often as this: much less than the reserve is written meanwhile.
_ROOM_LOOK_EVERY_S = 0.05
_REST_AT_MOST_S, _BUSY_PER_S = 0.01, 100_000

_log = structlog.get_logger(__name__)
_INSERT = "INSERT INTO entry (factory, kind, readings, at_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"

Statement: TypeAlias = tuple[str, tuple[object, ...]]


@dataclass(slots=True)
class _Append:
    row: tuple[str, int, int, int, int, bytes]
    marks: bytes = b""
    future: "Future[int]" = field(default_factory=Future)


@dataclass(slots=True)
class _Change:
    statements: list[Statement]
    durable: bool = True
    future: "Future[int]" = field(default_factory=Future)


_Work: TypeAlias = _Append | _Change


class JournalWriter:
    """Commits in a thread of its own; `append`, `change` and `close` are safe from any thread.

    Bounds as `telemetry.ingest.journal.Journal` has them.
    """

    def __init__(self, directory: Path, *, max_bytes: int, reserve_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._waiting_lock = threading.Lock()
        self._closed = False
        self._log_path = directory / f"{journal_file.FILE_NAME}-wal"
        self._log_looked_at_s = clock.monotonic_s()
        self._room_looked_at_s = float("-inf")
        # Whether a note of want of room may stand there, ours or another process's.
        self._noted_full = True
        self._thread = threading.Thread(target=self._write_forever, name="journal", daemon=True)
        self._thread.start()

    def append(self, factory: str, body: bytes, readings: int, *, kind: int, marks: bytes) -> "Future[int]":
        """Queue a row; the future gives its id once it is on disk. Raises JournalBusyError."""
        crc = journal_file.checksum(factory, kind, body)
        work = _Append((factory, kind, readings, clock.now_ms(), crc, body), marks)
        with self._waiting_lock:
            if self._closed:
                raise JournalBusyError("This process is stopping; send it again.")
            if self._waiting_bytes > _WAITING_BYTES:
                raise JournalBusyError("The disk is slower than what arrives; send it again later.")
            self._waiting_bytes += len(body)
            self._work.put(work)
        return work.future

    def change(self, statements: list[Statement], *, durable: bool = True) -> "Future[int]":
        """Queue statements for one transaction.

        durable: whether the future waits for the disk; what a power cut undoes of the others is done again.
        """
        work = _Change(statements, durable)
        self._work.put(work)
        return work.future

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._waiting_lock:
            if self._closed:
                return
            self._closed = True
            self._work.put(None)
        self._thread.join()

    def _write_forever(self) -> None:
        connection: JournalConnection | None = None
        stopping = False
        not_before_s = began_s = clock.monotonic_s()
        while not stopping:
            since_s = began_s
            group, stopping = self._next_group(not_before_s=not_before_s)
            if not group:
                continue
            began_s = clock.monotonic_s()
            met = connection.opened if connection else journal_file.file_id(self._directory)
            try:
                connection = connection or journal_file.connect(self._directory, max_bytes=self._max_bytes)
                self._commit(connection, group)
            except (sqlite3.Error, OSError, JournalError) as error:
                connection = self._failed(connection, group, error)
                translated = journal_file.journal_error(error)
                if isinstance(translated, JournalDamagedError):
                    journal_salvage.rescue(self._directory, max_bytes=self._max_bytes, met=met, why=str(translated))
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

    def _commit(self, connection: JournalConnection, group: list[_Work]) -> None:
        appends = [work for work in group if isinstance(work, _Append)]
        changes = [work for work in group if isinstance(work, _Change)]
        if appends:
            self._check_room(appends)
        appends = [work for work in appends if not work.future.done()]
        last_id, began_s = 0, clock.monotonic_s()
        durable = bool(appends) or any(change.durable for change in changes)
        connection.sync_on_commit(durable)
        with immediate(connection):
            # Deletions first: they make room.
            for change in changes:
                for statement, arguments in change.statements:
                    connection.execute(statement, arguments)
            if appends:
                *others, last = [work.row for work in appends]
                if others:
                    connection.executemany(_INSERT, others)
                last_id = connection.execute(_INSERT, last).lastrowid or 0
                marked = [(work.row[0], work.row[3], 0, work.marks) for work in appends if work.marks]
                if marked:
                    connection.executemany(INSERT_MARKS, marked)
        counted.JOURNAL_COMMIT_S.observe(clock.monotonic_s() - began_s)
        counted.READINGS_ACCEPTED.inc(sum(work.row[2] for work in appends if work.row[1] == READINGS))
        first_id = last_id - len(appends) + 1
        for at, work in enumerate(appends):
            work.future.set_result(first_id + at)
        for change in changes:
            change.future.set_result(0)
        if appends and self._noted_full:
            self._noted_full = False
            journal_full.note_remove(self._directory)
        self._after_commit(connection)

    def _check_room(self, appends: list[_Append]) -> None:
        now_s = clock.monotonic_s()
        if now_s - self._room_looked_at_s < _ROOM_LOOK_EVERY_S:
            return
        stat = os.statvfs(self._directory)
        if stat.f_bavail * stat.f_frsize >= self._reserve_bytes:
            self._room_looked_at_s = now_s
        else:
            error = JournalFullError("The disk is full; nothing was accepted. Send it again later.")
            self._note_full(error)
            for work in appends:
                work.future.set_exception(error)

    def _note_full(self, error: JournalFullError) -> None:
        counted.JOURNAL_FAILURES.labels(error.code).inc()
        self._noted_full = True
        if journal_full.note_leave(self._directory):
            _log.critical("journal_full", error=str(error))

    def _after_commit(self, connection: JournalConnection) -> None:
        now_s = clock.monotonic_s()
        if now_s - self._log_looked_at_s < _LOG_LOOK_EVERY_S:
            return
        self._log_looked_at_s = now_s
        self._noted_full = True  # perhaps, by another process
        if self._log_path.stat().st_size > _LOG_BYTES:
            # The drain's passive checkpoints can't begin the log anew while somebody always writes; this can, and has
            # little left to copy. It gives up at once when somebody reads just now.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _failed(
        self, connection: JournalConnection | None, group: list[_Work], error: BaseException
    ) -> JournalConnection | None:
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

    def _commit_changes_alone(self, connection: JournalConnection, changes: list[_Change]) -> None:
        try:
            self._commit(connection, list(changes))
        except (sqlite3.Error, OSError) as error:
            _log.error("journal_delete_failed", error=str(error))

    def _forget_waiting(self, group: list[_Work]) -> None:
        size = sum(len(work.row[-1]) for work in group if isinstance(work, _Append))
        with self._waiting_lock:
            self._waiting_bytes -= size
