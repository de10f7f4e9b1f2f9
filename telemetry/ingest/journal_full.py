"""Whether this node turns readings away because its journal has no room: a note beside the journal. Pure: no framework.

Any process that meets it leaves the note, any process of the node reads it. The note is an empty file, because a full
disk holds a name when it can hold nothing else; its modification time says since when.
"""

import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

_NOTE = "journal.full"
_TOLD = "journal.full.told"


def note_leave(directory: Path) -> bool:
    """Nothing was accepted for want of room. Returns whether that is news; the first note keeps its time."""
    return _leave(directory / _NOTE)


def note_remove(directory: Path) -> None:
    """There is room again. Cheap where there is no note: it is called after each commit."""
    _remove(directory / _NOTE)


def full_since(directory: Path) -> datetime | None:
    """Since when readings are turned away, in UTC; None when they are taken."""
    return _modified_at(directory / _NOTE)


def disk_has_room(directory: Path, *, reserve_bytes: int) -> bool:
    """Whether the disk itself has room for appends: what is missing otherwise is room in the journal's bound."""
    return shutil.disk_usage(directory).free >= reserve_bytes


def told_leave(directory: Path, since: datetime) -> None:
    """Staff knows of what began then."""
    _leave(directory / _TOLD)
    with contextlib.suppress(OSError):
        os.utime(directory / _TOLD, (since.timestamp(), since.timestamp()))


def told_remove(directory: Path) -> None:
    """Staff knows that it is over."""
    _remove(directory / _TOLD)


def told_since(directory: Path) -> datetime | None:
    """When that began of which staff was told, and not yet that it is over."""
    return _modified_at(directory / _TOLD)


def _leave(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        return False  # it stands already, or not even a name has room
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _modified_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except OSError:
        return None
