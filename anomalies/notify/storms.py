"""When alerts come in a storm: how long to hold them back, and whether to tell them as one. Pure.

A single alert goes out at once. Many at once are gathered until it grows quiet, and told in one message; while the
storm goes on, what is new follows in further messages of the same conversation, a minute apart at the least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# So many waiting at once, or within the last minute, are a storm.
AT_ONCE = 5
WITHIN_A_MINUTE = 12
# Gathered until nothing new has come for so long, and no longer than the second.
QUIET_S = 2.0
LONGEST_S = 15.0
# A storm is over when nothing has been told of it for so long; until then its news follows at this pace.
OVER_S = 600.0
UPDATE_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with the news that waits. hold_s: seconds to wait before looking again; 0: tell it now."""

    grouped: bool
    hold_s: float = 0.0


def storm_decide(
    waiting: Sequence[datetime], *, lately: int, last_group_at: datetime | None, now: datetime
) -> Decision:
    """What to do with news written at `waiting`.

    lately: how many were told within the last minute. last_group_at: when a storm was last told of.

    >>> noon = datetime(2026, 11, 21, 12, 0)
    >>> storm_decide([noon], lately=0, last_group_at=None, now=noon)
    Decision(grouped=False, hold_s=0.0)
    >>> storm_decide([noon] * 1000, lately=0, last_group_at=None, now=noon)
    Decision(grouped=True, hold_s=2.0)
    >>> storm_decide([noon] * 1000, lately=0, last_group_at=None, now=noon + timedelta(seconds=2))
    Decision(grouped=True, hold_s=0.0)
    """
    if not waiting:
        return Decision(grouped=False)
    goes_on = last_group_at is not None and now - last_group_at < timedelta(seconds=OVER_S)
    if not goes_on and len(waiting) < AT_ONCE and len(waiting) + lately < WITHIN_A_MINUTE:
        return Decision(grouped=False)
    ready = min(max(waiting) + timedelta(seconds=QUIET_S), min(waiting) + timedelta(seconds=LONGEST_S))
    if goes_on and last_group_at is not None:
        ready = max(ready, last_group_at + timedelta(seconds=UPDATE_EVERY_S))
    return Decision(grouped=True, hold_s=max(0.0, (ready - now).total_seconds()))
