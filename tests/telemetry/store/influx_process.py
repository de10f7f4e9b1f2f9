"""Debian's real InfluxDB 1.6, started by hand on free ports in a folder of its own; never the system's service."""

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


def influxd_or_skip() -> str:
    """The server's binary; installs Debian's package where that is possible. Skips where not, except in CI."""
    found = shutil.which("influxd")
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        subprocess.run(["apt-get", "install", "-y", "influxdb"], env=environment, capture_output=True, timeout=120)
        found = shutil.which("influxd")
    if found:
        return found
    reason = "there is no InfluxDB server here: apt-get install influxdb"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def influx_running(root: Path) -> Iterator[str]:
    """The URL of a server that lives as long as the block."""
    binary, port = influxd_or_skip(), free_port()
    config = root / "influxdb.conf"
    config.write_text(_CONFIG.format(rpc=free_port(), root=root, port=port), encoding="utf-8")
    with (root / "influxd.log").open("wb") as log:
        process = subprocess.Popen([binary, "-config", str(config)], stdout=log, stderr=log, cwd=root)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("InfluxDB did not start")
