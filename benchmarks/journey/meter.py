"""What processes cost: CPU seconds and memory (PSS, so that shared pages count once), by role, from /proc."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds since the start, and MiB of memory now."""

    cpu_s: float
    pss_mib: float


def costs(roles: Mapping[str, Iterable[int]]) -> dict[str, Cost]:
    """The cost of each role: its processes with all their descendants, also of those that have ended since."""
    children = children_by_parent()
    return {role: _cost(tree(roots, children)) for role, roots in roles.items()}


def machine_cpu_s() -> float:
    """CPU seconds that the whole machine has worked, whoever for, the kernel's own work included."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in fields[:7])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def tree(roots: Iterable[int], children: Mapping[int, list[int]]) -> list[int]:
    """Processes and all their descendants."""
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def children_by_parent() -> dict[int, list[int]]:
    """Who started whom, of all processes."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            found.setdefault(int(fields[1]), []).append(int(entry.name))
    return found


def _cost(pids: Iterable[int]) -> Cost:
    cpu_s, pss = 0.0, 0.0
    for pid in pids:
        fields = _stat(pid)
        # Its own time, user and system, and that of children it has seen end.
        cpu_s += sum(int(field) for field in fields[11:15]) / _TICKS_PER_S
        pss += _pss_mib(pid)
    return Cost(cpu_s, pss)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; none when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / _MIB
