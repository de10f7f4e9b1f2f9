"""Memory that was freed, given back to the machine."""

import ctypes
from typing import Any

# Of glibc alone; other C libraries give back by themselves.
_malloc_trim: Any = getattr(ctypes.CDLL(None), "malloc_trim", None)


def memory_return() -> None:
    """Give the pages that lie free in the C heap back to the system; takes a millisecond or two.

    glibc keeps what numpy's arrays and the database driver's rows have left, so that a process would stay as large as
    its largest moment. Some seconds apart it costs nothing that can be measured.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)
