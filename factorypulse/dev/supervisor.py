"""The one process behind `make demo`: starts everything, keeps it running, and stops it in order.

Single-threaded on purpose: the kernel ties a child's life to the thread that started it.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import FrameType

from factorypulse.dev.children import ROOT, Child, Program
from factorypulse.dev.console import Console, LogFile
from factorypulse.dev.errors import TrialError
from factorypulse.dev.ports import LOOPBACK, port_answers
from factorypulse.dev.processes import command_line, spawn
from factorypulse.dev.services import Services
from factorypulse.dev.state import StateFolder

_TICK_S = 0.1
_READY_DEADLINE_S = 90.0
# Who makes work, then who does it, then the doors; those of one wave end side by side.
_STOP_WAVES = (("plant", "beat"), ("worker", "web"), ("ingest",), ("drain",))


class StopRequestedError(Exception):
    """Somebody wants us to end."""


class Supervisor:
    """Services and programs of one trial, from start to end."""

    def __init__(self, *, state: StateFolder, services: Services, console: Console) -> None:
        self.services = services
        self.console = console
        self._state = state
        self._children: list[Child] = []
        self._stop_requests = 0

    def listen_to_signals(self) -> None:
        """Ctrl-C, a plain kill and a closed terminal all mean: stop in order. A second one means: at once."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_requests += 1
        if self._stop_requests == 1:
            raise StopRequestedError
        for child in self._children:
            child.kill()

    def run_once(self, name: str, words: list[str], env: Mapping[str, str]) -> None:
        """Run a program to its end. Raises TrialError with its last words when it fails."""
        log = LogFile(self._state.logs / f"{name}.log")
        with log.path.open("ab") as file:
            process = spawn([sys.executable, *words], log=file, env=env, cwd=ROOT)
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code:
            raise TrialError(f"{' '.join(words)} failed; {log.path} has it all:\n\n{log.last_lines(15)}")

    def launch(self, *programs: Program, env: Mapping[str, str]) -> None:
        """Start programs; they may not answer yet."""
        for program in programs:
            log = LogFile(self._state.logs / f"{program.name}.log")
            child = Child(program=program, env=env, log=log, number=len(self._children))
            child.start()
            self._children.append(child)

    def wait_ready(self, *, port: int, mqtt_port: int, hosts: list[str]) -> None:
        """Until every door answers and the workers are at work. Raises TrialError after a minute and a half."""
        deadline = time.monotonic() + _READY_DEADLINE_S
        while not self._ready(port, mqtt_port, hosts):
            if time.monotonic() > deadline:
                raise TrialError(f"Not everything answers; {self._state.logs} says why.")
            self._tick()

    def _ready(self, port: int, mqtt_port: int, hosts: list[str]) -> bool:
        if not all(child.ready for child in self._children if child.program.says_ready):
            return False
        if not port_answers(port) or not port_answers(mqtt_port):
            return False
        return _status(port, hosts[0], "/health/ready") == 200 and all(_status(port, host, "/") < 400 for host in hosts)

    def watch(self) -> None:
        """Go on until somebody asks us to stop."""
        while True:
            self._tick()

    def _tick(self) -> None:
        self._look_after_services()
        for child in self._children:
            child.look_after(self.console)
        time.sleep(_TICK_S)

    def _look_after_services(self) -> None:
        for name, service in (("PostgreSQL", self.services.postgres), ("Valkey", self.services.valkey)):
            if service.process is not None and service.process.poll() is not None:
                self.console.say(f"*** {name} ended (exit code {service.process.returncode}); starting it again")
                service.launch()
                service.wait_ready()

    def stop(self) -> None:
        """Stop everything in the order in which nobody misses what is gone."""
        for wave in _STOP_WAVES:
            leaving = [child for child in self._children if child.program.name in wave]
            for child in leaving:
                child.ask_to_end()
            for child in leaving:
                child.wait_ended()
        self.services.stop()
        self.console.say("Stopped. The data is kept; `make demo` goes on from here, `make clean` removes it.")


def _status(port: int, host: str, path: str) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 599
    finally:
        connection.close()


def who_listens(port: int) -> str:
    """The process that holds a port, if we may know it: “ (process 123: nginx)”, or nothing."""
    try:
        answer = subprocess.run(
            ["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return ""
    _, found, rest = answer.partition("pid=")
    pid = rest.split(",")[0]
    if not found or not pid.isdigit() or int(pid) == os.getpid():
        return ""
    return f" (process {pid}: {command_line(int(pid))[:80]})"
