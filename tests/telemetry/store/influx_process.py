"""Debian's real time-series servers, started by hand in folders of their own; never the system's service."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from factorypulse.dev.ports import free_port

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{root}/meta"
[data]
dir = "{root}/data"
wal-dir = "{root}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
"""


class Server:
    """A server process that can be killed and started again, on the same port and files."""

    def __init__(self, command: list[str], root: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command, self._root = command, root
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers."""
        with (self._root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self._root)
        _wait_ready(self.url, self._process)

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In order."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=20)
            self._process = None


def influx_server(root: Path) -> Server:
    """An InfluxDB 1.6, not started yet: InfluxQL and /write, no /api/v2."""
    binary, port = _binary_or_skip("influxd", package="influxdb"), free_port()
    config = root / "influxdb.conf"
    config.write_text(_CONFIG.format(rpc=free_port(), root=root, port=port), encoding="utf-8")
    return Server([binary, "-config", str(config)], root, port)


@contextmanager
def influx_running(root: Path) -> Iterator[str]:
    """The URL of an InfluxDB 1.6 that lives as long as the block."""
    with _running(influx_server(root)) as url:
        yield url


@contextmanager
def victoria_running(root: Path) -> Iterator[str]:
    """The URL of a VictoriaMetrics that lives as long as the block: it answers /api/v2/write, and no InfluxQL."""
    binary, port = _binary_or_skip("victoria-metrics", package="victoria-metrics"), free_port()
    options = [f"-storageDataPath={root}", f"-httpListenAddr=127.0.0.1:{port}", "-memory.allowedBytes=64MB"]
    with _running(Server([binary, "-retentionPeriod=10y", *options], root, port)) as url:
        yield url


@contextmanager
def _running(server: Server) -> Iterator[str]:
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def _binary_or_skip(name: str, *, package: str) -> str:
    """The server's binary, which `make test` installs. Skips where it is missing, except in CI."""
    found = shutil.which(name)
    if found:
        return found
    reason = f"there is no {name} here: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _wait_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start")
