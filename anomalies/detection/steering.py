"""How many false alarms a detector really raises, and limits that follow: up by small steps, and down again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Min, Q

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
_UNJUDGED = "unjudged"


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
    return realised_of([machine], from_at=from_at)[machine.pk]


def realised_of(machines: Sequence[Machine], *, from_at: datetime | None = None) -> dict[int, Realised]:
    """The same for many machines, by their ids, in three queries."""
    now = clock.now()
    earliest = max(now - WINDOW, from_at or now - WINDOW)
    taught = DetectorModel.objects.filter(machine__in=machines).order_by().values_list("machine")
    first = dict(taught.annotate(at=Min("trained_at")))
    begins = {machine.pk: max(first.get(machine.pk, now), earliest) for machine in machines}
    words, silent_s = _words(begins, earliest), _silent_s(begins, earliest, now)
    return {
        machine: Realised(
            **{word: words[machine][word] for word in (*Verdict.values, _UNJUDGED)},
            weeks=max((now - begin).total_seconds() - silent_s[machine], 0.0) / _WEEK_S,
        )
        for machine, begin in begins.items()
    }


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


def _words(begins: Mapping[int, datetime], earliest: datetime) -> dict[int, Counter[str]]:
    """How many alerts of each detector have which verdict; those that still last and have none count nowhere."""
    found: dict[int, Counter[str]] = {machine: Counter() for machine in begins}
    rows = Alert.objects.filter(machine__in=begins, cause=_DETECTOR, raised_at__gt=earliest)
    for machine, verdict, state, raised_at in rows.values_list("machine_id", "verdict", "state", "raised_at"):
        if raised_at > begins[machine] and (verdict or state == AlertState.NORMAL):
            found[machine][verdict or _UNJUDGED] += 1
    return found


def _silent_s(begins: Mapping[int, datetime], earliest: datetime, now: datetime) -> dict[int, float]:
    """For how long of its time nothing was heard of each machine."""
    rows = Alert.objects.filter(machine__in=begins, cause=_SILENCE).filter(
        Q(returned_at__isnull=True) | Q(returned_at__gt=earliest)
    )
    silent_s = dict.fromkeys(begins, 0.0)
    for machine, since, end in rows.values_list("machine_id", "since_at", "returned_at"):
        silent_s[machine] += max(((end or now) - max(since, begins[machine])).total_seconds(), 0.0)
    return silent_s
