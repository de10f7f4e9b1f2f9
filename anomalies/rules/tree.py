"""A rule's whole tree over event time: from turns of its conditions to firings and returns. Pure.

What is not known (a metric that has been away) neither fires a rule nor returns it: Kleene's logic of three values.
Turns of the last minute stay open, so that metrics which arrive one after the other are judged as if together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import msgspec

from anomalies.rules.columns import Truth
from anomalies.rules.schedule import Schedule

# How long a turn may be joined by one that happened before it and arrives later.
OPEN_MS = 60_000
FOREVER = 1 << 62

Tree = int | tuple[Literal["all", "any"], tuple["Tree", ...]]


class Turn(msgspec.Struct, array_like=True, frozen=True, order=True):
    """A condition (leaf: its place in the tree) turned; worst: the furthest reading of the stretch, if any."""

    t_ms: int
    leaf: int
    truth: int
    since_ms: int
    worst: float | None = None


class Held(msgspec.Struct, array_like=True):
    """A tree at an instant: the last turn of each condition, whether the rule is active, and when it last fired.

    waits: what would fire is held back by a cool-down or by the rule's hours.
    """

    at_ms: int
    turns: list[Turn | None]
    active: bool = False
    fired_ms: int | None = None
    since_ms: int | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Crossing:
    """A rule fired, or returned to normal, at `t_ms`; since_ms: the first sign of it.

    parts: the turns of the conditions that held at that moment.
    """

    fired: bool
    t_ms: int
    since_ms: int
    parts: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a tree is judged by besides its turns. known_to_ms: until when each condition's last turn speaks."""

    tree: Tree
    cooldown_ms: int
    schedule: Schedule
    known_to_ms: Sequence[int]


def tree_fold(ground: Ground, held: Held, turns: Sequence[Turn], *, until_ms: int) -> tuple[Held, list[Crossing]]:
    """Carry a tree over turns in time order, and on to `until_ms` for what waits for a cool-down or for its hours."""
    walk = _Walk(ground, held)
    for t_ms, together in groupby(sorted(turns), key=lambda turn: turn.t_ms):
        walk.wait_until(t_ms - 1)
        for turn in together:
            walk.turns[turn.leaf] = turn
        walk.judge(t_ms)
    walk.wait_until(until_ms)
    return walk.held(until_ms), walk.crossings


class _Walk:
    def __init__(self, ground: Ground, held: Held) -> None:
        self.ground = ground
        self.turns = list(held.turns)
        self.active, self.fired_ms, self.since_ms = held.active, held.fired_ms, held.since_ms
        self.crossings: list[Crossing] = []
        self.waits_to: int | None = None
        if not self.active and self._truth(ground.tree, held.at_ms) is Truth.TRUE:
            self.waits_to = self._allowed_from(held.at_ms)

    def judge(self, t_ms: int) -> None:
        truth = self._truth(self.ground.tree, t_ms)
        if truth is Truth.FALSE:
            self.waits_to = None
            if self.active:
                self._return(t_ms)
        elif truth is Truth.TRUE and not self.active:
            self.waits_to = self._allowed_from(t_ms)
            if self.waits_to == t_ms:
                self._fire(t_ms)

    def wait_until(self, until_ms: int) -> None:
        """Fire what has waited, if it still holds when its time comes."""
        if self.waits_to is not None and self.waits_to <= until_ms:
            at, self.waits_to = self.waits_to, None
            self.judge(at)

    def held(self, at_ms: int) -> Held:
        waits = self.waits_to is not None
        return Held(at_ms, self.turns, self.active, self.fired_ms, self.since_ms, waits)

    def _fire(self, t_ms: int) -> None:
        parts = self._true_parts(t_ms)
        since = _since(self.ground.tree, {part.leaf: part.since_ms for part in parts})
        self.active, self.fired_ms, self.waits_to = True, t_ms, None
        self.since_ms = min(t_ms, t_ms if since is None else since)
        self.crossings.append(Crossing(True, t_ms, self.since_ms, parts))

    def _return(self, t_ms: int) -> None:
        self.crossings.append(Crossing(False, t_ms, t_ms if self.since_ms is None else self.since_ms))
        self.active, self.since_ms = False, None

    def _allowed_from(self, t_ms: int) -> int | None:
        cooled = t_ms if self.fired_ms is None else max(t_ms, self.fired_ms + self.ground.cooldown_ms)
        return self.ground.schedule.opens_at(cooled)

    def _true_parts(self, t_ms: int) -> tuple[Turn, ...]:
        return tuple(turn for turn in self.turns if turn is not None and self._of(turn, t_ms) is Truth.TRUE)

    def _truth(self, tree: Tree, t_ms: int) -> Truth:
        if isinstance(tree, int):
            turn = self.turns[tree]
            return Truth.UNKNOWN if turn is None else self._of(turn, t_ms)
        join, parts = tree
        found = [self._truth(part, t_ms) for part in parts]
        # “all” takes the least, “any” the most, with what is not known in between.
        return (min if join == "all" else max)(found, key=_RANK.__getitem__)

    def _of(self, turn: Turn, t_ms: int) -> Truth:
        return Truth(turn.truth) if t_ms <= self.ground.known_to_ms[turn.leaf] else Truth.UNKNOWN


_RANK = {Truth.FALSE: 0, Truth.UNKNOWN: 1, Truth.TRUE: 2}


def _since(tree: Tree, begun: dict[int, int]) -> int | None:
    """When a true tree began to be so: all its parts at the last of them, any of them at the first."""
    if isinstance(tree, int):
        return begun.get(tree)
    join, parts = tree
    known = [since for since in (_since(part, begun) for part in parts) if since is not None]
    if not known:
        return None
    return max(known) if join == "all" else min(known)
