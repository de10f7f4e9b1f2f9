"""Copies a machine's readings from one store to another, day by day, while new ones arrive.

What is there already, by count, minimum, maximum and mean of the day, is left alone; so a copy that was killed goes on
where it stood.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from django.utils.translation import gettext as _

from common.errors import DomainError
from common.times import from_ms as instant_of
from common.times import rfc3339
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store.base import Buckets, ReadingStore

DAY_MS = 86_400_000
# A store answers for this long a time at once without getting out of breath.
_SURVEY_MS = 7 * DAY_MS
# Readings of one step: bounds our memory and the length of the stores' answers.
READINGS_PER_STEP = 200_000
_SHORTEST_STEP_MS = 1_000


class MoveIncompleteError(DomainError):
    """After a step the other store holds less than was written to it."""

    code = "move_incomplete"
    status = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """What was copied: readings written, and readings of days that needed nothing."""

    copied: int = 0
    there: int = 0

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.copied + other.copied, self.there + other.there)


@dataclass(frozen=True, slots=True)
class Move:
    """One direction between two stores, within one factory.

    newer_stands: of two readings with the same metric and time the other store's is left; for when that one is in use.
    """

    source: ReadingStore
    target: ReadingStore
    newer_stands: bool

    def machine(self, machine: Machine, *, from_ms: int, to_ms: int) -> Iterator[tuple[int, Moved]]:
        """Copy a machine's readings of [from_ms, to_ms), from whole days on; after each day its end and what was done.

        Raises StoreUnavailableError, MoveIncompleteError; what was copied stays, and a second try skips it.
        """
        metrics = list(machine.metrics.order_by("name").values_list("name", flat=True))
        for start in range(from_ms // DAY_MS * DAY_MS, to_ms, _SURVEY_MS):
            end = min(start + _SURVEY_MS, to_ms)
            wanted = self.source.buckets(machine, metrics, from_ms=start, to_ms=end, bucket_ms=DAY_MS)
            held = self.target.buckets(machine, metrics, from_ms=start, to_ms=end, bucket_ms=DAY_MS)
            for day_ms in _days(wanted):
                moved = self._day(machine, _of_day(wanted, day_ms), _of_day(held, day_ms), to_ms=to_ms)
                yield day_ms + DAY_MS, moved

    def _day(self, machine: Machine, wanted: list[Buckets], held: list[Buckets], *, to_ms: int) -> Moved:
        same = [_agree(ours, theirs) for ours, theirs in zip(wanted, held, strict=True)]
        moved = Moved(there=sum(_count(part) for part, is_same in zip(wanted, same, strict=True) if is_same))
        missing = [part for part, is_same in zip(wanted, same, strict=True) if not is_same and _count(part)]
        if not missing:
            return moved
        day_ms = int(missing[0].t_ms[0])
        for start, end in _steps(day_ms, min(day_ms + DAY_MS, to_ms), readings=sum(_count(part) for part in missing)):
            moved += self._step(machine, [part.metric for part in missing], start, end)
        return moved

    def _step(self, machine: Machine, metrics: Sequence[str], from_ms: int, to_ms: int) -> Moved:
        found = self.source.raw(machine, metrics, from_ms=from_ms, to_ms=to_ms)
        found = [part for part in found if len(part)]
        if not found:
            return Moved()
        fresh = self._not_there(machine, found, from_ms, to_ms) if self.newer_stands else found
        self.target.write(ReadingBatch(fresh), machines={machine.key: machine})
        self._check(machine, found, from_ms, to_ms)
        copied = sum(len(part) for part in fresh)
        return Moved(copied, sum(len(part) for part in found) - copied)

    def _not_there(self, machine: Machine, found: list[Series], from_ms: int, to_ms: int) -> list[Series]:
        held = self.target.raw(machine, [part.metric for part in found], from_ms=from_ms, to_ms=to_ms)
        fresh = [_without(part, theirs) for part, theirs in zip(found, held, strict=True)]
        return [part for part in fresh if len(part)]

    def _check(self, machine: Machine, found: list[Series], from_ms: int, to_ms: int) -> None:
        """New readings may have come besides; fewer than were written may not be there."""
        held = self.target.buckets(
            machine, [part.metric for part in found], from_ms=from_ms, to_ms=to_ms, bucket_ms=DAY_MS
        )
        for part, theirs in zip(found, held, strict=True):
            if _count(theirs) < len(part):
                raise MoveIncompleteError(
                    _("%(machine)s, %(metric)s, from %(from)s: %(held)d of %(written)d readings are there.")
                    % {
                        "machine": machine.key,
                        "metric": part.metric,
                        "from": rfc3339(instant_of(from_ms)),
                        "held": _count(theirs),
                        "written": len(part),
                    }
                )


def _days(parts: Sequence[Buckets]) -> list[int]:
    return sorted({int(t_ms) for part in parts for t_ms in part.t_ms})


def _of_day(parts: Sequence[Buckets], day_ms: int) -> list[Buckets]:
    return [_where(part, day_ms) for part in parts]


def _where(part: Buckets, day_ms: int) -> Buckets:
    rows = part.t_ms == day_ms
    return replace(
        part,
        t_ms=part.t_ms[rows],
        minimum=part.minimum[rows],
        maximum=part.maximum[rows],
        mean=part.mean[rows],
        count=part.count[rows],
    )


def _agree(ours: Buckets, theirs: Buckets) -> bool:
    """Whether both hold the same day, as far as can be told without reading it."""
    return (
        ours.count.tolist() == theirs.count.tolist()
        and ours.minimum.tolist() == theirs.minimum.tolist()
        and ours.maximum.tolist() == theirs.maximum.tolist()
        # Two servers add in different orders.
        and np.allclose(ours.mean, theirs.mean, rtol=1e-9, atol=1e-12)
    )


def _count(part: Buckets) -> int:
    return int(part.count.sum())


def _steps(from_ms: int, to_ms: int, *, readings: int) -> Iterator[tuple[int, int]]:
    number = -(-readings // READINGS_PER_STEP)
    width = max(_SHORTEST_STEP_MS, -(-(to_ms - from_ms) // number))
    for start in range(from_ms, to_ms, width):
        yield start, min(start + width, to_ms)


def _without(part: Series, theirs: Series) -> Series:
    fresh = ~np.isin(part.t_ms, theirs.t_ms)
    return Series(part.machine, part.metric, part.t_ms[fresh], part.values[fresh])
