"""Rules over event time: what is new of all series goes in, firings and returns come out. Pure: numpy and msgspec.

The live path and the back-test run this same code. State is plain data, small enough to be kept with every machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from anomalies.rules.columns import NEVER, Asked, Family, Stands, Turns, absent, advance, gap_ms
from anomalies.rules.derived import HELD_MS, Columns, Point, change_over, difference, references
from anomalies.rules.schedule import Schedule
from anomalies.rules.tree import FOREVER, OPEN_MS, Crossing, Ground, Held, Tree, Turn, tree_fold
from telemetry.readings import Key, Series

# What was told is remembered for so many firings and returns, to be compared when late readings change the past.
TOLD_MOST = 32
# Readings of a metric that has been away are looked for so far behind the others; what comes later is late.
LAG_MS = 90_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """A condition on real series, in numbers; see `columns.Asked`. over_ms: of a change, else 0."""

    key: Key
    minus: Key | None
    over_ms: int
    family: Family
    low: float = -np.inf
    high: float = np.inf
    clear_low: float = -np.inf
    clear_high: float = np.inf
    mask: int = 0
    for_ms: int = 0

    @property
    def memory_ms(self) -> int:
        """How far back its answer may depend on readings, besides hysteresis."""
        return self.for_ms + self.over_ms + (HELD_MS if self.minus else 0)


@dataclass(frozen=True, slots=True)
class Program:
    """One rule on one machine, ready to run. signature changes when what was counted so far means nothing any more."""

    signature: str
    leaves: tuple[Leaf, ...]
    tree: Tree
    cooldown_ms: int
    schedule: Schedule

    @property
    def keys(self) -> set[Key]:
        """The series it looks at."""
        return {key for leaf in self.leaves for key in (leaf.key, leaf.minus) if key is not None}

    @property
    def memory_ms(self) -> int:
        """How far back readings matter, besides hysteresis."""
        return max(leaf.memory_ms for leaf in self.leaves)

    @property
    def asks_for_silence(self) -> bool:
        """Whether it can fire with no reading at all."""
        return any(leaf.family is Family.NO_DATA for leaf in self.leaves)


class LeafState(msgspec.Struct, array_like=True):
    """Where one condition stands; see `columns.Stands`. tail: references of a change; other: of a difference."""

    to_ms: int = NEVER
    since_ms: int = NEVER
    active: bool = False
    step_ms: int = 0
    last: float | None = None
    worst: float | None = None
    tail: list[Point] = []
    other: Point | None = None


class PairState(msgspec.Struct, array_like=True):
    """Where one rule on one machine stands: kept between batches, and over a kill.

    open: turns that may still be joined by others. told: (t_ms, fired) of what was answered, the newest last.
    shown: the furthest reading of each condition that the alert speaks of, as of shown_ms; see `worsening`.
    """

    signature: str
    leaves: list[LeafState]
    held: Held
    open: list[Turn]
    told: list[tuple[int, bool]]
    shown: list[float | None] = []
    shown_ms: int = NEVER

    @property
    def to_ms(self) -> int:
        """The newest reading that any of its conditions has seen; NEVER before the first."""
        return max(leaf.to_ms for leaf in self.leaves)

    @property
    def active(self) -> bool:
        """Whether it has fired and not returned, as it was told."""
        return bool(self.told) and self.told[-1][1]

    def needs_from(self, program: Program) -> int:
        """From when on (ms) readings are still to be looked at."""
        if self.to_ms == NEVER:
            return self.held.at_ms + 1
        behind = [leaf.to_ms for leaf in self.leaves]
        behind += [
            leaf.other[0] if leaf.other else leaf.to_ms - HELD_MS
            for leaf, asked in zip(self.leaves, program.leaves, strict=True)
            if asked.minus
        ]
        return max(min(behind) + 1, self.to_ms - LAG_MS)


def state_new(program: Program, *, from_ms: int, told: Sequence[tuple[int, bool]] = ()) -> PairState:
    """A state that takes readings from `from_ms` on; what was told before then says whether it is active there."""
    before = [entry for entry in told if entry[0] < from_ms]
    active = bool(before) and before[-1][1]
    leaves = [LeafState(to_ms=NEVER, active=active) for _leaf in program.leaves]
    fired = [t_ms for t_ms, was_fired in before if was_fired]
    held = Held(
        from_ms - 1,
        [None] * len(leaves),
        active,
        fired[-1] if fired else None,
        fired[-1] if active else None,
    )
    return PairState(program.signature, leaves, held, [], list(told))


def evaluate(
    programs: Sequence[Program], states: Sequence[PairState], series: Mapping[Key, Series], *, now_ms: int
) -> list[list[Crossing]]:
    """Carry each program's state over the readings that are new to it, in place; what fired and returned, for each.

    series: each oldest first, without doubles; readings a state has seen are skipped. now_ms: up to when silence is
    known to have been silence. Cutting the readings anywhere in time gives the same crossings.
    """
    if not programs:
        return []
    owner = [(pair, place) for pair, program in enumerate(programs) for place in range(len(program.leaves))]
    leaves = [leaf for program in programs for leaf in program.leaves]
    kept = [state for pair in states for state in pair.leaves]
    asked, stands = asked_of(leaves), _stands(kept)
    stands, turns = _advance(asked, stands, leaves, kept, series)
    stands, silent = absent(asked, stands, now_ms)
    _keep(kept, stands)
    changed = _sorted_out(owner, turns, silent, len(programs))
    return [
        _fold(program, state, new, now_ms) if new or state.held.waits else []
        for program, state, new in zip(programs, states, changed, strict=True)
    ]


def _advance(
    asked: Asked, stands: Stands, leaves: Sequence[Leaf], kept: Sequence[LeafState], series: Mapping[Key, Series]
) -> tuple[Stands, Turns]:
    parts = [_readings(leaf, state, series) for leaf, state in zip(leaves, kept, strict=True)]
    stream = np.repeat(np.arange(len(parts)), [len(t_ms) for t_ms, _values in parts])
    t_ms = np.concatenate([part[0] for part in parts])
    values = np.concatenate([part[1] for part in parts])
    newer = t_ms > stands.to_ms[stream]
    return advance(asked, stands, stream[newer], t_ms[newer], values[newer])


_NOTHING: Columns = (np.empty(0, np.int64), np.empty(0))


def _readings(leaf: Leaf, state: LeafState, series: Mapping[Key, Series]) -> Columns:
    """What a condition looks at; a plain metric's readings uncut, because they are cut for all streams at once."""
    part = series.get(leaf.key)
    if leaf.minus is not None:
        columns, state.other = difference(part, series.get(leaf.minus), to_ms=state.to_ms, last=state.other)
        return columns
    if part is None:
        return _NOTHING
    if not leaf.over_ms:
        return part.t_ms, part.values
    start = int(np.searchsorted(part.t_ms, state.to_ms, side="right"))
    t_ms, values = part.t_ms[start:], part.values[start:]
    columns = change_over(state.tail, t_ms, values, over_ms=leaf.over_ms)
    state.tail = references(state.tail, t_ms, values, over_ms=leaf.over_ms)
    return columns


def asked_of(leaves: Sequence[Leaf]) -> Asked:
    """Conditions in columns, a row each."""
    limits = np.array([(leaf.low, leaf.high, leaf.clear_low, leaf.clear_high) for leaf in leaves]).reshape(-1, 4)
    return Asked(
        np.array([leaf.family for leaf in leaves], np.int8),
        limits[:, 0],
        limits[:, 1],
        limits[:, 2],
        limits[:, 3],
        np.array([leaf.mask for leaf in leaves], np.int64),
        np.array([leaf.for_ms for leaf in leaves], np.int64),
    )


def _stands(kept: Sequence[LeafState]) -> Stands:
    return Stands(
        np.array([state.to_ms for state in kept], np.int64),
        np.array([state.since_ms for state in kept], np.int64),
        np.array([state.active for state in kept], np.bool_),
        np.array([state.step_ms for state in kept], np.int64),
        np.array([np.nan if state.last is None else state.last for state in kept]),
        np.array([np.nan if state.worst is None else state.worst for state in kept]),
    )


def _keep(kept: Sequence[LeafState], stands: Stands) -> None:
    columns = (stands.to_ms, stands.since_ms, stands.active, stands.step_ms, stands.last, stands.worst)
    for state, *values in zip(kept, *(column.tolist() for column in columns), strict=True):
        state.to_ms, state.since_ms, state.active, state.step_ms, last, worst = values
        # JSON has no NaN.
        state.last, state.worst = (last if last == last else None), (worst if worst == worst else None)  # noqa: PLR0124


def _sorted_out(owner: Sequence[tuple[int, int]], turns: Turns, silent: Turns, pairs: int) -> list[list[Turn]]:
    found: list[list[Turn]] = [[] for _pair in range(pairs)]
    for each in (turns, silent):
        columns = (each.stream, each.t_ms, each.truth, each.since_ms, each.worst)
        for stream, t_ms, truth, since_ms, worst in zip(*(column.tolist() for column in columns), strict=True):
            pair, place = owner[stream]
            found[pair].append(Turn(t_ms, place, truth, since_ms, None if worst != worst else worst))  # noqa: PLR0124
    return found


def _fold(program: Program, state: PairState, new: Sequence[Turn], now_ms: int) -> list[Crossing]:
    at_ms = state.held.at_ms
    # Of what happened before that which is settled, the last word of each condition counts, from there on.
    settled = {turn.leaf: turn for turn in new if turn.t_ms <= at_ms}
    turns = [msgspec.structs.replace(turn, t_ms=at_ms + 1) for turn in settled.values()]
    turns += [*state.open, *(turn for turn in new if turn.t_ms > at_ms)]
    ground = Ground(program.tree, program.cooldown_ms, program.schedule, _known_to(program, state))
    frontier = max(state.to_ms, now_ms if program.asks_for_silence else NEVER, state.held.at_ms)
    after, crossings = tree_fold(ground, state.held, turns, until_ms=frontier)
    told = _tell(state, crossings)
    _settle(ground, state, turns, frontier - OPEN_MS)
    state.held.waits = after.waits
    return told


def _known_to(program: Program, state: PairState) -> list[int]:
    steps = gap_ms(np.array([leaf.step_ms for leaf in state.leaves], np.int64)).tolist()
    return [
        FOREVER if asked.family is Family.NO_DATA else leaf.to_ms + step
        for asked, leaf, step in zip(program.leaves, state.leaves, steps, strict=True)
    ]


def _tell(state: PairState, crossings: Sequence[Crossing]) -> list[Crossing]:
    """What is new among the crossings since the tree was last settled; a last one that undoes what no longer holds."""
    settled_ms = state.held.at_ms
    known = {entry for entry in state.told if entry[0] > settled_ms}
    new = [crossing for crossing in crossings if (crossing.t_ms, crossing.fired) not in known]
    if len(state.told) >= TOLD_MOST:
        # What was told of the time before is forgotten: saying nothing of it is better than saying it twice.
        new = [crossing for crossing in new if crossing.t_ms > min(state.told)[0]]
    active = new[-1].fired if new else state.active
    holds = crossings[-1].fired if crossings else state.held.active
    if active != holds:
        # Late readings took back what was told, or its end.
        new.append(_undone(state, crossings, holds))
    told = [*state.told, *((crossing.t_ms, crossing.fired) for crossing in new)]
    # All of what is not settled, however it flutters, because it is compared again.
    state.told = told[-max(TOLD_MOST, sum(t_ms > settled_ms for t_ms, _fired in told)) :]
    return new


def _undone(state: PairState, crossings: Sequence[Crossing], holds: bool) -> Crossing:
    if crossings:
        return crossings[-1]
    at_ms = state.held.at_ms
    return Crossing(holds, at_ms, at_ms if state.held.since_ms is None else state.held.since_ms)


def _settle(ground: Ground, state: PairState, turns: Sequence[Turn], settled_ms: int) -> None:
    if settled_ms <= state.held.at_ms:
        state.open = sorted(turns)
        return
    old = [turn for turn in turns if turn.t_ms <= settled_ms]
    state.held, _crossings = tree_fold(ground, state.held, old, until_ms=settled_ms)
    state.open = sorted(turn for turn in turns if turn.t_ms > settled_ms)
