"""From where on a deviation counts, and for how long it must last: what keeps false alerts rare. Pure: numpy alone."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from telemetry.readings import Float64Array, Int64Array

BLOCK = 60  # cells: long enough that the maxima of two blocks are nearly independent
# One chance excursion of a feature in this many blocks (ten days of one-second cells); persistence comes on top.
_ONE_IN_BLOCKS = 14_400.0
_EULER = float(np.euler_gamma)


def block_maxima(values: Float64Array, block: int = BLOCK) -> Float64Array:
    """The largest value of each full block, oldest first; a block of which less than half is known is left out."""
    blocks = len(values) // block
    shaped = values[: blocks * block].reshape(blocks, block)
    known = np.isfinite(shaped)
    return np.asarray(np.where(known, shaped, -np.inf).max(axis=1)[known.mean(axis=1) >= 0.5], dtype=np.float64)


def rare_level(values: Float64Array, *, at_least: float) -> float:
    """The level that held-back values pass by chance about once in ten days, never below `at_least`.

    The maxima of blocks follow a Gumbel law, whose tail tells of longer times than were seen. With few blocks the law
    is uncertain, so the extrapolation is stretched by 1 + 1.5 / sqrt(blocks). What was seen stays below.
    """
    maxima = block_maxima(values)
    if len(maxima) < 2:
        return 2.0 * at_least
    scale = float(np.std(maxima, ddof=1)) * np.sqrt(6.0) / np.pi
    middle = float(np.mean(maxima)) - _EULER * scale
    reach = np.log(_ONE_IN_BLOCKS) * (1.0 + 1.5 / np.sqrt(len(maxima)))
    return float(max(at_least, middle + scale * reach, 1.05 * float(maxima.max())))


class Change(StrEnum):
    """What the evidence decided at a cell."""

    BEGAN = "began"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long a score must stay beyond 1, and below, in cells.

    Evidence is a one-sided cumulative sum (Page 1954) of min(score, cap) - 1: with the score far out an anomaly begins
    after `begin / (cap - 1)` cells, at 1.2 after five times `begin`. It ends when the score stayed under `calm_below`
    for `calm` cells on end.
    """

    begin: float = 16.0
    cap: float = 3.0
    calm_below: float = 0.8
    calm: int = 60


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the sum stands; small enough to be kept with the machine and survive a kill of the worker."""

    total: float = 0.0
    since_ms: int | None = None
    active: bool = False
    calm: int = 0
    peak: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Evidence":
        known = {name: stored[name] for name in ("total", "since_ms", "active", "calm", "peak") if name in stored}
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Decision:
    """An anomaly began or ended; since_ms is the event time of its first sign."""

    change: Change
    t_ms: int
    since_ms: int
    peak: float


def accumulate(
    evidence: Evidence, t_ms: Int64Array, score: Float64Array, *, rules: Persistence = Persistence()
) -> tuple[Evidence, list[Decision]]:
    """Carry the evidence over scored cells, oldest first; a cell that was not scored (NaN) changes nothing.

    Splitting the cells anywhere gives the same decisions.
    """
    decisions: list[Decision] = []
    for at, value in zip(t_ms.tolist(), score.tolist(), strict=True):
        if np.isnan(value):
            continue
        evidence, decision = evidence_step(evidence, at, value, rules)
        if decision is not None:
            decisions.append(decision)
    return evidence, decisions


def evidence_step(was: Evidence, at: int, score: float, rules: Persistence) -> tuple[Evidence, Decision | None]:
    """The evidence after one more scored cell (not NaN), and what that decides."""
    total = min(max(was.total + min(score, rules.cap) - 1.0, 0.0), 2.0 * rules.begin)
    if was.active:
        calm = was.calm + 1 if score < rules.calm_below else 0
        now = replace(was, total=total, calm=calm, peak=max(was.peak, score))
        if calm < rules.calm:
            return now, None
        return Evidence(), Decision(Change.ENDED, at, was.since_ms or at, now.peak)
    if total <= 0.0:
        return Evidence(), None
    since = at if was.since_ms is None else was.since_ms
    now = Evidence(total=total, since_ms=since, peak=max(was.peak, score))
    if total < rules.begin:
        return now, None
    return replace(now, active=True), Decision(Change.BEGAN, at, since, now.peak)


def episodes(
    t_ms: Int64Array, score: Float64Array, *, rules: Persistence = Persistence()
) -> list[tuple[int, int, float]]:
    """Anomalies in a window: (since_ms, end_ms, peak score); one that still lasts ends with the window."""
    evidence, decisions = accumulate(Evidence(), t_ms, score, rules=rules)
    found = [(d.since_ms, d.t_ms, d.peak) for d in decisions if d.change is Change.ENDED]
    if evidence.active and evidence.since_ms is not None:
        found.append((evidence.since_ms, int(t_ms[-1]), evidence.peak))
    return found


def health_percent(score: float) -> float:
    """A machine's health for people: 100 well inside the normal, 60 at the threshold, 5 far out.

    >>> [health_percent(x) for x in (0.2, 1.0, 9.0)]
    [100.0, 60.0, 5.0]
    """
    scale: Sequence[float] = (0.5, 1.0, 2.0, 4.0)
    return float(np.round(np.interp(score, scale, (100.0, 60.0, 25.0, 5.0)), 1))
