"""The promise: what `append` has resolved is on this node's disk. A drain takes it from here to the store.

Several processes append to one file; within a process one writer commits everything that waits (`journal_writer`).
"""

import atexit
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from common import clock
from telemetry.ingest import journal_file, journal_full, journal_salvage
from telemetry.ingest.journal_file import (
    INSERT_MARKS,
    READINGS,
    REFUSALS,
    DeadLetter,
    Entry,
    JournalBusyError,
    JournalConnection,
    JournalDamagedError,
    JournalError,
    JournalFullError,
)
from telemetry.ingest.journal_writer import JournalWriter, Statement

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

DEFAULT_MAX_BYTES = 4 * 1024**3
DEFAULT_RESERVE_BYTES = 64 * 1024**2  # the drain needs room to delete, else a full disk could never empty itself

_COLUMNS = "id, factory, kind, readings, at_ms, crc, body"
_FACTORIES = """
WITH RECURSIVE hop (factory) AS (
    SELECT min(factory) FROM entry UNION ALL
    SELECT (SELECT min(e.factory) FROM entry AS e WHERE e.factory > hop.factory) FROM hop WHERE hop.factory IS NOT NULL
) SELECT factory FROM hop WHERE factory IS NOT NULL
"""


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
        self._readers = threading.local()
        self._writer = JournalWriter(directory, max_bytes=max_bytes, reserve_bytes=reserve_bytes)

    def append(
        self, factory: str, body: bytes, readings: int, *, kind: int = READINGS, marks: bytes = b""
    ) -> "Future[int]":
        """Queue a row; the future gives its id once it is on disk, or the JournalError that kept it from there.

        marks: of the messages in it, see `mqtt_resends`. Raises JournalBusyError at once when too much waits already.
        """
        return self._writer.append(factory, body, readings, kind=kind, marks=marks)

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
        return self._change([(INSERT_MARKS, (factory, clock.now_ms(), 1, marks))])

    def marks_replace(self, marks: Iterable[tuple[str, bytes]]) -> "Future[int]":
        """Keep these, by factory, and forget all others."""
        keep = [(INSERT_MARKS, (factory, clock.now_ms(), 1, blob)) for factory, blob in marks]
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

    def checkpoint(self) -> None:
        """Move what is on disk from the log into the file without making anybody wait; for the drain."""
        with self._reading() as reader:
            reader.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Commit what waits, then stop."""
        self._writer.close()

    # --- reading ---

    def _reader(self) -> JournalConnection:
        connection: JournalConnection | None = getattr(self._readers, "connection", None)
        if connection is None or journal_file.replaced(connection):
            connection = journal_file.connect(self._directory, max_bytes=self._max_bytes)
            self._readers.connection = connection
        return connection

    @contextmanager
    def _reading(self) -> Iterator[JournalConnection]:
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

    def _change(self, statements: list[Statement], *, durable: bool = True) -> "Future[int]":
        return self._writer.change(statements, durable=durable)


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
