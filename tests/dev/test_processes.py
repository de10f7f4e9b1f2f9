"""Processes of the trial: who yields to whom."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from factorypulse.dev.processes import session_nice, spawn, stop


def test_session_is_as_nice_as_its_process_where_the_kernel_shares_among_sessions() -> None:
    process = spawn([sys.executable, "-c", "input()"], log=subprocess.DEVNULL, stdin=subprocess.PIPE)
    place = Path(f"/proc/{process.pid}/autogroup")
    try:
        shares = os.access(place, os.W_OK)
        assert session_nice(process.pid, 7) is shares
        assert not shares or place.read_text(encoding="ascii").split()[-1] == "7"
    finally:
        stop(process, signals=[(signal.SIGTERM, 5)])


def test_session_of_nobody_is_left_alone() -> None:
    process = spawn([sys.executable, "-c", ""], log=subprocess.DEVNULL)
    process.wait(30)
    assert not session_nice(process.pid, 7)
