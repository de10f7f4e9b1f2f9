"""Before the tests: bring the programs that come from the operating system, where we may.

Chromium (the browser tests), Mosquitto (a broker) and its clients (a device that is not ours) are Debian packages. As
root we install them; otherwise we say what is missing and the tests that need them are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_PROGRAMS = {"chromium": "chromium", "mosquitto": "mosquitto", "mosquitto_pub": "mosquitto-clients"}
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
        if "mosquitto" in packages:
            _broker_stop()
    for name in _missing():
        print(
            f"{name} is not installed; tests that need it are skipped (with CI=true they fail). "
            f"To run them: sudo apt-get install {_PROGRAMS[name]}",
            flush=True,
        )
    return 0


def _missing() -> list[str]:
    return [name for name in _PROGRAMS if not shutil.which(name, path=_PATH)]


def _broker_stop() -> None:
    """Debian starts it at once, on the very port that `make demo` wants; the tests start one of their own."""
    if Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", "--now", "--quiet", "mosquitto"], check=False)


def _apt_get(words: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
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
