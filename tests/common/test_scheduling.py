"""A process that asks to run promptly keeps its niceness and its policy, and its threads ask with it."""

import ctypes
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_GET = {"x86_64": 315, "aarch64": 275}
# In a process of its own: a request is for life.
ASK = """
import os, threading
from common.scheduling import run_promptly
from tests.common.test_scheduling import scheduled
os.nice(3)
print(run_promptly())
print(*scheduled())
thread = threading.Thread(target=lambda: print(*scheduled()))
thread.start(); thread.join()
"""


def scheduled():
    """Policy, niceness and slice (ns) of this thread, as the kernel has them."""
    answer = ctypes.create_string_buffer(48)
    number = ctypes.c_long(_GET[platform.machine()])
    assert ctypes.CDLL(None).syscall(number, 0, answer, 48, 0) == 0
    _size, policy, _flags, niceness, _priority, slice_ns, _deadline, _period = struct.unpack("=IIQiIQQQ", answer.raw)
    return policy, niceness, slice_ns


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in _GET, reason="Linux alone knows slices")
def test_who_asks_to_run_promptly_keeps_its_niceness_and_its_threads_run_promptly_too():
    policy, niceness, slice_ns = scheduled()
    told = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    asked, own, threads = told.splitlines()[-3:]
    if asked != "True":
        pytest.skip("a sandbox forbids it here")
    assert own == threads
    assert own.split()[:2] == [str(policy), str(min(niceness + 3, 19))]
    # Kernels before 6.12 tell no slices.
    assert slice_ns == 0 or own.split()[2] == "100000"


def test_a_machine_that_knows_no_slices_is_left_alone(monkeypatch):
    from common import scheduling

    monkeypatch.setattr(scheduling, "_CALL", None)
    assert not scheduling.run_promptly()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
