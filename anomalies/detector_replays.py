"""Back-tests: asked for, carried on step by step, and told; by people, and each night for a newcomer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from anomalies.detection.registry import DetectorDamagedError, detector_load
from anomalies.detection.steering import limit_factor
from anomalies.detector_figures import Figures, Known, figures_of
from anomalies.detector_replay import Run, replay_piece
from anomalies.models import Alert, DetectorModel, Replay
from common import clock
from common.errors import ConflictError, InvalidInputError, NotFoundError
from common.times import from_ms as instant
from common.times import to_ms as ms_of
from telemetry.models import Machine

_log = structlog.get_logger(__name__)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DAYS_MOST = 14
# One step of a worker; between two of them others get their turn, and what was done is kept.
_STEP_S = 4.0
_KEPT = 30
_LOST_AFTER = timedelta(minutes=2)
# Late readings may go on coming: what is known of them by then is looked at.
_WAITED_FOR = timedelta(minutes=10)
_UNDER_WAY = (Replay.State.WAITING, Replay.State.RUNNING)
_NO_DETECTION = ("silence",)


class ReplayInvalidError(InvalidInputError):
    """This stretch, or these versions, can't be run."""

    code = "replay_invalid"


class ReplayUnderWayError(ConflictError):
    """The machine has a back-test under way."""

    code = "replay_under_way"


class ReplayUnknownError(NotFoundError):
    """No back-test of that number in this factory."""

    code = "replay_not_found"


@dataclass(frozen=True, slots=True)
class Side:
    """One version's part of a back-test: score by buckets, would-be alerts, figures."""

    version: DetectorModel
    score: list[float | None]
    episodes: list[dict[str, Any]]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Told:
    """A back-test with its sides, and the alerts that were raised in truth."""

    replay: Replay
    sides: list[Side]
    raised: list[Alert]


def replay_ask(machine: Machine, *, version: int, beside: int | None, from_ms: int, to_ms: int, actor: Any) -> Replay:
    """Note a back-test of a version, alone or beside another one (their numbers), over [from_ms, to_ms).

    Raises ReplayInvalidError, ReplayUnderWayError.
    """
    now_ms = clock.now_ms()
    if not from_ms < to_ms <= now_ms or not HOUR_MS <= to_ms - from_ms <= DAYS_MOST * DAY_MS:
        text = _("Choose between one hour and %(days)s days of the past.") % {"days": DAYS_MOST}
        raise ReplayInvalidError(text)
    if beside == version:
        raise ReplayInvalidError(_("Choose two different versions to compare."))
    first = _version(machine, version)
    second = None if beside is None else _version(machine, beside)
    with transaction.atomic():
        # One at a time and machine: whoever holds the machine's row looks and writes.
        Machine.objects.select_for_update().get(pk=machine.pk)
        if Replay.objects.filter(machine=machine, occasion=Replay.Occasion.ASKED, state__in=_UNDER_WAY).exists():
            raise ReplayUnderWayError(_("A back-test of this machine is under way. Wait for it, or stop it."))
        made = replay_make(machine, first, second, from_ms=from_ms, to_ms=to_ms, asked_by=_name(actor))
        audit_record(
            actor=actor,
            action="detector.back_test",
            target=f"machine {machine.key}",
            versions=[number for number in (version, beside) if number is not None],
        )
    return made


def replay_make(
    machine: Machine,
    first: DetectorModel,
    second: DetectorModel | None,
    *,
    from_ms: int,
    to_ms: int,
    asked_by: str = "",
    occasion: str = Replay.Occasion.ASKED,
) -> Replay:
    """Write a back-test down, and forget those of long ago."""
    old = Replay.objects.filter(machine=machine).exclude(state__in=_UNDER_WAY).values_list("pk", flat=True)[_KEPT - 1 :]
    Replay.objects.filter(pk__in=list(old)).delete()
    made: Replay = Replay.objects.create(
        machine=machine,
        first=first,
        second=second,
        from_ms=from_ms,
        to_ms=to_ms,
        asked_by=asked_by[:254],
        occasion=occasion,
    )
    return made


def replay_get(replay_id: int) -> Replay:
    """One back-test. Raises ReplayUnknownError."""
    rows = Replay.objects.select_related("machine__line__site", "first", "second").defer(
        "first__arrays", "second__arrays"
    )
    found = rows.filter(pk=replay_id).first()
    if found is None:
        raise ReplayUnknownError(_("There is no such back-test."))
    return found


def replays_of(machine: Machine) -> QuerySet[Replay]:
    """A machine's back-tests, the newest first, without what they found."""
    rows = Replay.objects.filter(machine=machine).select_related("machine", "first", "second")
    return rows.defer("first__arrays", "second__arrays", "work", "result")


def replays_read(machine: Machine) -> list[Replay]:
    """The same, as many as a page shows."""
    return list(replays_of(machine)[:_KEPT])


def replay_remove(replay: Replay, *, actor: Any) -> None:
    """Stop a back-test that is under way, or forget one. Raises ReplayInvalidError for the comparison of a newcomer."""
    if replay.occasion == Replay.Occasion.CHALLENGE:
        raise ReplayInvalidError(_("What the nightly comparison found is kept."))
    audit_record(actor=actor, action="detector.back_test_removed", target=f"machine {replay.machine.key}")
    Replay.objects.filter(pk=replay.pk).delete()


def replay_step(replay_id: int) -> Replay | None:
    """Carry a back-test on for a few seconds, one worker at a time; None when it is over, gone, or in other hands.

    What was done is kept with the row, so that any worker goes on after a kill. Raises StoreUnavailableError, after
    which it stands where the step before left it.
    """
    with transaction.atomic():
        replay = Replay.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=replay_id).first()
        if replay is None or not replay.under_way:
            return None
        replay.state = Replay.State.RUNNING
        try:
            done = _advance(replay)
        except DetectorDamagedError:
            replay.state, replay.failure, replay.work = Replay.State.FAILED, "version_damaged", {}
            replay.save()
            return replay
        if done:
            replay.state, replay.work, replay.progress = Replay.State.DONE, {}, 1.0
        replay.save()
    return replay


def replays_lost() -> list[int]:
    """Back-tests that no worker has in hand although they are not over: one was killed, or an order was lost.

    Those over late readings begin like this, too: when no more have come for a while, or this one has waited too long.
    """
    now = clock.now()
    late = Q(occasion=Replay.Occasion.LATE, state=Replay.State.WAITING, asked_at__lt=now - _WAITED_FOR)
    rows = Replay.objects.filter(Q(moved_at__lt=now - _LOST_AFTER) | late, state__in=_UNDER_WAY)
    return list(rows.values_list("pk", flat=True))


def replays_undecided() -> list[Replay]:
    """Comparisons of newcomers, and runs over late readings, that are done and came to no outcome."""
    rows = Replay.objects.exclude(occasion=Replay.Occasion.ASKED).filter(state=Replay.State.DONE, outcome="")
    return list(rows.filter(moved_at__lt=clock.now() - _LOST_AFTER))


def replay_told(replay: Replay) -> Told:
    """What a back-test found, beside what was raised in truth and what people say of it by now."""
    raised = _raised(replay)
    known = [known_of(alert) for alert in raised]
    return Told(replay, [_side(replay, version, known) for version in _versions(replay)], raised)


def known_of(alert: Alert) -> Known:
    """An alert as figures want it."""
    ends = None if alert.returned_at is None else ms_of(alert.returned_at)
    return Known(alert.pk, ms_of(alert.since_at), ends, alert.verdict or "unjudged")


def _advance(replay: Replay) -> bool:
    """Pieces, in turn of the versions, until the step is over; True when all is done."""
    runs = {version.pk: _run(replay, version) for version in _versions(replay)}
    raised, begun = limit_factor(replay.machine), clock.monotonic_s()
    while True:
        version = min(_versions(replay), key=lambda row: runs[row.pk].at_ms)
        run = runs[version.pk]
        if run.done:
            break
        detector = detector_load(version.pk)
        replay_piece(run, replay.machine, detector, raised=raised, taught_to_ms=version.manifest["to_ms"])
        # A piece at least, or a slow machine would never come to an end.
        if clock.monotonic_s() - begun >= _STEP_S:
            break
    replay.work = {str(pk): run.to_json() for pk, run in runs.items()}
    whole = (replay.to_ms - replay.from_ms) * len(runs)
    replay.progress = sum(run.at_ms - run.from_ms for run in runs.values()) / whole
    if not all(run.done for run in runs.values()):
        return False
    replay.result = {
        str(pk): {"score": run.score, "episodes": run.episodes, "more": run.more, "scored_ms": run.scored_ms}
        for pk, run in runs.items()
    }
    return True


def _run(replay: Replay, version: DetectorModel) -> Run:
    stored = replay.work.get(str(version.pk))
    return Run(**stored) if stored else Run.begin(replay.from_ms, replay.to_ms)


def _side(replay: Replay, version: DetectorModel, known: Sequence[Known]) -> Side:
    found = replay.result.get(str(version.pk)) or {"score": [], "episodes": [], "scored_ms": 0}
    figures = figures_of(found["episodes"], known, to_ms=replay.to_ms, scored_ms=found["scored_ms"])
    return Side(version, found["score"], found["episodes"], figures)


def _versions(replay: Replay) -> list[DetectorModel]:
    return [replay.first] if replay.second is None else [replay.first, replay.second]


def _raised(replay: Replay) -> list[Alert]:
    begins, ends = instant(replay.from_ms), instant(replay.to_ms)
    rows = Alert.objects.filter(machine=replay.machine, since_at__lt=ends).exclude(cause__in=_NO_DETECTION)
    return [row for row in rows.order_by("since_at") if row.returned_at is None or row.returned_at >= begins]


def _version(machine: Machine, number: int) -> DetectorModel:
    found = DetectorModel.objects.defer("arrays").filter(machine=machine, version=number).first()
    if found is None:
        raise ReplayInvalidError(_("This machine has no version %(number)s.") % {"number": number})
    return found


def _name(actor: Any) -> str:
    return str(getattr(actor, "email", "") or getattr(actor, "name", "") or actor)
