"""How many false alarms a detector really raises, and limits that follow: up by small steps, and down again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Min, Q

from anomalies.models import Alert, AlertState, DetectorModel, LimitStep, MachineHealth, Verdict
from common import clock
from telemetry.models import Machine

WANTED_PER_WEEK = 1.0
WINDOW = timedelta(weeks=4)
# One step is small enough not to hide a fault that was plain, and twice as taught is where steering ends.
STEP, HIGHEST = 1.15, 2.0
# A single false alarm is chance; limits come down again only after this long in peace.
_FEWEST, _PEACE_WEEKS = 2.0, 2.0
_WEEK_S = 7 * 86_400.0
_DETECTOR, _SILENCE = "detector", "silence"


@dataclass(frozen=True, slots=True)
class Realised:
    """A detector's alerts over a time, by verdict, and for how many weeks it watched then.

    unjudged: over, and nobody has said what it was.
    """

    true: int
    false: int
    expected: int
    unjudged: int
    weeks: float

    @property
    def false_alarms(self) -> float:
        """Those judged false, and of those not judged the same part; none while nobody judges."""
        judged = self.true + self.false + self.expected
        return self.false + (self.unjudged * self.false / judged if judged else 0.0)

    @property
    def per_week(self) -> float | None:
        """False alarms a machine and week; None before a day has been watched."""
        return self.false_alarms / self.weeks if self.weeks >= 1.0 / 7.0 else None


def factor_next(factor: float, realised: Realised, *, wanted: float = WANTED_PER_WEEK) -> float:
    """The factor on all limits after what happened since the last step.

    >>> factor_next(1.0, Realised(0, 2, 0, 0, 0.5)), factor_next(1.0, Realised(0, 1, 0, 0, 0.1))
    (1.15, 1.0)
    >>> factor_next(1.15, Realised(1, 0, 0, 0, 2.0)), factor_next(1.9, Realised(0, 9, 0, 0, 1.0))
    (1.0, 2.0)
    """
    false = realised.false_alarms
    if false >= _FEWEST and false > wanted * max(realised.weeks, 1.0):
        return min(factor * STEP, HIGHEST)
    if realised.weeks >= _PEACE_WEEKS and false <= wanted * realised.weeks / 2.0:
        return max(round(factor / STEP, 9), 1.0)
    return factor


def realised_measure(machine: Machine, *, from_at: datetime | None = None) -> Realised:
    """What the machine's detector raised since `from_at`, four weeks ago at most, and how long it watched."""
    now = clock.now()
    first = DetectorModel.objects.filter(machine=machine).aggregate(at=Min("trained_at"))["at"] or now
    begin = max(first, now - WINDOW, from_at or now - WINDOW)
    rows = Alert.objects.filter(machine=machine, cause=_DETECTOR, raised_at__gt=begin)
    counts = rows.order_by().aggregate(
        **{word: Count("pk", filter=Q(verdict=word)) for word in Verdict.values},
        unjudged=Count("pk", filter=Q(verdict="", state=AlertState.NORMAL)),
    )
    watched_s = max((now - begin).total_seconds() - _silent_s(machine, begin, now), 0.0)
    return Realised(**counts, weeks=watched_s / _WEEK_S)


def limits_steer(machines: Iterable[Machine]) -> int:
    """Raise or lower the limits of machines by what was judged since their last step; the number of steps made."""
    return sum(_steer(machine) for machine in machines)


def limit_factor(machine: Machine) -> float:
    """By what factor the machine's limits stand above what teaching found."""
    found = MachineHealth.objects.filter(machine=machine).values_list("limit_factor", flat=True).first()
    return 1.0 if found is None else found


def _steer(machine: Machine) -> bool:
    with transaction.atomic():
        health = MachineHealth.objects.select_for_update(skip_locked=True).filter(machine=machine).first()
        if health is None:
            return False
        last = LimitStep.objects.filter(machine=machine).first()
        realised = realised_measure(machine, from_at=last.at if last else None)
        before, after = health.limit_factor, factor_next(health.limit_factor, realised)
        if after == before:
            return False
        health.limit_factor = after
        health.save(update_fields=["limit_factor"])
        LimitStep.objects.create(
            machine=machine,
            at=clock.now(),
            before=before,
            after=after,
            false_alarms=realised.false_alarms,
            weeks=realised.weeks,
        )
        return True


def _silent_s(machine: Machine, begin: datetime, now: datetime) -> float:
    """For how long of that time nothing was heard of the machine."""
    rows = Alert.objects.filter(machine=machine, cause=_SILENCE).filter(
        Q(returned_at__isnull=True) | Q(returned_at__gt=begin)
    )
    stretches = rows.values_list("since_at", "returned_at")
    return sum(max(((end or now) - max(since, begin)).total_seconds(), 0.0) for since, end in stretches)
