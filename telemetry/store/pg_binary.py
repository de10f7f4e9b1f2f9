"""PostgreSQL's binary formats as numpy columns: COPY rows in both directions, and array parameters.

Every row of a table of fixed-width columns has the same layout, so a whole batch is one structured array and no reading
becomes a Python object on its way.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER = _SIGNATURE + bytes(8)  # no flags, no extension
_TRAILER = b"\xff\xff"

# Column types of the wire: the type's OID and its big-endian numpy form.
INT4 = ("i4", 23)
INT8 = ("i8", 20)
FLOAT8 = ("f8", 701)
ColumnType = tuple[str, int]


def copy_encode(columns: Sequence[tuple[NDArray[Any], ColumnType]]) -> bytes:
    """A COPY ... (FORMAT BINARY) stream of rows without nulls; columns are equally long."""
    layout = _row_layout([(str(index), kind) for index, (_, kind) in enumerate(columns)])
    rows = np.empty(len(columns[0][0]), layout)
    rows["fields"] = len(columns)
    for index, (column, (code, _)) in enumerate(columns):
        rows[f"length_{index}"] = int(code[1:])
        rows[str(index)] = column
    return _HEADER + rows.tobytes() + _TRAILER


def copy_decode(stream: bytes, columns: Sequence[tuple[str, ColumnType]]) -> Mapping[str, NDArray[Any]]:
    """The columns of a COPY ... TO STDOUT (FORMAT BINARY) stream whose rows hold no null, in native byte order."""
    # The server announces how long its header's extension is: it has been 0 for as long as the format exists.
    start = len(_HEADER) + struct.unpack_from(">i", stream, len(_HEADER) - 4)[0]
    layout = _row_layout(columns)
    count = (len(stream) - start - len(_TRAILER)) // layout.itemsize
    rows = np.frombuffer(stream, layout, count=count, offset=start)
    return {name: rows[name].astype(code) for name, (code, _) in columns}


def _row_layout(columns: Sequence[tuple[str, ColumnType]]) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, (code, _) in columns:
        fields += [(f"length_{name}", ">i4"), (name, f">{code}")]
    return np.dtype(fields)


@dataclass(frozen=True, slots=True)
class BinaryArray:
    """A one-dimensional array parameter, already encoded."""

    encoded: bytes

    @classmethod
    def of(cls, column: NDArray[Any], kind: ColumnType) -> "BinaryArray":
        code, oid = kind
        elements = np.empty(len(column), [("length", ">i4"), ("value", f">{code}")])
        elements["length"] = int(code[1:])
        elements["value"] = column
        # Dimensions, has nulls, element type, length, lower bound.
        return cls(struct.pack(">iiIii", 1, 0, oid, len(column), 1) + elements.tobytes())


class BinaryArrayDumper(Dumper):
    """Lets psycopg send a BinaryArray as it stands; the statement's cast names the type."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: BinaryArray) -> bytes:
        return obj.encoded
