"""A better limit, from what people said of the alerts it raised. Pure.

Each judged alert has the furthest reading it came to. Among the limits beyond the present one, that one is proposed
which would have spared most false alarms without losing a single real one; it stands halfway between the furthest false
alarm it spares and the mildest real trouble, rounded to the fewest digits that still lie between them. Readings that
raised nothing are unknown here, so a limit is only ever moved outward; and alerts that were expected speak neither for
nor against it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_JUDGED = 5
LEAST_TRUE = 2
LEAST_SPARED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An alert's furthest reading, and whether it was real trouble."""

    worst: float
    real: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A limit that would have done better: how many of the false alarms it spares, and how many real ones it keeps."""

    limit: float
    present: float
    spared: int
    false: int
    kept: int


def limit_propose(judged: Sequence[Judged], *, present: float, above: bool) -> Proposal | None:
    """A better limit than the present one, or None where too little speaks for one.

    above: whether readings beyond the limit are above it.

    >>> found = [Judged(worst=w, real=False) for w in (90.4, 91.2, 92.0, 93.1)]
    >>> found += [Judged(worst=w, real=True) for w in (97.5, 99.0)]
    >>> limit_propose(found, present=90.0, above=True)
    Proposal(limit=95.0, present=90.0, spared=4, false=4, kept=2)
    """
    sign = 1.0 if above else -1.0
    real = [sign * each.worst for each in judged if each.real and math.isfinite(each.worst)]
    false = [sign * each.worst for each in judged if not each.real and math.isfinite(each.worst)]
    if len(real) + len(false) < LEAST_JUDGED or len(real) < LEAST_TRUE:
        return None
    mildest = min(real)
    spared = [worst for worst in false if worst < mildest]
    if len(spared) < LEAST_SPARED:
        return None
    limit = sign * _between(max(spared), mildest)
    if sign * limit <= sign * present:
        return None
    return Proposal(limit=limit, present=present, spared=len(spared), false=len(false), kept=len(real))


def _between(low: float, high: float) -> float:
    """The middle, in as few digits as still lie between."""
    middle = (low + high) / 2
    for digits in range(1, 16):
        rounded = float(f"{middle:.{digits}g}")
        if low < rounded < high:
            return rounded
    return middle
