"""The meter counts what a process tree used, also of children that have ended."""

import os
import subprocess
import sys

from benchmarks.journey.meter import children_by_parent, costs, tree

_BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
_PARENT = (
    f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_BURN!r}]); print('done', flush=True); input()"
)


def test_time_of_a_child_that_has_ended_still_counts():
    process = subprocess.Popen([sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        cost = costs({"burner": [process.pid]})["burner"]
    finally:
        process.communicate(b"\n")
    assert cost.cpu_s >= 0.3
    assert cost.pss_mib > 1


def test_a_tree_holds_children_of_children():
    with subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True) as process:
        try:
            while len(found := tree([process.pid], children_by_parent())) < 2:
                assert process.poll() is None
        finally:
            os.killpg(process.pid, 15)
    assert found[0] == process.pid
