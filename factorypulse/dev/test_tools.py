"""Before the tests: bring the programs that come from the operating system, where we may.

Chromium (the browser tests), Mosquitto (a broker) and its clients (a device that is not ours), InfluxDB and
VictoriaMetrics (reading stores), a C compiler (the disk of the fault tests) are Debian packages. As root we install
them; otherwise we say what is missing and the tests that need them are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_PROGRAMS = {
    "chromium": "chromium",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "influxd": "influxdb",
    "victoria-metrics": "victoria-metrics",
    "gcc": "build-essential",  # gcc alone brings no headers
}
# Packages whose server Debian starts at once, on the very port that an operator or `make demo` wants.
_SERVICES = ("mosquitto", "influxdb", "victoria-metrics")
# Debian keeps servers where only root's PATH looks.
_PATH = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
_FONTS = "fonts-liberation"
_PATIENCE_S = 600


def main() -> int:
    """Never fails: with CI=true the tests that find no browser do."""
    missing = _missing()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = [_PROGRAMS[name] for name in missing]
        print(f"Installing {', '.join(packages)} for the tests", flush=True)
        _apt_get(["update", "-qq"])
        _apt_get(["install", "-y", "-qq", "--no-install-recommends", *packages, _FONTS])
        _services_stop([name for name in _SERVICES if name in packages])
    for name in _missing():
        print(
            f"{name} is not installed; tests that need it are skipped (with CI=true they fail). "
            f"To run them: sudo apt-get install {_PROGRAMS[name]}",
            flush=True,
        )
    return 0


def _missing() -> list[str]:
    return [name for name in _PROGRAMS if not shutil.which(name, path=_PATH)]


def _services_stop(names: list[str]) -> None:
    """The tests start servers of their own."""
    if names and Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", "--now", "--quiet", *names], check=False)


def _apt_get(words: list[str]) -> None:
    # Run level 1 keeps packages from starting their services where there is no systemd.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            ["apt-get", *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"apt-get {words[0]} took more than {_PATIENCE_S} s and was given up", flush=True)
        return
    if done.returncode:
        print(f"apt-get {words[0]} failed: {done.stderr.strip()[-500:]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
