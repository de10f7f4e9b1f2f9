"""Debian's real time-series servers, started by hand in folders of their own; never the system's service."""

import os
import shutil
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


@contextmanager
def influx_running(root: Path) -> Iterator[str]:
    """The URL of an InfluxDB 1.6 that lives as long as the block: InfluxQL and /write, no /api/v2."""
    binary, port = _binary_or_skip("influxd", package="influxdb"), free_port()
    config = root / "influxdb.conf"
    config.write_text(_CONFIG.format(rpc=free_port(), root=root, port=port), encoding="utf-8")
    with _running([binary, "-config", str(config)], root, f"http://127.0.0.1:{port}") as url:
        yield url


@contextmanager
def victoria_running(root: Path) -> Iterator[str]:
    """The URL of a VictoriaMetrics that lives as long as the block: it answers /api/v2/write, and no InfluxQL."""
    binary, port = _binary_or_skip("victoria-metrics", package="victoria-metrics"), free_port()
    options = [f"-storageDataPath={root}", f"-httpListenAddr=127.0.0.1:{port}", "-memory.allowedBytes=64MB"]
    with _running([binary, "-retentionPeriod=10y", *options], root, f"http://127.0.0.1:{port}") as url:
        yield url


def _binary_or_skip(name: str, *, package: str) -> str:
    """The server's binary; installs Debian's package where that is possible. Skips where not, except in CI."""
    found = shutil.which(name)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        # Run level 1 keeps the package's own service from starting.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        command = ["apt-get", "install", "-y", "--no-install-recommends", package]
        subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        found = shutil.which(name)
    if found:
        return found
    reason = f"there is no {name} here: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def _running(command: list[str], root: Path, url: str) -> Iterator[str]:
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root)
    try:
        _wait_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start")
