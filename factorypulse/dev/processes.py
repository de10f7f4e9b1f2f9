"""Starting and stopping processes that never outlive us, if need be under an unprivileged account."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_NOBODY_ID = 65_534
_AUTOGROUP_TRIES, _AUTOGROUP_PAUSE_S = 20, 0.1
# Looked up once, before any fork: after a fork only a plain call is safe.
_libc: Any = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom a process runs as."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The account for programs that refuse root; None when we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)
    return Account(uid=_NOBODY_ID, gid=_NOBODY_ID)


def die_with_parent(death_signal: int = signal.SIGKILL) -> None:
    """Ask the kernel to send us this signal when the thread that started us is gone (Linux)."""
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def spawn(
    argv: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    death_signal: int = signal.SIGKILL,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that Ctrl-C reaches only us and we stop it in our order.

    log: where stdout and stderr go; a file rather than a pipe, because a pipe that breaks kills its writer.
    Call it from a thread that lives as long as the process should: the kernel ties the child to the thread.
    """
    return subprocess.Popen(
        [str(part) for part in argv],
        stdin=stdin,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_tie_to_parent(death_signal),  # noqa: PLW1509  # one prctl call, loaded before the fork
        **_identity(account),
    )


def _tie_to_parent(death_signal: int) -> Callable[[], None]:
    # subprocess calls this after it changed the user, which is the only order in which the request survives.
    parent = os.getpid()

    def tie() -> None:
        die_with_parent(death_signal)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def _identity(account: Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def session_nice(pid: int, niceness: int) -> bool:
    """Make the session of a process that `spawn` started as nice as the process; whether the kernel takes it.

    Where the kernel shares processors among sessions (sched(7), “The autogroup feature”), niceness counts within a
    session alone, and each of ours has its own.
    """
    place = Path(f"/proc/{pid}/autogroup")
    for _try in range(_AUTOGROUP_TRIES):
        try:
            place.write_text(str(niceness), encoding="ascii")
        except BlockingIOError:
            time.sleep(_AUTOGROUP_PAUSE_S)  # ten changes a second are taken from ordinary people
        except OSError:
            return False
        else:
            return True
    return False


def run_quietly(argv: Sequence[str | Path], *, account: Account | None = None) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end; its output is in the result."""
    return subprocess.run(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        **_identity(account),
    )


def stop(process: subprocess.Popen[bytes], *, signals: Sequence[tuple[int, float]]) -> int:
    """Send each signal in turn, with seconds to obey it, and at last SIGKILL. Returns the exit code."""
    for number, grace_s in signals:
        if process.poll() is not None:
            break
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(grace_s)
    if process.poll() is None:
        process.kill()
    return process.wait()


def command_line(pid: int) -> str:
    """What a process was started as; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
