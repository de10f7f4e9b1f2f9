"""What the person at the terminal sees: the logs of all processes, prefixed, and our own words between them.

Every process writes to its own file, and we follow the files. So nobody waits for a slow terminal, and a terminal
that goes away breaks nothing.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

_PREFIX_WIDTH = 9
_COLOURS = (36, 35, 34, 33, 32, 96, 95, 94)
_LARGEST_LOG = 20 * 1024 * 1024
_READ_AT_ONCE = 256 * 1024
# What happens every second when all is well: in the file, not on the screen.
_QUIET = re.compile(
    r"request_started|Task \S+ (received|succeeded)|Sending due task"
    r"|(?=.*request_finished)(?=.*code=[23]\d\d)(?=.*(telemetry/ingest|GET /static/|GET /health/))"
)


class Console:
    """A terminal, or a pipe, that may break."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._broken = False

    def say(self, text: str = "") -> None:
        """A line of our own."""
        self._print(text)

    def relay(self, name: str, line: str, number: int) -> None:
        """A line of a process."""
        prefix = f"{name:<{_PREFIX_WIDTH}}|"
        if self._colours:
            prefix = f"\033[{_COLOURS[number % len(_COLOURS)]}m{prefix}\033[0m"
        self._print(f"{prefix} {line}")

    def _print(self, text: str) -> None:
        if self._broken:
            return
        try:
            print(text, flush=True)
        except OSError:
            # `make demo | head`: we go on, the files have it all. Python would complain once more at its exit.
            self._broken = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class LogFile:
    """One process's log: what is new in it, line by line, and how to keep it from growing for ever."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rest = b""
        path.touch(mode=0o600)
        self._position = path.stat().st_size

    def follow(self, take: Callable[[str], None]) -> None:
        """Give each line that is new, and complete, to `take`."""
        self.keep_small()
        with self.path.open("rb") as file:
            file.seek(self._position)
            data = file.read(_READ_AT_ONCE)
            self._position = file.tell()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            take(line.decode(errors="replace").rstrip())

    def last_lines(self, count: int) -> str:
        """The end of the log."""
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.rstrip().splitlines()[-count:])

    def keep_small(self) -> None:
        """Set the log aside and begin it anew when it has grown large."""
        # Copied and emptied, not renamed: the process holds it open, in append mode, and goes on at the beginning.
        if self.path.stat().st_size > _LARGEST_LOG:
            shutil.copyfile(self.path, self.path.with_suffix(".log.1"))
            os.truncate(self.path, 0)
            self._position = 0


def worth_showing(line: str) -> bool:
    """Whether a line belongs on the screen.

    >>> worth_showing("request_finished code=201 request='POST /api/v1/telemetry/ingest'")
    False
    >>> worth_showing("request_finished code=429 request='POST /api/v1/telemetry/ingest'")
    True
    """
    return bool(line) and not _QUIET.search(line)
