"""PostgreSQL's binary formats: rows for COPY on their way in, arrays as numpy columns on their way out.

A query that answers with arrays answers with columns: no reading, and no row of many, becomes Python objects.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.pq import Format

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # no flags, no extension
_TRAILER = b"\xff\xff"

# Column types of the wire, in numpy's words.
INT2, INT4, INT8, FLOAT8, BYTES = "i2", "i4", "i8", "f8", "bytes"
_STRUCT = {INT2: "h", INT4: "i", INT8: "q", FLOAT8: "d"}
_ARRAYS = {1005: INT2, 1007: INT4, 1016: INT8, 1022: FLOAT8}  # by the OID of the array's type


def copy_encode(rows: Iterable[Sequence[Any]], kinds: Sequence[str]) -> bytes:
    """A COPY ... FROM STDIN (FORMAT BINARY) stream of rows without nulls: numbers first, then byte strings.

    Raises struct.error for a number that its column can't hold.
    """
    numbers = [kind for kind in kinds if kind != BYTES]
    if list(kinds[: len(numbers)]) != numbers:
        raise ValueError("numbers come before byte strings")
    split = len(numbers)
    pack = struct.Struct(">h" + "".join(f"i{_STRUCT[kind]}" for kind in numbers)).pack
    length = struct.Struct(">i").pack
    sizes = [int(kind[1:]) for kind in numbers]
    parts = [_HEADER]
    for row in rows:
        parts.append(pack(len(kinds), *(word for pair in zip(sizes, row, strict=False) for word in pair)))
        for body in row[split:]:
            parts += (length(len(body)), body)
    parts.append(_TRAILER)
    return b"".join(parts)


def arrays_as_columns(adapters: AdaptersMap) -> None:
    """Let arrays of numbers without nulls come as numpy arrays of 64 bits."""
    for oid in _ARRAYS:
        adapters.register_loader(oid, _ArrayLoader)


class _ArrayLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> NDArray[Any]:
        kind = _ARRAYS[self.oid]
        dimensions, *_, count, _lowest = struct.unpack_from(">iiIii", bytes(data[:20]).ljust(20, b"\0"))
        elements = np.dtype([("length", ">i4"), ("value", f">{kind}")])
        wide = np.float64 if kind == FLOAT8 else np.int64
        return np.frombuffer(data, elements, count if dimensions else 0, 20 if dimensions else 0)["value"].astype(wide)
