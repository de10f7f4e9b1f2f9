"""How the alarm system itself does, in the figures of ISA-18.2-2016 (clause 16) and EEMUA 191 (3rd edition). Pure.

The targets are theirs: fewer than one alarm in ten minutes for each operator on average (manageable up to two), no more
than 1 % of all ten-minute stretches in flood (more than ten alarms), the ten most frequent alarms less than 5 % of the
load, next to no chattering, fewer than five stale alarms on any day, and priorities of about 80, 15 and 5 %.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

STRETCH = timedelta(minutes=10)
# More than this many in a stretch are more than an operator can answer: a flood, which lasts until fewer than
# FLOOD_ENDS_BELOW come in one.
FLOOD_ABOVE = 10
FLOOD_ENDS_BELOW = 5
CHATTERING_RAISES, CHATTERING_WITHIN = 3, timedelta(minutes=1)
STALE_AFTER = timedelta(hours=24)
WORST_ACTORS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One annunciation: an alert was raised, or raised again, in view of people."""

    alert: int
    actor: str
    machine: str
    severity: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """An alert of the period: how long it was active, and when somebody answered. None: not yet."""

    alert: int
    severity: str
    raised_at: datetime
    ended_at: datetime | None
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """A stretch of time in which more came than people can answer."""

    from_at: datetime
    to_at: datetime
    alerts: int
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """What raised the most: a cause on a machine, how often, and its part of all."""

    actor: str
    machine: str
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFigures:
    """One period's figures. Rates are for each operator; shares 0 to 1; times in seconds. None: nothing to go by."""

    from_at: datetime
    to_at: datetime
    operators: int
    alerts: int
    per_operator_hour: float
    per_operator_10_min: float
    peak_10_min: int
    flood_share: float
    floods: list[Flood]
    chattering: list[Actor]
    stale: int
    worst: list[Actor]
    worst_share: float
    acknowledged_share: float | None
    acknowledge_median_s: float | None
    acknowledge_p90_s: float | None
    priorities: dict[str, int]
    by_stretch: list[tuple[datetime, int]]


def figures_of(
    raised: Sequence[Raised], lived: Sequence[Lived], *, from_at: datetime, to_at: datetime, operators: int
) -> AlarmFigures:
    """The figures of [from_at, to_at). raised: oldest first. operators: at work at any time, at least one.

    Raises ValueError for an empty period or no operator.
    """
    if to_at <= from_at or operators < 1:
        raise ValueError("figures need a period and at least one operator")
    counts = _by_stretch(raised, from_at, to_at)
    hours = (to_at - from_at) / timedelta(hours=1)
    worst = _actors(raised)
    answers = sorted((each.acknowledged_at - each.raised_at).total_seconds() for each in lived if each.acknowledged_at)
    return AlarmFigures(
        from_at=from_at,
        to_at=to_at,
        operators=operators,
        alerts=len(raised),
        per_operator_hour=len(raised) / hours / operators,
        per_operator_10_min=len(raised) / hours / operators / 6,
        peak_10_min=max(counts.values(), default=0),
        flood_share=_flood_share(counts, from_at, to_at),
        floods=_floods(counts),
        chattering=_chattering(raised),
        stale=sum(_is_stale(each, to_at) for each in lived),
        worst=worst[:WORST_ACTORS],
        worst_share=sum(actor.share for actor in worst[:WORST_ACTORS]),
        acknowledged_share=len(answers) / len(lived) if lived else None,
        acknowledge_median_s=median(answers) if answers else None,
        acknowledge_p90_s=answers[min(len(answers) - 1, int(0.9 * len(answers)))] if answers else None,
        priorities=_priorities(raised),
        by_stretch=sorted(counts.items()),
    )


def _by_stretch(raised: Sequence[Raised], from_at: datetime, to_at: datetime) -> dict[datetime, int]:
    """Alerts in each stretch of ten minutes that had any."""
    counts: Counter[datetime] = Counter()
    for each in raised:
        if from_at <= each.at < to_at:
            counts[from_at + STRETCH * ((each.at - from_at) // STRETCH)] += 1
    return dict(counts)


def _flood_share(counts: Mapping[datetime, int], from_at: datetime, to_at: datetime) -> float:
    stretches = -(-(to_at - from_at) // STRETCH)
    return sum(count > FLOOD_ABOVE for count in counts.values()) / stretches


def _floods(counts: Mapping[datetime, int]) -> list[Flood]:
    """Floods in order of time: from the first stretch above the limit until one with few."""
    found: list[Flood] = []
    begin: datetime | None = None
    members: list[int] = []
    last: datetime | None = None
    for at, count in sorted(counts.items()):
        gap = last is not None and at - last > STRETCH
        if begin is not None and last is not None and (gap or count < FLOOD_ENDS_BELOW):
            found.append(Flood(from_at=begin, to_at=last + STRETCH, alerts=sum(members), peak=max(members)))
            begin, members = None, []
        if begin is None and count > FLOOD_ABOVE:
            begin = at
        if begin is not None:
            members.append(count)
        last = at
    if begin is not None and last is not None:
        found.append(Flood(from_at=begin, to_at=last + STRETCH, alerts=sum(members), peak=max(members)))
    return found


def _actors(raised: Sequence[Raised]) -> list[Actor]:
    counts = Counter((each.actor, each.machine) for each in raised)
    return [
        Actor(actor=actor, machine=machine, count=count, share=count / len(raised))
        for (actor, machine), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _chattering(raised: Sequence[Raised]) -> list[Actor]:
    """What was raised three times or more within a minute, and how often such a burst came."""
    times: dict[tuple[str, str], list[datetime]] = {}
    for each in raised:
        times.setdefault((each.actor, each.machine), []).append(each.at)
    found = []
    for (actor, machine), at in times.items():
        bursts = sum(
            late - early <= CHATTERING_WITHIN for early, late in zip(at, at[CHATTERING_RAISES - 1 :], strict=False)
        )
        if bursts:
            found.append(Actor(actor=actor, machine=machine, count=len(at), share=len(at) / len(raised)))
    return sorted(found, key=lambda each: (-each.count, each.actor))


def _is_stale(alert: Lived, to_at: datetime) -> bool:
    """Whether it stood for more than a day within the period."""
    return min(alert.ended_at or to_at, to_at) - alert.raised_at > STALE_AFTER


def _priorities(raised: Sequence[Raised]) -> dict[str, int]:
    return dict(Counter(each.severity for each in raised))
