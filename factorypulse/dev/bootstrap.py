"""From a bare Python 3.11 to everything installed: `.venv`, locked Python packages, locked front-end files.

Run by `make` before anything is installed: standard library only, and no syntax that an older Python could not read,
because it must live to say that it is too old. What is installed is known by stamps that carry the hash of its lock,
and is left alone. Words on the command line go to the installed Python:

    python3.11 -m factorypulse.dev.bootstrap -m factorypulse.dev.demo
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from factorypulse.dev.installing import InstallError, Silence, advice, run_watched, say

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
PYTHON_LOCK = ROOT / "requirements" / "dev.txt"
NODE_LOCK = ROOT / "requirements" / "node.txt"
NPM_LOCK = ROOT / "package-lock.json"
OLDEST_NODE = 20


def setup() -> None:
    """Install what is missing; one of us at a time, so that `make demo` and `make test` may be started together."""
    check_python()
    with PYTHON_LOCK.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of this checkout to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_python_packages()
        ensure_front_end()


def check_python() -> None:
    """Raises InstallError when this is not a Python 3.11 that can make a virtual environment."""
    if sys.version_info[:2] != (3, 11):
        raise InstallError(
            f"FactoryPulse needs Python 3.11; this is {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}).\n"
            "Install it (Debian 12: apt-get install python3.11 python3.11-venv; elsewhere pyenv or uv) and start "
            "again, or say where it is: make demo PYTHON=/path/to/python3.11"
        )
    if not VENV_PYTHON.exists() and not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        raise InstallError(
            f"{sys.executable} lacks the modules that make a virtual environment.\n"
            "On Debian and Ubuntu `apt-get install python3.11-venv` brings them; then start again."
        )


# --- Python -------------------------------------------------------------------------------------------------------


def ensure_python_packages() -> None:
    """Make .venv and install the lock into it, unless that was done here from the same lock."""
    place, lock = VENV / "place.stamp", VENV / "lock.stamp"
    if _stamped(place, _place()) and _stamped(lock, _fingerprint(PYTHON_LOCK)) and VENV_PYTHON.exists():
        return
    if not _venv_works():
        _venv_make()
    say("Installing Python packages into .venv (once, about a minute)")
    _pip_install(PYTHON_LOCK)
    # Programs of .venv import us from any folder, as with an editable installation.
    (_site_packages() / "factorypulse-checkout.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    place.write_text(_place(), encoding="utf-8")
    lock.write_text(_fingerprint(PYTHON_LOCK), encoding="utf-8")


def _venv_works() -> bool:
    """False when it is not there, was copied or moved here, or its Python has gone: it can't be repaired then."""
    if (VENV / "place.stamp").exists() and not _stamped(VENV / "place.stamp", _place()):
        return False
    question = "import pip, sys; sys.exit(sys.version_info[:2] != (3, 11))"
    try:
        return not subprocess.run([str(VENV_PYTHON), "-c", question], stderr=subprocess.DEVNULL, check=False).returncode
    except OSError:
        return False


def _venv_make() -> None:
    say("Making the virtual environment .venv")
    # Started from an activated .venv we are that environment's own Python, which can't be the base of a new one.
    python = getattr(sys, "_base_executable", sys.executable)
    argv = [python, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise InstallError(f"The virtual environment could not be made:\n{done.stdout}\n{advice(done.stdout)}")


def _pip_install(lock: Path) -> None:
    options = ["--require-hashes", "--no-deps", "--no-input", "--progress-bar=off", "--disable-pip-version-check"]
    argv = [str(VENV_PYTHON), "-m", "pip", "install", *options, "-r", str(lock)]
    run_watched(argv, _PipProgress(lock), what="The Python packages", cwd=str(ROOT))
    # The lock was resolved with one Python 3.11.x, and a package may want more on another.
    check = subprocess.run([str(VENV_PYTHON), "-m", "pip", "check"], stdout=subprocess.PIPE, text=True, check=False)
    if check.returncode:
        raise InstallError(f"The locked packages don't fit this Python ({sys.version.split()[0]}):\n{check.stdout}")


class _PipProgress:
    """Fetched while pip collects; unpacked while it installs, when it says nothing and the folder must be counted."""

    def __init__(self, lock: Path) -> None:
        lines = lock.read_text(encoding="utf-8").splitlines()
        self._total = sum(1 for line in lines if "==" in line and not line.startswith((" ", "#")))
        self._fetched = 0
        self._unpacking = False
        self._before = _packages_installed()

    def hear(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            self._fetched += 1
        elif line.startswith("Installing collected packages"):
            self._unpacking = True

    def words(self) -> str:
        if self._unpacking:
            return f"unpacked {_packages_installed() - self._before} of {self._total}"
        return f"fetched {self._fetched} of {self._total}"


def _packages_installed() -> int:
    return sum(1 for _ in _site_packages().glob("*.dist-info"))


def _site_packages() -> Path:
    return VENV / "lib" / "python3.11" / "site-packages"


# --- front end ----------------------------------------------------------------------------------------------------


def ensure_front_end() -> None:
    """Install the npm lock and copy what browsers load to static/vendor, unless that was done from the same lock."""
    stamp = ROOT / "node_modules" / "lock.stamp"
    copier = ROOT / "factorypulse" / "dev" / "vendor.mjs"
    wanted = _fingerprint(NPM_LOCK, copier)
    if _stamped(stamp, wanted) and (ROOT / "static" / "vendor" / "htmx" / "htmx.min.js").exists():
        return
    env = _environment_with_node()
    say("Installing front-end files from npm")
    npm, node = (shutil.which(name, path=env["PATH"]) or name for name in ("npm", "node"))
    for argv in ([npm, "ci", "--ignore-scripts", "--loglevel=error"], [node, str(copier)]):
        run_watched(argv, Silence(), what="The front-end files", cwd=str(ROOT), env=env)
    stamp.write_text(wanted, encoding="utf-8")


def _environment_with_node() -> dict[str, str]:
    """An environment in which `node` and `npm` are found; Node goes into .venv where the machine has none."""
    env = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if not _node_is_good(env["PATH"]):
        say(f"There is no Node.js {OLDEST_NODE} or newer here: installing one into .venv")
        _pip_install(NODE_LOCK)
    return env


def _node_is_good(path: str) -> bool:
    node = shutil.which("node", path=path)
    if not node or not shutil.which("npm", path=path):
        return False
    answer = subprocess.run([node, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    major = answer.strip().lstrip("v").partition(".")[0]
    return major.isdigit() and int(major) >= OLDEST_NODE


# --- stamps -------------------------------------------------------------------------------------------------------


def _place() -> str:
    return f"{ROOT} {sys.version_info[0]}.{sys.version_info[1]}"


def _fingerprint(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _stamped(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def main(words: list[str]) -> int:
    """Set up, then become the installed Python with these words, if any."""
    try:
        setup()
    except InstallError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"\n{error}\n{advice('Permission denied')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the next start goes on from here.", file=sys.stderr)
        return 130
    if words:
        os.chdir(str(ROOT))
        os.execv(str(VENV_PYTHON), [str(VENV_PYTHON), *words])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
