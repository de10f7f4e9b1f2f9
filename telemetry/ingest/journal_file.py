"""The journal's file: one SQLite database in WAL mode that several processes append to. Pure: no framework.

Only this module knows SQLite. `synchronous=FULL` syncs the write-ahead log at each commit, which is what an
acknowledgement promises; SQLite's own frame checksums cut a torn tail, and each row carries one more of its own.
"""

import fcntl
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import msgspec

from common.errors import DomainError

FILE_NAME = "journal.sqlite3"
# What a row has.
READINGS = 0
REFUSALS = 1
INSERT_MARKS = "INSERT INTO mark (factory, at_ms, kept, marks) VALUES (?, ?, ?, ?)"
BUSY_FOR_S = 10.0
_PAGE_BYTES = 4096
_GATE_NAME = "journal.gate"
SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    factory TEXT NOT NULL, kind INTEGER NOT NULL, readings INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_by_factory ON entry (factory, id);
CREATE TABLE IF NOT EXISTS dead_letter (
    id INTEGER PRIMARY KEY, factory TEXT NOT NULL, kind INTEGER NOT NULL, readings INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS mark (
    id INTEGER PRIMARY KEY, factory TEXT NOT NULL, at_ms INTEGER NOT NULL, kept INTEGER NOT NULL, marks BLOB NOT NULL
);
"""


class JournalError(DomainError):
    """The journal could not take or give; nothing of this call was acknowledged."""

    code: ClassVar[str] = "journal_failed"
    status: ClassVar[int] = 503


class JournalFullError(JournalError):
    """No room: the disk, or the journal's own bound, is full."""

    code = "insufficient_storage"
    status = 507


class JournalBusyError(JournalError):
    """More is waiting for the disk than memory should hold, or another process holds the file."""

    code = "journal_busy"


class JournalDamagedError(JournalError):
    """The file's structure is broken; `journal_salvage` begins another."""

    code = "journal_damaged"


class JournalReplacedError(JournalError):
    """The file was set aside while this connection held it."""

    code = "journal_replaced"


class JournalConnection(sqlite3.Connection):
    """Knows its file and the gate before it, because a damaged file is replaced under those who hold it."""

    opened: int | None = None
    directory = Path()
    _gate = -1
    _synced: bool | None = None
    _waits = True

    def sync_on_commit(self, synced: bool) -> None:
        """Whether commits from now on wait for the disk."""
        # A statement is a door through which threads pass one by one: one that changes nothing is left out.
        if self._synced is not synced:
            self.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
            self._synced = synced

    def never_wait(self) -> None:
        """Fail at once when another process writes."""
        if self._waits:
            self.execute("PRAGMA busy_timeout=0")
            self._waits = False

    def gate(self) -> int:
        if self._gate < 0:
            self._gate = _gate_open(self.directory)
        return self._gate

    def close(self) -> None:
        super().close()
        self.__del__()

    def __del__(self) -> None:
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One row. intact: whether its bytes are those that were appended."""

    id: int
    factory: str
    kind: int
    readings: int
    at_ms: int
    body: bytes
    intact: bool


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """What is told of a row that was buried; size: bytes of its body."""

    id: int
    factory: str
    kind: int
    readings: int
    at_ms: int
    size: int
    reason: str


def checksum(factory: str, kind: int, body: bytes) -> int:
    """What a row keeps to prove itself."""
    return zlib.crc32(body, zlib.crc32(f"{factory}/{kind}/".encode()))


def entry_of(row: tuple[int, str, int, int, int, int, bytes]) -> Entry:
    """An Entry from the columns id, factory, kind, readings, at_ms, crc, body."""
    row_id, factory, kind, readings, at_ms, crc, body = row
    return Entry(row_id, factory, kind, readings, at_ms, body, crc == checksum(factory, kind, body))


def file_id(directory: Path) -> int | None:
    """Which file stands in the journal's place; None when there is none."""
    try:
        return os.stat(f"{directory}/{FILE_NAME}").st_ino  # noqa: PTH116  # before each commit, and several times cheaper
    except FileNotFoundError:
        return None


def replaced(connection: JournalConnection) -> bool:
    """Whether the connection's file is no longer the journal."""
    return file_id(connection.directory) != connection.opened


@contextmanager
def gated(directory: Path, *, alone: bool = False) -> Iterator[None]:
    """Pass the gate before all commits, together with others or alone."""
    gate = _gate_open(directory)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(gate)


def _gate_open(directory: Path) -> int:
    return os.open(directory / _GATE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def connect(directory: Path, *, max_bytes: int) -> JournalConnection:
    """A connection in autocommit, usable from the thread that made it. Raises JournalError."""
    with gated(directory), translated():
        # Our own wait (see `immediate`): SQLite's naps of up to 100 ms would show in every acknowledgement.
        connection = sqlite3.connect(
            directory / FILE_NAME, isolation_level=None, timeout=BUSY_FOR_S, factory=JournalConnection
        )
        connection.directory, connection.opened = directory, file_id(directory)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "wal_autocheckpoint=0",
            f"max_page_count={max_bytes // _PAGE_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection


def prepare(connection: JournalConnection) -> None:
    """Make the tables where they are missing; harmless when several processes do it at once."""
    with translated(), immediate(connection):
        for statement in filter(str.strip, SCHEMA.split(";")):
            connection.execute(statement)


@contextmanager
def immediate(connection: JournalConnection) -> Iterator[None]:
    """One write transaction, on disk when the block has ended. Raises JournalReplacedError before it begins."""
    gate = connection.gate()
    fcntl.flock(gate, fcntl.LOCK_SH)
    try:
        if replaced(connection):
            raise JournalReplacedError("The journal was damaged and has begun again; send it again.")
        _begin(connection)
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        fcntl.flock(gate, fcntl.LOCK_UN)


def _begin(connection: JournalConnection) -> None:
    deadline, nap = time.monotonic() + BUSY_FOR_S, 0.0002
    connection.never_wait()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(nap)
            nap = min(nap * 2, 0.005)
        else:
            return


@contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as the journal's."""
    try:
        yield
    except sqlite3.Error as error:
        raise journal_error(error) from error


def journal_error(error: BaseException) -> JournalError:
    """The journal's error for whatever stopped a transaction."""
    if isinstance(error, JournalError):
        return error
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL:
        return JournalFullError("The disk is full; nothing was accepted. Send it again later.")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return JournalDamagedError(f"The journal's file is damaged: {error}")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return JournalBusyError("The journal is held by another process; send it again.")
    return JournalError(f"The journal can't be written: {error}")


def primary_code(error: BaseException) -> int:
    """SQLite's primary result code, 0 where there is none."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
