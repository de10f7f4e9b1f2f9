"""The processes of the trial: what each is, and how it is kept running."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from factorypulse.dev.console import Console, LogFile, worth_showing
from factorypulse.dev.processes import session_nice, spawn, stop

ROOT = Path(__file__).resolve().parent.parent.parent
_STEADY_S = 30.0
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
# On a busy machine acknowledgements come first, then what people see, then what is computed about it.
_DRAIN_NICE, _WORKER_NICE = 5, 10


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run under which name."""

    name: str
    words: tuple[str, ...]
    grace_s: float = 8.0
    says_ready: str = ""  # a pattern in its log; empty when somebody asks it instead
    niceness: int = 0

    @property
    def argv(self) -> list[str]:
        """The command line: all of ours are Python."""
        gentle = ["nice", "-n", str(self.niceness)] if self.niceness else []
        return [*gentle, sys.executable, *self.words]


def programs(*, port: int, mqtt_port: int) -> list[Program]:
    """Everything but the services and the plant, in the order of starting."""
    celery = ("-m", "celery", "--quiet", "-A", "factorypulse.celery")
    return [
        Program(
            name="web",
            words=("-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "factorypulse.asgi:application"),
        ),
        Program(name="ingest", words=("manage.py", "ingest", "--mqtt-port", str(mqtt_port))),
        Program(name="drain", words=("manage.py", "drain"), says_ready=r"drain_ready", niceness=_DRAIN_NICE),
        Program(
            name="worker",
            words=(
                *celery,
                "worker",
                "--pool=threads",
                "--concurrency=2",
                "--loglevel=INFO",
                "--without-mingle",
                "--without-gossip",
            ),
            says_ready=r"@\S+ ready",
            niceness=_WORKER_NICE,
        ),
        Program(
            name="beat",
            words=("-m", "celery", "--quiet", "-A", "factorypulse.beat", "beat", "--loglevel=INFO"),
            says_ready=r"beat: Starting",
            niceness=_WORKER_NICE,
        ),
    ]


def plant(plant_file: Path) -> Program:
    """The simulated plant, which reports from outside like any device."""
    return Program(name="plant", words=("-m", "factorypulse.dev.plant", "--config", str(plant_file)))


@dataclass
class Child:
    """One program while it is supervised: it is started again when it ends, after a wait that grows."""

    program: Program
    env: Mapping[str, str]
    log: LogFile
    number: int
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    _started_at: float = 0.0
    _start_again_at: float = 0.0
    _wait_s: float = field(default=_FIRST_WAIT_S)

    def start(self) -> None:
        """Start it; SIGKILL is its fate when we are killed: the product is made to survive that."""
        with self.log.path.open("ab") as log:
            self.process = spawn(self.program.argv, log=log, env=self.env, cwd=ROOT, death_signal=signal.SIGKILL)
        if self.program.niceness:
            session_nice(self.process.pid, self.program.niceness)
        self._started_at = time.monotonic()

    def look_after(self, console: Console) -> None:
        """Relay what it says, and start it again when its wait is over."""
        self.log.follow(lambda line: self._heard(line, console))
        now = time.monotonic()
        if self.process is None:
            if now >= self._start_again_at:
                self.start()
        elif (code := self.process.poll()) is not None:
            self.process = None
            # Something that ran well for a while and fell deserves a quick start again.
            if now - self._started_at > _STEADY_S:
                self._wait_s = _FIRST_WAIT_S
            self._start_again_at = now + self._wait_s
            console.say(f"*** {self.program.name} ended ({_reason(code)}); it starts again in {self._wait_s:.1f} s")
            self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)

    def _heard(self, line: str, console: Console) -> None:
        if self.program.says_ready and re.search(self.program.says_ready, line):
            self.ready = True
        if worth_showing(line):
            console.relay(self.program.name, line, self.number)

    def ask_to_end(self) -> None:
        """Send it the signal to end, and don't wait."""
        if self.process is not None:
            self.process.terminate()

    def wait_ended(self) -> None:
        """Wait until it has ended; kill it when it takes too long."""
        if self.process is not None:
            # No second signal: Celery takes that for “at once” and drops what it is doing.
            stop(self.process, signals=[(0, self.program.grace_s)])

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
