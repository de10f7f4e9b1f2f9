"""The real trial for tests: `make demo`'s supervisor with all its processes, on free ports, in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from factorypulse.dev.clean import remove_state
from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import command_line

ROOT = Path(__file__).resolve().parent.parent.parent
READY = "FactoryPulse is ready: "
_READY_DEADLINE_S = 300.0
_STOP_DEADLINE_S = 40.0
# What the test run's own services and settings have put into our environment is not the trial's.
_NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "DOMAIN", "SECRET_KEY", "PORT", "MQTT_PORT")


class Trial:
    """One trial; `start` returns when it says that it is ready."""

    def __init__(self, folder: Path, *, simulator: bool, settings: Mapping[str, str] | None = None) -> None:
        self.state_dir = folder / "state"
        self.output_file = folder / "output"
        self.port = free_port()
        self.mqtt_port = free_port()
        self.simulator = simulator
        self.settings = dict(settings or {})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The public site."""
        return f"http://localhost:{self.port}"

    @property
    def mailbox_url(self) -> str:
        """The page with the mail that the trial sent."""
        return f"{self.url}/mailbox/"

    def factory_url(self, slug: str = "demo") -> str:
        """A factory's own host."""
        return f"http://{slug}.localhost:{self.port}"

    @property
    def owner_email(self) -> str:
        """Who owns the factory `demo`."""
        return str(self._owner()["email"])

    @property
    def owner_password(self) -> str:
        """The owner's password, as the trial prints it."""
        return str(self._owner()["password"])

    def _owner(self) -> dict[str, str]:
        return dict(json.loads((self.state_dir / "owner.json").read_text(encoding="utf-8")))

    @property
    def output(self) -> str:
        """Everything the trial printed."""
        return self.output_file.read_text(encoding="utf-8", errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """What a command beside the trial runs with."""
        inherited = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        return {**inherited, **self.settings, "STATE_DIR": str(self.state_dir)}

    def launch(self) -> None:
        """Start it without waiting."""
        self.process = self.launch_another(self.output_file)

    def launch_another(self, output: Path | int, **ports: int) -> subprocess.Popen[bytes]:
        """Start a supervisor on this trial's folder, and on its ports unless others are named.

        output: a file, or a descriptor.
        """
        chosen = {"port": self.port, "mqtt-port": self.mqtt_port, **ports}
        options = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
        argv = [sys.executable, "-m", "factorypulse.dev.demo", "--stop-with-parent", *options]
        argv += ["--simulator", "on" if self.simulator else "off"]
        with open(output, "ab", closefd=not isinstance(output, int)) as file:  # descriptors too
            return subprocess.Popen(
                argv, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.launch()
        assert self.process is not None
        deadline = time.monotonic() + _READY_DEADLINE_S
        while READY not in self.output:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"The trial did not become ready:\n{self.output[-5000:]}")
            time.sleep(0.1)

    def stop(self, *, with_signal: int = signal.SIGINT) -> int:
        """End it as Ctrl-C does, if it still runs. Returns its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def manage(self, *words: str) -> str:
        """Run a management command beside it. Returns what it printed."""
        argv = [sys.executable, "manage.py", *words]
        done = subprocess.run(argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> dict[int, str]:
        """Everything that runs for this trial: process ids and command lines."""
        return {pid: command_line(pid) for pid in _pids() if self._is_ours(pid)}

    def pid_of(self, words: str) -> int:
        """The process whose command line contains these words."""
        found = [pid for pid, line in self.processes().items() if words in line]
        assert len(found) == 1, found
        return found[0]

    def _is_ours(self, pid: int) -> bool:
        # Valkey writes its title over its environment, so it is known by the folder it works in.
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            here = Path(f"/proc/{pid}/cwd").readlink() == self.state_dir
        except OSError:
            return False
        return (here or f"STATE_DIR={self.state_dir}\0".encode() in environment) and bool(command_line(pid))


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


@contextmanager
def new_trial(*, simulator: bool, settings: Mapping[str, str] | None = None) -> Iterator[Trial]:
    """A trial that is not started yet; stopped and removed with everything it made afterwards.

    settings: environment variables, such as the mail server's address.
    """
    with tempfile.TemporaryDirectory(prefix="factorypulse-trial-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get in
        trial = Trial(Path(name).resolve(), simulator=simulator, settings=settings)
        try:
            yield trial
        finally:
            if trial.process is not None:
                trial.stop()
            remove_state(trial.state_dir)


@contextmanager
def running_trial(*, simulator: bool, settings: Mapping[str, str] | None = None) -> Iterator[Trial]:
    """A trial that is ready; stopped and removed afterwards."""
    with new_trial(simulator=simulator, settings=settings) as trial:
        trial.start()
        yield trial
