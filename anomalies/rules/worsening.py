"""How far a rule's metrics have gone since it fired: what an active alert is brought up to date with. Pure."""

from collections.abc import Sequence

from anomalies.rules.columns import Family, Truth
from anomalies.rules.engine import Leaf, LeafState, PairState, Program
from anomalies.rules.tree import Crossing, Turn

# A rising temperature sets a new mark with every reading; people are shown it this often (event time) at most.
SHOWN_EVERY_MS = 5_000


def shown_note(program: Program, state: PairState, crossings: Sequence[Crossing]) -> None:
    """Remember what an alert shows that has just been raised; nothing of one that is over."""
    last = crossings[-1]
    worst = {turn.leaf: turn.worst for turn in last.parts}
    state.shown = [worst.get(place) for place in range(len(program.leaves))] if last.fired else []
    state.shown_ms = last.t_ms


def worsened(program: Program, state: PairState) -> tuple[Turn, ...] | None:
    """The conditions that hold, each with its furthest reading, where one has gone further than its alert shows.

    None where nothing has, where it is too soon to say so again, or where the rule is not active. What is answered is
    taken for shown.
    """
    if not state.active or state.to_ms - state.shown_ms < SHOWN_EVERY_MS:
        return None
    before = state.shown or [None] * len(program.leaves)
    now = [_furthest(leaf, held, known) for leaf, held, known in zip(program.leaves, state.leaves, before, strict=True)]
    if now == before:
        return None
    state.shown, state.shown_ms = now, state.to_ms
    return tuple(
        Turn(held.to_ms, place, Truth.TRUE, held.since_ms, worst)
        for place, (held, worst) in enumerate(zip(state.leaves, now, strict=True))
        if held.active
    )


def _furthest(leaf: Leaf, held: LeafState, known: float | None) -> float | None:
    """The further of two readings beyond a limit; what has no distance (a state, a range to avoid) stays."""
    if leaf.family is not Family.OUTSIDE or held.worst is None or not held.active:
        return known
    return held.worst if known is None or _beyond(leaf, held.worst) > _beyond(leaf, known) else known


def _beyond(leaf: Leaf, value: float) -> float:
    return max(value - leaf.high, leaf.low - value)
