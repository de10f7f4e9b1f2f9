"""A rule run again because readings came late: from where on, and what of it is news. Pure."""

from collections.abc import Sequence

from anomalies.rules.engine import TOLD_MOST, PairState, Program, state_new
from anomalies.rules.tree import Crossing

# The run begins so far before the late readings.
WARM_UP_MS = 3_600_000

Told = tuple[int, bool]


def state_before(program: Program, state: PairState, late_ms: int) -> PairState | None:
    """A state from which a program is run again because a reading of `late_ms` arrived; None where it came in time.

    It begins so far before the late reading that durations, changes and differences are whole again there, and knows
    of what was told before then alone: what the run tells is compared with the rest afterwards (`news_of`).
    """
    if late_ms > max(state.to_ms, state.held.at_ms):
        return None
    from_ms = late_ms - max(WARM_UP_MS, 2 * program.memory_ms)
    again = state_new(program, from_ms=from_ms, told=state.told)
    again.told = [entry for entry in again.told if entry[0] < from_ms]
    return again


def news_of(told: Sequence[Told], crossings: Sequence[Crossing], *, from_ms: int) -> list[Crossing]:
    """What a repeated run from `from_ms` on has found that was not told, oldest first.

    A firing that is news comes with its return, though that may be known. A last crossing takes back what no longer
    holds, or its end, where the rule stands otherwise now than was told.
    """
    known, found = set(told), list(crossings)
    if len(told) >= TOLD_MOST:
        # What was told of the time before is forgotten: saying nothing of it is better than saying it twice.
        found = [crossing for crossing in found if crossing.t_ms > min(told)[0]]
    new: list[Crossing] = []
    for place, crossing in enumerate(found):
        ends_news = not crossing.fired and bool(new) and place > 0 and new[-1] is found[place - 1] and new[-1].fired
        if ends_news or (crossing.t_ms, crossing.fired) not in known:
            new.append(crossing)
    begun_ms, held = next((entry for entry in reversed(told) if entry[0] < from_ms), (from_ms - 1, False))
    holds = crossings[-1].fired if crossings else held
    stands = new[-1].fired if new else bool(told and told[-1][1])
    if stands != holds:
        new.append(crossings[-1] if crossings else Crossing(holds, from_ms - 1, begun_ms))
    return new
