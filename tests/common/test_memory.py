"""Memory that was freed goes back to the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from common import memory

# Blocks as small rows make them, too small for the allocator to map each; the last keeps the heap from shrinking.
_GROW_AND_FREE = """
import ctypes
from pathlib import Path
from common.memory import memory_return
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident_mib():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024
blocks = [libc.malloc(8192) for _ in range(8192)]
for block in blocks:
    ctypes.memset(block, 1, 8192)
keep = libc.malloc(8192)
for block in blocks:
    libc.free(block)
before = resident_mib()
memory_return()
print(before - resident_mib())
"""


@pytest.mark.skipif(memory._malloc_trim is None, reason="only glibc keeps what was freed")
def test_what_lies_free_in_the_heap_goes_back() -> None:
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", _GROW_AND_FREE], cwd=root, capture_output=True, text=True, check=True)
    assert float(run.stdout) > 40, run.stdout


def test_a_c_library_without_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_malloc_trim", None)
    memory.memory_return()
