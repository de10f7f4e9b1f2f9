"""An InfluxDB 1.x of the benchmark's own: Debian's `influxd`, data on the same disk as everything else."""

import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import spawn, stop

_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{root}/meta"
[data]
dir = "{root}/data"
wal-dir = "{root}/wal"
index-version = "tsi1"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
"""


class MissingToolError(Exception):
    """Something that is not ours to install is not installed."""


class Influx:
    """One server below a folder: `start`, `stop`."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Until it answers. Raises MissingToolError."""
        binary = shutil.which("influxd")
        if binary is None:
            raise MissingToolError("there is no influxd here; on Debian: apt-get install influxdb")
        self.root.mkdir(parents=True)
        config = self.root / "influxdb.conf"
        config.write_text(_CONFIG.format(rpc=free_port(), root=self.root, port=self.port), encoding="utf-8")
        with (self.root / "influxd.log").open("ab") as log:
            self.process = spawn([binary, "-config", config], log=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/ping", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise MissingToolError(f"influxd did not start; {self.root / 'influxd.log'} says why")

    def stop(self) -> None:
        """Cleanly, or at once when it takes long."""
        if self.process is not None:
            stop(self.process, signals=[(15, 20)])
