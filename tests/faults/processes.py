"""The product's processes for fault tests: started as in the trial, killed without warning, started again."""

import socket
import sys
import time
from pathlib import Path

from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import spawn, stop

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "tests/faults/entry.py"
_COMMANDS = ROOT / "telemetry" / "management" / "commands"


def wait_until(condition, *, within_s=60.0, what="it did not happen"):
    """Poll until the condition holds and return what it gave."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.01)
    return found


def answers(port):
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Process:
    """One program that can be killed and started again; its words go to a log."""

    def __init__(self, *words, environment, log):
        self.words, self.environment, self.log = words, environment, Path(log)
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = spawn([sys.executable, *self.words], log=log, env=self.environment, cwd=ROOT)

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: no warning, no good-bye."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM, as a restart does; returns the exit code."""
        return stop(self.process, signals=[(15, 30)])

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class IngestSide:
    """What stands between devices and the store: one process or several, as many as there are commands for it.

    faults: names from `entry.py` that are done to each of them. preload: a library for LD_PRELOAD.
    """

    def __init__(self, environment, folder, *, faults=(), preload=None):
        self.port = free_port()
        self.log = folder / "ingest.log"
        environment = {**environment, "FACTORYPULSE_TEST_FAULTS": " ".join(faults)}
        if preload is not None:
            environment["LD_PRELOAD"] = str(preload)
        script = ENTRY if faults else "manage.py"
        words = [(script, "ingest", "--mqtt-port", str(self.port))]
        if (_COMMANDS / "drain.py").exists():
            words.append((script, "drain"))
        self.processes = [Process(*each, environment=environment, log=self.log) for each in words]

    @property
    def doors(self):
        """The process that speaks with devices."""
        return self.processes[0]

    def launch(self):
        """Start what does not run, without waiting."""
        for process in self.processes:
            if not process.running:
                process.start()

    def start(self):
        """Start what does not run, until devices can connect."""
        self.launch()
        wait_until(self._listening, what=lambda: f"ingest did not listen:\n{self.said()[-3000:]}")

    def _listening(self):
        assert self.doors.running, f"ingest ended by itself:\n{self.said()[-3000:]}"
        return answers(self.port)

    def kill(self):
        for process in self.processes:
            if process.running:
                process.kill()

    def stop(self):
        """Returns the exit codes."""
        return [process.stop() for process in self.processes if process.process is not None]

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def memory_bytes(self):
        """Resident memory of all its processes."""
        pages = 0
        for process in self.processes:
            pages += int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1])
        return pages * 4096
