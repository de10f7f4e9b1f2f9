"""A disk that fails, fills, stalls or loses its power on command, under the real processes (see disk.c)."""

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("disk.c")
_FIELDS = ("fail_syncs", "full", "die_at_write", "die_after_sync", "sync_takes_us", "remember", "writes", "syncs")
_RECORD = struct.Struct("<qqq")


def library_build(folder):
    """Compile the library; skips where there is no compiler, and fails where the tests must all run."""
    compiler = shutil.which("gcc") or shutil.which("cc") or _missing("no C compiler is installed")
    library = folder / "disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, _SOURCE, "-ldl"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        _missing(f"disk.c does not compile here: {done.stderr[-300:]}")
    return library


def _missing(what):
    if os.environ.get("CI"):
        pytest.fail(f"{what} (Debian: build-essential)")
    pytest.skip(f"{what} (Debian: build-essential)")


class Disk:
    """What the disk under a folder does to the processes that were started with its environment and library."""

    def __init__(self, library, folder):
        self.library, self.folder = library, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path = self.folder.with_name("disk-control")
        self._path.write_bytes(bytes(4 * len(_FIELDS)))
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @property
    def environment(self):
        return {
            "LD_PRELOAD": str(self.library),
            "FACTORYPULSE_TEST_DISK": str(self.folder),
            "FACTORYPULSE_TEST_DISK_CONTROL": str(self._path),
        }

    def set(self, **fields):
        """fail_syncs=3: the next three fail; full=1; die_at_write=7: dies halfway in the seventh; and so on."""
        for name, value in fields.items():
            self._map[4 * _FIELDS.index(name) : 4 * _FIELDS.index(name) + 4] = value.to_bytes(4, "little")

    def __getattr__(self, name):
        if name not in _FIELDS:
            raise AttributeError(name)
        at = 4 * _FIELDS.index(name)
        return int.from_bytes(self._map[at : at + 4], "little")

    def cut_power(self, *, kept=0):
        """Take back what no sync had made durable, but for the first `kept` writes of each file. Nothing may run."""
        undone = 0
        for undo in self.folder.glob("*.undo"):
            undone += _undo(undo, kept=kept)
            undo.unlink()
        for index in self.folder.glob("*-shm"):
            index.unlink()  # it lived in memory
        return undone


def _undo(undo, *, kept):
    path = undo.with_suffix("")
    records = list(_records(undo.read_bytes()))[kept:]
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        for offset, size, old in reversed(records):
            file.seek(offset)
            file.write(old)
            file.truncate(size)
    return len(records)


def _records(content):
    at = 0
    while at < len(content):
        offset, size, length = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        yield offset, size, content[at : at + length]
        at += length
