"""`make clean`: remove the trial's data and the tools' caches. Standard library only: nothing need be installed."""

import os
import shutil
import sys
from pathlib import Path

from factorypulse.dev.errors import TrialError
from factorypulse.dev.postgres_home import home_remove
from factorypulse.dev.state import StateFolder

ROOT = Path(__file__).resolve().parent.parent.parent
_CACHES = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache", "staticfiles")


def main() -> int:
    """Returns the exit code."""
    state_dir = Path(os.environ.get("STATE_DIR") or ROOT / ".factorypulse").resolve()
    try:
        remove_state(state_dir)
    except TrialError as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"{error}\nThe data belongs to another user, perhaps root: sudo make clean", file=sys.stderr)
        return 1
    for name in _CACHES:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return 0


def remove_state(state_dir: Path) -> None:
    """Remove a state folder with everything that belongs to it. Raises TrialError when a trial runs in it."""
    if not state_dir.exists():
        return
    StateFolder(state_dir).open()  # held until we end: nothing may start in what is being removed
    home_remove(state_dir)
    shutil.rmtree(state_dir)


if __name__ == "__main__":
    sys.exit(main())
