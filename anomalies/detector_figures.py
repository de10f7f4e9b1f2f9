"""What a back-test comes to: alerts found, false ones, delay; and whether a newcomer is worse. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

WEEK_MS = 7 * 86_400_000
# A detector may notice a little before people's alert, or find again what is just over.
_NEAR_MS = 10 * 60_000
# A newcomer may be this much later in the middle, and must have judged for nearly as long.
_LATER_MS, _JUDGED_SHARE = 60_000, 0.9
_WORTH = {"true": 4, "expected": 3, "false": 2, "unjudged": 1, "nobody": 0}


@dataclass(frozen=True, slots=True)
class Known:
    """An alert that was raised in truth. verdict: true, false, expected, or unjudged."""

    id: int
    since_ms: int
    to_ms: int | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One version over a stretch of the past.

    by_verdict: what it would have raised, by the verdict of the alert it meets; `nobody` where none was raised then.
    troubles: alerts that people called true; found: how many of them it would have raised, too. delay_ms: in the
    middle, from their first sign to its alert. weeks: for how long it judged.
    """

    by_verdict: Mapping[str, int]
    troubles: int
    found: int
    delay_ms: float | None
    weeks: float

    @property
    def unconfirmed(self) -> int:
        """What nobody called true or expected: false alarms at most."""
        return sum(self.by_verdict.get(word, 0) for word in ("false", "unjudged", "nobody"))

    @property
    def unconfirmed_per_week(self) -> float | None:
        """The same, a week; None where nothing was judged."""
        return self.unconfirmed / self.weeks if self.weeks > 0.0 else None

    @property
    def raised(self) -> int:
        """All that it would have raised."""
        return sum(self.by_verdict.values())


@dataclass(frozen=True, slots=True)
class Criterion:
    """One demand on a newcomer: the figures of the version that judges and of the newcomer, and whether it holds."""

    name: str
    first: float | None
    second: float | None
    holds: bool


def verdict_met(episode: Mapping[str, Any], known: Sequence[Known], *, to_ms: int) -> str:
    """The weightiest verdict among the alerts that a would-be alert meets; `nobody` where it meets none."""
    met = [alert.verdict for alert in known if _meets(episode, alert, to_ms)]
    return max(met, key=lambda word: _WORTH[word], default="nobody")


def figures_of(episodes: Sequence[Mapping[str, Any]], known: Sequence[Known], *, to_ms: int, scored_ms: int) -> Figures:
    """The figures of one version's would-be alerts; to_ms: where the stretch ends, for what still lasts."""
    by_verdict = dict.fromkeys(_WORTH, 0)
    for episode in episodes:
        by_verdict[verdict_met(episode, known, to_ms=to_ms)] += 1
    troubles = [alert for alert in known if alert.verdict == "true"]
    delays = []
    for alert in troubles:
        met = [episode["told_ms"] for episode in episodes if _meets(episode, alert, to_ms)]
        if met:
            delays.append(min(met) - alert.since_ms)
    return Figures(
        by_verdict=by_verdict,
        troubles=len(troubles),
        found=len(delays),
        delay_ms=float(median(delays)) if delays else None,
        weeks=scored_ms / WEEK_MS,
    )


def criteria(first: Figures, second: Figures) -> list[Criterion]:
    """What a newcomer (second) must keep to take over from the version that judges (first).

    >>> old = Figures({"nobody": 1}, 2, 2, 30_000.0, 0.4)
    >>> [c.holds for c in criteria(old, Figures({"nobody": 1}, 2, 2, 80_000.0, 0.4))]
    [True, True, True, True]
    >>> [c.holds for c in criteria(old, Figures({"nobody": 2}, 2, 1, 95_000.0, 0.3))]
    [False, False, False, False]
    """
    later = None not in (first.delay_ms, second.delay_ms) and (
        (second.delay_ms or 0.0) > (first.delay_ms or 0.0) + _LATER_MS
    )
    return [
        Criterion("found", first.found, second.found, second.found >= first.found),
        Criterion("unconfirmed", first.unconfirmed, second.unconfirmed, second.unconfirmed <= first.unconfirmed),
        Criterion("delay", first.delay_ms, second.delay_ms, not later),
        Criterion("judged", first.weeks, second.weeks, second.weeks >= _JUDGED_SHARE * first.weeks),
    ]


def _meets(episode: Mapping[str, Any], alert: Known, to_ms: int) -> bool:
    ends = to_ms if episode["to_ms"] is None else episode["to_ms"]
    alert_ends = to_ms if alert.to_ms is None else alert.to_ms
    return bool(episode["since_ms"] <= alert_ends + _NEAR_MS and ends >= alert.since_ms - _NEAR_MS)
