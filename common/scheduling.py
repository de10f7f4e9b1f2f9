"""How soon a process that wakes is given a processor. Linux alone; elsewhere nothing happens."""

import ctypes
import os
import platform
import struct
import sys

import structlog

_log = structlog.get_logger(__name__)

# sched_setattr(2), which neither Python nor older C libraries know.
_CALL = {"x86_64": 314, "aarch64": 274}.get(platform.machine()) if sys.platform == "linux" else None
# struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
_SHORTEST_SLICE_NS = 100_000


def run_promptly() -> bool:
    """Let this thread, and those it starts from now on, run soon after they wake; whether the kernel was asked.

    Since Linux 6.12 (EEVDF) a task may ask for a shorter slice than others have: it gets no more of the processors than
    before, and gets it sooner, in front of tasks with longer slices. Older kernels take the request and ignore it.
    Whoever computes for long should not ask: it would be interrupted more often.
    """
    if _CALL is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, _SHORTEST_SLICE_NS, 0, 0)
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(ctypes.c_long(_CALL), 0, wanted, 0) != 0:
        # A sandbox may forbid it: acknowledgements wait longer then on a busy machine, and nothing else changes.
        _log.info("prompt_running_refused", error=os.strerror(ctypes.get_errno()))
        return False
    return True
