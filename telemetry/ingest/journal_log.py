"""The journal's write-ahead log, frame by frame: what in it proves itself, and whether it has a hole. Pure: numpy.

SQLite ends its recovery at the first frame whose checksum is wrong, which is right for a torn tail, and silently
forgets every later commit when a byte in the middle was flipped. Each frame's checksum continues the one written in the
frame before, so that frames after a hole can still prove themselves.
"""

import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_PAGE_BYTES = 4096
_HEAD_BYTES = 32
_FRAME = np.dtype(
    [("page", ">u4"), ("pages_after", ">u4"), ("salt", ">u8"), ("sums", ">u4", 2), ("data", "u1", _PAGE_BYTES)]
)
_WORDS = (8 + _PAGE_BYTES) // 4
_BIG_ENDIAN_MAGIC = 0x377F0683
_AT_ONCE = 2_000
# One of the two copies of the head of SQLite's index of the log: isInit, mxFrame, aFrameCksum and aSalt.
_INDEX_HEAD = struct.Struct("=12x?3xI4x2I8s8x")


@dataclass(frozen=True, slots=True)
class Log:
    """Committed pages by number, newest version each; pages of frames that don't prove themselves; whether commits
    stand behind such a frame, where SQLite would not look."""

    pages: dict[int, memoryview] = field(default_factory=dict)
    unproven: list[memoryview] = field(default_factory=list)
    has_hole: bool = False


def log_read(path: Path) -> Log:
    """Read a log; a missing or empty one is an empty Log."""
    content = path.read_bytes() if path.exists() else b""
    count = (len(content) - _HEAD_BYTES) // _FRAME.itemsize
    if count < 1:
        return Log()
    frames = np.frombuffer(content, _FRAME, count, _HEAD_BYTES)
    proven, head_proven = _proven(content, frames)
    # Only this generation's frames count: older ones stand behind the point up to which the log was written anew.
    salt = int.from_bytes(content[16:24], "big") if head_proven else _usual(frames["salt"][proven])
    proven &= frames["salt"] == salt
    proven[_superseded_from(path, content, frames, proven) :] = False
    if not proven.any():
        return Log()
    commits = np.flatnonzero(proven & (frames["pages_after"] > 0))
    end = int(commits[-1]) + 1 if len(commits) else 0
    doubtful = np.flatnonzero(~proven[:end])
    data = memoryview(content)
    return Log(
        pages={int(frames["page"][at]): _data(data, at) for at in np.flatnonzero(proven[:end]).tolist()},
        unproven=[_data(data, at) for at in doubtful.tolist()],
        has_hole=bool(len(doubtful)) or (not head_proven and end > 0),
    )


def _superseded_from(path: Path, content: bytes, frames: NDArray[np.void], proven: NDArray[np.bool_]) -> int:
    """Where the rest of a transaction begins that nobody finished; beyond the end when there is none.

    Who is killed between its sync and the note of it in the index has acknowledged nothing, and a process that lives
    on writes over its frames. Where that one wrote fewer, the rest of the dead one's stands behind, its commit too.
    Only where the index ends there, and what follows is one transaction, it is no hole.
    """
    end = len(frames)
    index = path.with_name(path.name.removesuffix("-wal") + "-shm")
    head = index.read_bytes()[: 2 * _INDEX_HEAD.size] if index.exists() else b""
    if len(head) < 2 * _INDEX_HEAD.size or head[: _INDEX_HEAD.size] != head[_INDEX_HEAD.size :]:
        return end
    is_made, last, *sums, salt = _INDEX_HEAD.unpack_from(head)
    if not is_made or salt != content[16:24] or not 0 < last < end or not proven[:last].all() or proven[last]:
        return end
    commits_behind = np.count_nonzero(proven[last:] & (frames["pages_after"][last:] > 0))
    is_last = frames["sums"][last - 1].tolist() == sums and frames["pages_after"][last - 1] > 0
    return last if is_last and commits_behind <= 1 else end


def _data(content: memoryview, frame: int) -> memoryview:
    at = _HEAD_BYTES + (frame + 1) * _FRAME.itemsize - _PAGE_BYTES
    return content[at : at + _PAGE_BYTES]


def _usual(salts: NDArray[np.uint64]) -> int:
    if not len(salts):
        return -1
    found, counts = np.unique(salts, return_counts=True)
    return int(found[counts.argmax()])


def _proven(content: bytes, frames: NDArray[np.void]) -> tuple[NDArray[np.bool_], bool]:
    """Which frames continue the checksum of the frame before them, and whether the head's own checksum is right."""
    order = ">u4" if content[:4] == _BIG_ENDIAN_MAGIC.to_bytes(4, "big") else "<u4"
    head_sums = np.frombuffer(content, ">u4", 2, 24).astype(np.uint32)
    head = np.frombuffer(content, order, 6, 0).astype(np.uint32)[None, :]
    head_proven = bool((_continued(np.zeros((1, 2), np.uint32), head) == head_sums).all())
    sums = frames["sums"].astype(np.uint32)
    before = np.vstack([head_sums[None, :], sums[:-1]])
    proven = np.zeros(len(frames), bool)
    for at in range(0, len(frames), _AT_ONCE):
        part = slice(at, at + _AT_ONCE)
        proven[part] = (_continued(before[part], _words(frames[part], order)) == sums[part]).all(axis=1)
    return proven, head_proven


def _words(frames: NDArray[np.void], order: str) -> NDArray[np.uint32]:
    """What a frame's checksum is over: the first eight bytes of its head, and the page."""
    raw = np.ascontiguousarray(frames).view(np.uint8).reshape(len(frames), _FRAME.itemsize)
    summed = np.concatenate([raw[:, :8], raw[:, _FRAME.itemsize - _PAGE_BYTES :]], axis=1)
    return np.ascontiguousarray(summed).view(order).astype(np.uint32)


def _continued(sums: NDArray[np.uint32], words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """SQLite's checksum of rows of words, each begun with its own pair of sums; modulo 2**32.

    The sums are a linear recurrence, so that a whole row is one product with fixed weights.
    """
    carried, weights = _weights(words.shape[1])
    return sums @ carried.T + words @ weights.T


@cache
def _weights(words: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    # Of a pair (a, b): s0 += a + s1; s1 += b + s0.
    step = np.array([[1, 1], [1, 2]], np.uint32)
    taken = np.array([[1, 0], [1, 1]], np.uint32)
    power = np.eye(2, dtype=np.uint32)
    columns = []
    for _ in range(words // 2):
        columns.append(power @ taken)
        power = power @ step
    return power, np.hstack(columns[::-1])
