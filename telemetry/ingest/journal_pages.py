"""Rows out of a damaged journal, page by page, without trusting its trees. Pure.

SQLite refuses a file whose structure is broken, and cuts its log at the first broken frame; but every row carries a
checksum, so whatever still proves itself can be taken. Formats: https://www.sqlite.org/fileformat2.html.
"""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from telemetry.ingest.journal_log import Log, log_read

PAGE_BYTES = 4096
_TABLE_LEAF = 0x0D
_LOCAL_AT_MOST = PAGE_BYTES - 35
_LOCAL_AT_LEAST = (PAGE_BYTES - 12) * 32 // 255 - 23
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_Value = int | bytes | None
_BROKEN = (IndexError, ValueError, struct.error)


class _Cell(NamedTuple):
    row_id: int
    page: memoryview
    payload_at: int
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Record:
    """One row of any table: its id and its columns; the first, an id of its own, is None."""

    row_id: int
    columns: tuple[_Value, ...]


class Pages:
    """The pages of a database file with its log laid over it. Close it after use."""

    def __init__(self, path: Path) -> None:
        self._map: mmap.mmap | None = None
        if path.exists() and path.stat().st_size:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._content = memoryview(self._map if self._map is not None else b"")
        self._log: Log = log_read(path.with_name(f"{path.name}-wal"))
        self.broken_cells = 0

    def close(self) -> None:
        """Let go of the file."""
        self._content.release()
        if self._map is not None:
            self._map.close()

    def records(self) -> Iterator[Record]:
        """Every readable record of a table, once by its page's newest version, by ascending id."""
        for cell in sorted(self._cells(), key=lambda cell: cell.row_id):
            try:
                yield Record(cell.row_id, _columns(self._payload(cell)))
            except _BROKEN:
                self.broken_cells += 1

    def _page(self, number: int) -> memoryview:
        laid_over = self._log.pages.get(number)
        if laid_over is not None:
            return laid_over
        at = (number - 1) * PAGE_BYTES
        if number < 1 or at + PAGE_BYTES > len(self._content):
            raise IndexError(number)
        return self._content[at : at + PAGE_BYTES]

    def _cells(self) -> Iterator[_Cell]:
        count = max(len(self._content) // PAGE_BYTES, max(self._log.pages, default=0))
        free = self._free()
        for number in range(1, count + 1):
            if number not in free:
                try:
                    page = self._page(number)
                except IndexError:
                    continue
                yield from self._leaf_cells(page, 100 if number == 1 else 0)
        # Frames that don't prove themselves may have a few wrong bytes among many right rows.
        for page in self._log.unproven:
            yield from self._leaf_cells(page, 0)

    def _leaf_cells(self, page: memoryview, head: int) -> Iterator[_Cell]:
        if page[head] != _TABLE_LEAF:
            return
        count = int.from_bytes(page[head + 3 : head + 5], "big")
        for at in range(head + 8, min(head + 8 + 2 * count, PAGE_BYTES - 1), 2):
            try:
                cell_at = int.from_bytes(page[at : at + 2], "big")
                payload_bytes, used = _varint(page, cell_at)
                row_id, more = _varint(page, cell_at + used)
                yield _Cell(row_id, page, cell_at + used + more, payload_bytes)
            except _BROKEN:
                self.broken_cells += 1

    def _payload(self, cell: _Cell) -> bytes:
        size = cell.payload_bytes
        if size <= _LOCAL_AT_MOST:
            return _exactly(cell.page, cell.payload_at, size)
        spilled = _LOCAL_AT_LEAST + (size - _LOCAL_AT_LEAST) % (PAGE_BYTES - 4)
        local = spilled if spilled <= _LOCAL_AT_MOST else _LOCAL_AT_LEAST
        parts, left = [_exactly(cell.page, cell.payload_at, local)], size - local
        following = int.from_bytes(_exactly(cell.page, cell.payload_at + local, 4), "big")
        while left > 0:
            page = self._page(following)
            parts.append(bytes(page[4 : 4 + min(left, PAGE_BYTES - 4)]))
            left -= len(parts[-1])
            following = int.from_bytes(page[:4], "big")
        return b"".join(parts)

    def _free(self) -> set[int]:
        """Pages that hold only rows which were deleted long ago; as far as their list can be read."""
        free: set[int] = set()
        try:
            trunk = int.from_bytes(self._page(1)[32:36], "big")
            while trunk and trunk not in free:
                free.add(trunk)
                page = self._page(trunk)
                count = min(int.from_bytes(page[4:8], "big"), PAGE_BYTES // 4 - 2)
                free.update(struct.unpack_from(f">{count}I", page, 8))
                trunk = int.from_bytes(page[:4], "big")
        except _BROKEN:
            pass  # rows that come back once more change nothing in the store
        return free


def _exactly(page: memoryview, at: int, size: int) -> bytes:
    if at + size > len(page):
        raise IndexError(at)
    return bytes(page[at : at + size])


def _varint(data: memoryview | bytes, at: int) -> tuple[int, int]:
    value = 0
    for used in range(8):
        byte = data[at + used]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, used + 1
    return value << 8 | data[at + 8], 9


def _columns(payload: bytes) -> tuple[_Value, ...]:
    head_bytes, at = _varint(payload, 0)
    columns: list[_Value] = []
    value_at = head_bytes
    while at < head_bytes:
        kind, used = _varint(payload, at)
        at += used
        value, size = _value(payload, value_at, kind)
        columns.append(value)
        value_at += size
    return tuple(columns)


def _value(payload: bytes, at: int, kind: int) -> tuple[_Value, int]:
    if kind >= 12:
        size = (kind - 12) // 2
        if at + size > len(payload):
            raise IndexError(at)
        return payload[at : at + size], size
    if kind in {8, 9}:
        return kind - 8, 0
    if kind == 0:
        return None, 0
    size = _INTEGER_BYTES[kind]
    return int.from_bytes(payload[at : at + size], "big", signed=True), size
