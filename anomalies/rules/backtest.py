"""How often a rule would have fired: the stored readings, run through the same core piece by piece."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from anomalies.rules.conditions import Condition, RuleDocument
from anomalies.rules.engine import PairState, Program, evaluate, state_new
from anomalies.rules.program import program_of
from anomalies.rules.standing import machines_meant
from anomalies.rules.telling import conditions_on
from anomalies.rules.tree import Crossing
from common.errors import InvalidInputError
from common.times import from_ms as instant
from common.times import rfc3339
from telemetry.history.spans import machine_zone
from telemetry.models import Machine
from telemetry.readings import Series
from telemetry.store import reading_store

DAYS_MOST = 31
# A person waits for the answer; what is not reached by then is said to be missing.
WITHIN_S = 20.0
_FIRINGS_MOST = 200
_HOUR_MS = 3_600_000
# Pieces are as long as they may be while so many readings are held at once.
_PIECES_MS = (_HOUR_MS // 6, 24 * _HOUR_MS)
_READINGS_WANTED = 1_000_000


class BacktestInvalidError(InvalidInputError):
    """This can't be run over the past."""

    code = "backtest_invalid"


@dataclass(slots=True)
class Firing:
    """Once that it would have fired: from when to when (None: to the end), and what was seen when it did."""

    from_ms: int
    since_ms: int
    to_ms: int | None
    observed: list[dict[str, Any]]


@dataclass(slots=True)
class MachineBacktest:
    """One machine's past. evaluated_to_ms: up to where there was time to look; first_ms: its first reading."""

    machine: Machine
    evaluated_to_ms: int
    first_ms: int | None = None
    readings: int = 0
    fired: int = 0
    active_ms: int = 0
    firings: list[Firing] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Backtest:
    """A rule's past: [from_ms, to_ms), every machine it is for."""

    from_ms: int
    to_ms: int
    machines: list[MachineBacktest]

    @property
    def complete(self) -> bool:
        """Whether all of the time was looked at, for every machine."""
        return all(machine.evaluated_to_ms >= self.to_ms for machine in self.machines)

    @property
    def fired(self) -> int:
        """How often, over all machines."""
        return sum(machine.fired for machine in self.machines)

    def as_data(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "from": rfc3339(instant(self.from_ms)),
            "to": rfc3339(instant(self.to_ms)),
            "complete": self.complete,
            "fired": self.fired,
            "active_s": sum(machine.active_ms for machine in self.machines) / 1000,
            "machines": [_machine_data(machine) for machine in self.machines],
        }


def _machine_data(found: MachineBacktest) -> dict[str, Any]:
    return {
        "machine": found.machine.key,
        "machine_name": str(found.machine),
        "fired": found.fired,
        "active_s": found.active_ms / 1000,
        "readings": found.readings,
        "evaluated_to": rfc3339(instant(found.evaluated_to_ms)),
        # The first ones; the count goes on.
        "firings": [
            {
                "from": rfc3339(instant(firing.from_ms)),
                "since": rfc3339(instant(firing.since_ms)),
                "to": None if firing.to_ms is None else rfc3339(instant(firing.to_ms)),
                "duration_s": None if firing.to_ms is None else (firing.to_ms - firing.from_ms) / 1000,
                "metrics": firing.observed,
            }
            for firing in found.firings
        ],
    }


def backtest(
    rule: RuleDocument,
    *,
    from_ms: int,
    to_ms: int,
    within_s: float = WITHIN_S,
    monotonic: Callable[[], float] = time.monotonic,
    tell: Callable[[float], None] | None = None,
) -> Backtest:
    """Run a rule over the readings of [from_ms, to_ms), machine by machine, for about `within_s` seconds.

    tell: is called after each piece with the share that is done, 0 to 1. Holds at most a piece of the readings of one
    machine. Raises BacktestInvalidError, StoreUnavailableError.
    """
    if not 0 < to_ms - from_ms <= DAYS_MOST * 24 * _HOUR_MS:
        raise BacktestInvalidError(_("Choose at most %(days)d days.") % {"days": DAYS_MOST})
    machines = machines_meant(rule.machines, Machine.objects.select_related("line__site").order_by("key"))
    until_s = monotonic() + within_s
    found = []
    for place, machine in enumerate(machines):
        program = program_of(rule, machine.key, machine_zone(machine))
        if program is None:
            continue
        run = _Run(rule, program, MachineBacktest(machine, from_ms), from_ms, to_ms)
        while run.at_ms < to_ms and monotonic() < until_s:
            run.step()
            if tell is not None:
                tell((place + run.share) / len(machines))
        found.append(run.end())
    return Backtest(from_ms, to_ms, found)


class _Run:
    """One machine's way through time."""

    def __init__(self, rule: RuleDocument, program: Program, found: MachineBacktest, from_ms: int, to_ms: int) -> None:
        self._program, self._found, self._from_ms, self._to_ms = program, found, from_ms, to_ms
        self._leaves = conditions_on(rule, found.machine.key)
        # Durations and changes that reach into the time before.
        self.at_ms = from_ms - program.memory_ms
        self._state: PairState = state_new(program, from_ms=self.at_ms)
        self._piece_ms = 6 * _HOUR_MS
        self._machines = _machines(program, found.machine)
        self._fired_ms = from_ms

    @property
    def share(self) -> float:
        """How much of its time was looked at, 0 to 1."""
        return max(0.0, self.at_ms - self._from_ms) / (self._to_ms - self._from_ms)

    def step(self) -> None:
        """One piece."""
        end = min(self._to_ms, self.at_ms + self._piece_ms)
        series = self._read(self._state.needs_from(self._program), end)
        [crossings] = evaluate([self._program], [self._state], series, now_ms=end)
        for crossing in crossings:
            self._note(crossing)
        held = sum(len(part) for part in series.values())
        self._found.readings += held
        if self._found.first_ms is None and held:
            self._found.first_ms = min(int(part.t_ms[0]) for part in series.values() if len(part))
        self._pace(held)
        self.at_ms = end

    def end(self) -> MachineBacktest:
        """What was found; what is still active counts to the end."""
        found = self._found
        found.evaluated_to_ms = max(self.at_ms, self._from_ms)
        last = self._state.told[-1] if self._state.told else None
        if last is not None and last[1]:
            found.active_ms += found.evaluated_to_ms - max(last[0], self._from_ms)
        return found

    def _read(self, begin: int, end: int) -> dict[tuple[str, str], Series]:
        wanted: dict[Machine, list[str]] = {}
        for machine, metric in sorted(self._program.keys):
            if machine in self._machines:
                wanted.setdefault(self._machines[machine], []).append(metric)
        read = reading_store().together(wanted, from_ms=max(begin, 0), to_ms=end)
        return {(part.machine, part.metric): part for part in read}

    def _pace(self, held: int) -> None:
        shortest, longest = _PIECES_MS
        if held > _READINGS_WANTED:
            self._piece_ms = max(shortest, self._piece_ms // 2)
        elif held < _READINGS_WANTED // 4:
            self._piece_ms = min(longest, self._piece_ms * 2)

    def _note(self, crossing: Crossing) -> None:
        found = self._found
        if crossing.fired:
            found.fired += crossing.t_ms >= self._from_ms
            if len(found.firings) < _FIRINGS_MOST:
                found.firings.append(Firing(crossing.t_ms, crossing.since_ms, None, self._observed(crossing)))
            self._fired_ms = crossing.t_ms
            return
        found.active_ms += max(0, crossing.t_ms - max(self._fired_ms, self._from_ms))
        if found.firings and found.firings[-1].from_ms == self._fired_ms:
            found.firings[-1].to_ms = crossing.t_ms
            if crossing.t_ms < self._from_ms:
                found.firings.pop()

    def _observed(self, crossing: Crossing) -> list[dict[str, Any]]:
        return [_part(self._leaves[turn.leaf], turn.worst) for turn in crossing.parts]


def _part(leaf: Condition, worst: float | None) -> dict[str, Any]:
    return {"metric": leaf.metric, "machine": leaf.machine, "op": str(leaf.op), "observed": worst, "limit": leaf.value}


def _machines(program: Program, own: Machine) -> dict[str, Machine]:
    keys: Sequence[str] = sorted({machine for machine, _metric in program.keys})
    others = Machine.objects.filter(key__in=keys)
    return {**{machine.key: machine for machine in others}, own.key: own}
