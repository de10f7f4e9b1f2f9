"""One load against a running contender, and what came of it."""

import itertools
import math
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.journey.checking import Checked, stored_check
from benchmarks.journey.contender import BEYOND, WATCHED_EACH, Contender
from benchmarks.journey.load import COUNT, FIRST_VALUE, Load
from benchmarks.journey.meter import Cost, costs, machine_cpu_s
from benchmarks.journey.mqtt_link import publish
from benchmarks.journey.sender import Sent, send
from benchmarks.journey.viewers import NOTHING_SEEN, Seen, Viewer, watch
from factorypulse.dev.processes import die_with_parent

# How long a store may take to catch up after a load.
DRAIN_WITHIN_S = 60.0
_ALARM_WITHIN_S = 15.0
_POLL_S = 0.1
# The first second of a load opens connections and files; its readings count, its latencies don't.
_WARM_MS = 1_000
# Browsers that see a reading later than this don't see it live.
TOO_LATE_MS = 250.0
MARKER = "marker"
# A machine whose limit is passed again and again chatters, and is no alert any more: each load passes another one's.
_loads = itertools.count()


class HelperError(Exception):
    """The sender or the viewers ended before their time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All figures of one load.

    drain_s: from the last message's due time until the store showed a message sent after it; NaN when it never did.
    alarm_s: from a reading beyond a limit to the alert of it. cost: what the contender's roles used from the first
    message until all is stored and evaluated, and their memory then. machine_cpu_s: what the machine worked meanwhile
    in all; the rest, beside contender and generator, tells how quiet it was. restarted: whether a process of the
    contender fell meanwhile, which takes its CPU seconds out of the count.
    """

    load: Load
    sent: Sent
    seen: Seen
    checked: Checked
    expected_instants: int
    drain_s: float
    alarm_s: float
    machine_cpu_s: float
    restarted: bool
    cost: dict[str, Cost] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the load took by its schedule."""
        return self.load.messages / self.load.messages_per_s

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all the contender's processes."""
        return sum(cost.cpu_s for cost in self.cost.values())

    @property
    def readings_per_cpu_s(self) -> float:
        """The measure of efficiency."""
        return self.load.readings / self.cpu_s

    @property
    def rest_cpu_s(self) -> float:
        """CPU seconds of whatever else ran: the checker, the kernel for everybody, other people."""
        return self.machine_cpu_s - self.cpu_s - self.sent.cpu_s - self.seen.cpu_s

    @property
    def pss_mib(self) -> float:
        """Memory of all the contender's processes."""
        return sum(cost.pss_mib for cost in self.cost.values())

    @property
    def lossless(self) -> bool:
        """Everything that was sent was acknowledged, and is stored once."""
        return self.sent.acknowledged == self.load.messages and self.checked.clean

    @property
    def held(self) -> bool:
        """Whether the rate held: nothing lost, the store caught up, and browsers saw it in time."""
        return self.lossless and not math.isnan(self.drain_s) and self.seen.p99_ms <= TOO_LATE_MS

    def as_json(self) -> dict[str, Any]:
        """All figures, for the file."""
        derived = ("seconds", "cpu_s", "rest_cpu_s", "readings_per_cpu_s", "pss_mib", "lossless", "held")
        return {**asdict(self), "messages": self.load.messages, **{name: getattr(self, name) for name in derived}}


class Browsers:
    """The viewers' process; they stay open over all loads."""

    def __init__(self, viewers: list[Viewer]) -> None:
        self._process, self._pipe = _spawned(_watch_entry, viewers)
        self._cpu_s = 0.0
        _await(self._process, self._pipe)

    def seen(self, from_ms: float, to_ms: float) -> Seen:
        """What they saw of a window."""
        self._pipe.send((from_ms, to_ms))
        seen: Seen = _await(self._process, self._pipe)
        cpu_s, self._cpu_s = seen.cpu_s - self._cpu_s, seen.cpu_s
        return replace(seen, cpu_s=cpu_s)

    def close(self) -> None:
        """All go."""
        self._pipe.send(None)
        self._process.join(5)
        self._process.kill()


@contextmanager
def browsers(viewers: list[Viewer]) -> Iterator[Browsers]:
    """Viewers that are gone afterwards."""
    opened = Browsers(viewers)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def running(contender: Contender) -> Iterator[None]:
    """A contender that is gone afterwards, whatever happens."""
    try:
        contender.start()
        yield
    finally:
        contender.stop()


def load_run(
    load: Load, contender: Contender, folder: Path, *, watching: Browsers | None = None, limited: bool = True
) -> Outcome:
    """Send a load, wait until the store has caught up, compare the ledger with it. Raises HelperError.

    watching: who looks on; limited: whether limits are set, so that an alert has to come.
    """
    ledger = folder / f"ledger-{time.time_ns()}"
    sender, pipe = _spawned(_send_entry, load, contender.mqtt, ledger)
    load = _await(sender, pipe)
    processes = contender.roles()
    before, machine_s = costs(processes), machine_cpu_s()
    alarms = contender.alarms()
    sent: Sent = _await(sender, pipe)
    sender.join()
    end_ms = load.start_ms + 1000 * load.messages / load.messages_per_s
    marked_s = time.time()
    _mark(contender, round(marked_s * 1000), f"M{next(_loads) % load.machines:04}")
    drained = _await_marker(contender, round(marked_s * 1000))
    drain_s = time.time() - end_ms / 1000 if drained else float("nan")
    # The alert of the last reading says that limits have been evaluated up to the end: that work counts too.
    alarm_s = _await_alarm(contender, alarms, marked_s) if limited else float("nan")
    after, machine_s = costs(contender.roles()), machine_cpu_s() - machine_s
    window = load.start_ms + _WARM_MS, end_ms
    seen = watching.seen(*window) if watching else NOTHING_SEEN
    return Outcome(
        load=load,
        sent=sent,
        seen=seen,
        checked=stored_check(load, contender, ledger),
        expected_instants=_instants(load, seen.open, window),
        drain_s=drain_s,
        alarm_s=alarm_s,
        machine_cpu_s=machine_s,
        restarted=contender.roles() != processes,
        cost={role: _difference(before.get(role), cost) for role, cost in after.items()},
    )


def _difference(before: Cost | None, after: Cost) -> Cost:
    return Cost(after.cpu_s - (before.cpu_s if before else 0.0), after.pss_mib)


def _instants(load: Load, open_viewers: int, window: tuple[float, float]) -> int:
    """How many points in time the viewers should have seen, if machines sent alike."""
    times = load.times_ms(np.arange(load.messages * load.shape.block))
    within = int(((times >= window[0]) & (times < window[1])).sum())
    return round(open_viewers * WATCHED_EACH * within / load.machines)


# --- the end of a load ---


def _mark(contender: Contender, now_ms: int, machine: str) -> None:
    """A message after all others, which tells when the store has caught up, and a machine's reading beyond a limit."""
    one = b'{"timestamp":%d,"metrics":{"vibration":%f}}'
    publish(contender.mqtt, machine, one % (now_ms, BEYOND))
    publish(contender.mqtt, MARKER, b'{"timestamp":%d,"metrics":{"%b":%d}}' % (now_ms, COUNT.encode(), FIRST_VALUE))
    # Back to normal, so that the next load finds the limit as this one did.
    publish(contender.mqtt, machine, one % (now_ms + 1, 1.0))


def _await_marker(contender: Contender, now_ms: int) -> bool:
    deadline = time.monotonic() + DRAIN_WITHIN_S
    while time.monotonic() < deadline:
        if any(len(t_ms) for t_ms, _ in contender.stored(MARKER, [COUNT], from_ms=now_ms, to_ms=now_ms + 1)):
            return True
        time.sleep(_POLL_S)
    return False


def _await_alarm(contender: Contender, before: int, since_s: float) -> float:
    deadline = time.monotonic() + _ALARM_WITHIN_S
    while time.monotonic() < deadline:
        if contender.alarms() > before:
            return time.time() - since_s
        time.sleep(_POLL_S)
    return float("nan")


# --- helper processes ---


def _spawned(entry: Any, *arguments: Any) -> tuple[BaseProcess, Connection]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=entry, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _await(process: BaseProcess, pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        raise HelperError(f"a helper ended with code {process.exitcode}; its words stand above") from None


def _send_entry(*arguments: Any) -> None:
    die_with_parent()
    send(*arguments)


def _watch_entry(*arguments: Any) -> None:
    die_with_parent()
    watch(*arguments)
