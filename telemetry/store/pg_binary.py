"""PostgreSQL's binary COPY format: rows with byte strings on their way in, columns of numbers on their way out."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER = _SIGNATURE + bytes(8)  # no flags, no extension
_TRAILER = b"\xff\xff"

# Column types of the wire, in numpy's words.
INT2, INT4, INT8, FLOAT8, BYTES = "i2", "i4", "i8", "f8", "bytes"
_STRUCT = {INT2: "h", INT4: "i", INT8: "q", FLOAT8: "d"}


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


def copy_decode(stream: bytes, columns: Sequence[tuple[str, str]]) -> Mapping[str, NDArray[Any]]:
    """Named columns of a COPY ... TO STDOUT (FORMAT BINARY) stream of numbers without nulls, in native byte order."""
    # The server announces how long its header's extension is: it has been 0 for as long as the format exists.
    start = len(_HEADER) + struct.unpack_from(">i", stream, len(_HEADER) - 4)[0]
    layout = _row_layout(columns)
    count = (len(stream) - start - len(_TRAILER)) // layout.itemsize
    rows = np.frombuffer(stream, layout, count=count, offset=start)
    return {name: rows[name].astype(kind) for name, kind in columns}


def _row_layout(columns: Sequence[tuple[str, str]]) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns:
        fields += [(f"length_{name}", ">i4"), (name, f">{kind}")]
    return np.dtype(fields)
