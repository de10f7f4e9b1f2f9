"""Long installations: progress while they run, and advice when they fail. Standard library only, see bootstrap."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Protocol

_REPORT_EVERY_S = 5.0
_LAST_LINES = 15

_NO_NETWORK = (
    "Temporary failure in name resolution",
    "Name or service not known",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "Read timed out",
    "Network is unreachable",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "ENETUNREACH",
    "ECONNRESET",
)
# The first that fits is said: a network that fails makes pip complain about missing distributions as well.
_ADVICE = {
    ("THESE PACKAGES DO NOT MATCH THE HASHES", "EINTEGRITY"): """\
A package differs from the one that was locked. A mirror may alter packages; otherwise clear the caches
(`pip cache purge`, `npm cache clean --force`) and start again.""",
    ("No space left on device", "ENOSPC"): "The disk is full: about 1.5 GB is needed.",
    ("Permission denied", "EACCES"): """\
Something here belongs to another user, perhaps from a run as root. Give it back (`sudo chown -R $USER .`) or use
a clone of your own.""",
    _NO_NETWORK: """\
The package registry can't be reached. Check the network; behind a proxy set HTTPS_PROXY; with a mirror set
PIP_INDEX_URL (Python) and npm_config_registry (Node). Then start again: what is there already is kept.""",
    ("No matching distribution found", "Could not find a version"): """\
There is no wheel of that package for this platform, or not in this registry. The set is locked for Python 3.11 on
64-bit Linux (glibc 2.28 or newer); with a mirror, see that it carries the version.""",
}


class InstallError(Exception):
    """What is missing, and what to do about it."""


class Progress(Protocol):
    """Follows an installer's output and says in a few words how far it is."""

    def hear(self, line: str) -> None:
        """Take the next line of output."""

    def words(self) -> str:
        """How far it is; empty when that is not known."""


class Silence:
    """The progress of an installer that says nothing."""

    def hear(self, line: str) -> None:
        """Take the next line of output."""

    def words(self) -> str:
        """How far it is; empty when that is not known."""
        return ""


def advice(output: str) -> str:
    """What to do about a failed installation, from what it printed.

    >>> advice("npm error code ENOSPC")
    'The disk is full: about 1.5 GB is needed.'
    """
    for signs, words in _ADVICE.items():
        if any(sign in output for sign in signs):
            return words
    return "The lines above say why; `make clean-all setup` starts over."


def run_watched(argv: list[str], progress: Progress, *, what: str, cwd: str, env: dict[str, str] | None = None) -> None:
    """Run an installer, saying every few seconds how far it is. Raises InstallError with advice when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd, env=env
    )
    try:
        heard = _follow(process, progress, began)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        tail = "\n".join(heard[-_LAST_LINES:])
        output = "\n".join(heard)
        raise InstallError(f"{what} could not be installed:\n\n{tail}\n\n{advice(output)}")
    say(f"  done in {time.monotonic() - began:.0f} s")


def _follow(process: subprocess.Popen[bytes], progress: Progress, began: float) -> list[str]:
    assert process.stdout is not None
    heard: list[str] = []
    pending = b""
    reported = began
    with process.stdout as output:
        os.set_blocking(output.fileno(), False)
        while process.poll() is None:
            time.sleep(0.1)
            pending = _take(pending + (output.read() or b""), heard, progress)
            if time.monotonic() - reported >= _REPORT_EVERY_S:
                reported = time.monotonic()
                say("  " + ", ".join(filter(None, [progress.words(), f"{reported - began:.0f} s"])))
        _take(pending + (output.read() or b"") + b"\n", heard, progress)
    return heard


def _take(data: bytes, heard: list[str], progress: Progress) -> bytes:
    *lines, rest = data.split(b"\n")
    for raw in lines:
        line = raw.decode(errors="replace").rstrip()
        heard.append(line)
        progress.hear(line)
    return rest


def say(text: str) -> None:
    """A line for the person at the terminal, at once."""
    print(text, flush=True)
