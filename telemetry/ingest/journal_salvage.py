"""A damaged journal is set aside whole; acknowledging goes on with a fresh one, into which every provable row moves.

Several processes hold the file. Who meets the damage first renames it under the gate that all commits pass (see
`journal_file.gated`), so that nobody commits to a file that is gone from its place. Ids of the fresh file begin beyond
every id of the old one: a process that still reads the old file can't make the new one forget something else.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog

from common import clock
from telemetry.ingest import counted, journal_file
from telemetry.ingest.journal_file import FILE_NAME, JournalDamagedError, JournalError
from telemetry.ingest.journal_log import log_read
from telemetry.ingest.journal_pages import Pages, Record

_log = structlog.get_logger(__name__)

ASIDE = "damaged-"
_DONE = "salvaged.txt"
_ROWS_AT_ONCE = 500
_CHECKED_WHOLE_BYTES = 32 * 1024**2
_AGAIN_AFTER_S = 5.0
_INSERT = "INSERT INTO entry (factory, kind, readings, at_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"
_BURY = "INSERT OR IGNORE INTO dead_letter VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class Salvaged(NamedTuple):
    """Rows that moved to the fresh journal, rows whose checksum was wrong (among the dead letters), cells unread."""

    rows: int
    damaged: int
    unread: int


def journal_open(directory: Path, *, max_bytes: int) -> None:
    """Make the journal usable before anybody appends: set damage aside, resume what an earlier process left undone.

    Raises JournalError where the folder can't be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _holes_find(directory)
    except OSError as error:
        raise JournalError(f"The journal's folder {directory} can't be used: {error.strerror}.") from error
    try:
        with closing(journal_file.connect(directory, max_bytes=max_bytes)) as connection:
            journal_file.prepare(connection)
            _check(connection, directory)
    except JournalDamagedError as error:
        rescue(directory, max_bytes=max_bytes, met=journal_file.file_id(directory), why=str(error))
    else:
        _refill_soon(directory, max_bytes=max_bytes)


def rescue(directory: Path, *, max_bytes: int, met: int | None, why: str) -> None:
    """Begin a fresh journal in the place of a damaged one; its rows follow in a thread.

    met: the id of the file in which the damage was met; nothing happens when somebody has replaced that one already.
    """
    with journal_file.gated(directory, alone=True):
        if met is None or journal_file.file_id(directory) != met:
            return
        aside = _set_aside(directory)
    _log.critical("journal_damaged", error=why, set_aside=str(aside))
    _refill_soon(directory, max_bytes=max_bytes)


def refill(directory: Path, *, max_bytes: int) -> None:
    """Move what can be proven from files set aside to the journal. Raises JournalError; a repetition is harmless."""
    for aside in sorted(directory.glob(f"{ASIDE}*")):
        if (aside / _DONE).exists():
            continue
        with _one_at_a_time(aside) as ours:
            if ours:
                found = _move_rows(aside / FILE_NAME, directory, max_bytes=max_bytes)
                (aside / _DONE).write_text(f"{found}\n", encoding="utf-8")
                _log.critical("journal_salvaged", set_aside=str(aside), **found._asdict())


def _holes_find(directory: Path) -> None:
    path = directory / FILE_NAME
    with journal_file.gated(directory, alone=True):
        if not log_read(path.with_name(f"{FILE_NAME}-wal")).has_hole:
            return
        # SQLite would forget, without a word, every commit behind the hole.
        aside = _set_aside(directory)
    _log.critical("journal_damaged", error="the log has a hole before its end", set_aside=str(aside))


def _check(connection: sqlite3.Connection, directory: Path) -> None:
    if (directory / FILE_NAME).stat().st_size > _CHECKED_WHOLE_BYTES:
        return  # a long backlog would hold up the first acknowledgement; reading it finds what is wrong
    with journal_file.translated():
        [said] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise JournalDamagedError(str(said))


def _set_aside(directory: Path) -> Path:
    aside = directory / f"{ASIDE}{clock.now():%Y%m%dT%H%M%S.%f}"
    aside.mkdir()
    fresh = aside / "fresh.sqlite3"
    _fresh(fresh)
    # The log first: a fresh file beside a foreign log would be filled from it.
    for suffix in ("-wal", "-shm", ""):
        path = directory / f"{FILE_NAME}{suffix}"
        if path.exists():
            path.rename(aside / path.name)
    fresh.rename(directory / FILE_NAME)
    for folder in (aside, directory):
        _sync_folder(folder)
    counted.JOURNAL_FAILURES.labels(JournalDamagedError.code).inc()
    return aside


def _fresh(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(journal_file.SCHEMA)
        # Microseconds since 1970: no journal counts as fast as time goes.
        connection.execute("INSERT INTO sqlite_sequence VALUES ('entry', ?)", (clock.now_ms() * 1000,))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- the rows ---


def _refill_soon(directory: Path, *, max_bytes: int) -> None:
    if any(not (aside / _DONE).exists() for aside in directory.glob(f"{ASIDE}*")):
        threading.Thread(
            target=_refill_until_done, args=(directory, max_bytes), name="journal-salvage", daemon=True
        ).start()


def _refill_until_done(directory: Path, max_bytes: int) -> None:
    while True:
        try:
            refill(directory, max_bytes=max_bytes)
        except (JournalError, OSError) as error:
            _log.error("journal_salvage_waits", error=str(error), again_after_s=_AGAIN_AFTER_S)
            time.sleep(_AGAIN_AFTER_S)
        else:
            return


@contextmanager
def _one_at_a_time(aside: Path) -> Iterator[bool]:
    with (aside / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _move_rows(path: Path, directory: Path, *, max_bytes: int) -> Salvaged:
    rows = damaged = 0
    moved: set[int] = set()
    pages = Pages(path)
    with closing(pages), closing(journal_file.connect(directory, max_bytes=max_bytes)) as connection:
        for group in _groups(pages.records()):
            with journal_file.translated(), journal_file.immediate(connection):
                for record in group:
                    kept = _keep(connection, record, moved)
                    rows, damaged = rows + (kept is True), damaged + (kept is False)
        return Salvaged(rows, damaged, pages.broken_cells)


def _groups(records: Iterator[Record]) -> Iterator[list[Record]]:
    group: list[Record] = []
    for record in records:
        group.append(record)
        if len(group) == _ROWS_AT_ONCE:
            yield group
            group = []
    yield group


def _keep(connection: sqlite3.Connection, record: Record, moved: set[int]) -> bool | None:
    """True for a row that proved itself, False for one that did not, None for what is no row or was moved already."""
    columns = record.columns
    if len(columns) not in {7, 8} or record.row_id in moved:
        return None
    factory, kind, readings, at_ms, crc, body, *reason = columns[1:]
    if not (isinstance(factory, bytes) and isinstance(kind, int) and isinstance(body, bytes)):
        return None
    if not all(isinstance(number, int) for number in (readings, at_ms, crc)):
        return None
    slug = factory.decode("utf-8", "replace")
    proven = crc == journal_file.checksum(slug, kind, body)
    if reason and isinstance(reason[0], bytes):
        why = reason[0].decode("utf-8", "replace")
    else:
        why = "the row's checksum is wrong"
    if proven and not reason:
        connection.execute(_INSERT, (slug, kind, readings, at_ms, crc, body))
        moved.add(record.row_id)
        return True
    connection.execute(_BURY, (record.row_id, slug, kind, readings, at_ms, crc, body, why))
    return None if reason else False
