"""A newcomer beside the version that judges: compared over the last days, then taken, proposed, or left."""

from dataclasses import asdict

import structlog
from django.db import transaction

from accounts.audit import audit_record
from anomalies.detector_figures import criteria
from anomalies.detector_replays import DAY_MS, replay_make, replay_told
from anomalies.models import DetectorModel, Replay
from telemetry.models import Machine

_log = structlog.get_logger(__name__)

_COMPARED_DAYS = 3


def challenge_begin(machine: Machine, newcomer: DetectorModel) -> Replay | None:
    """Have a newcomer compared with the version that judges; None where none does, or a comparison is under way."""
    champion = DetectorModel.objects.defer("arrays").filter(machine=machine, active=True).first()
    waiting = Replay.objects.filter(
        machine=machine, occasion=Replay.Occasion.CHALLENGE, state__in=(Replay.State.WAITING, Replay.State.RUNNING)
    )
    if champion is None or champion.pk == newcomer.pk or waiting.exists():
        return None
    to_ms = newcomer.manifest["to_ms"]
    return replay_make(
        machine,
        champion,
        newcomer,
        from_ms=to_ms - _COMPARED_DAYS * DAY_MS,
        to_ms=to_ms,
        asked_by="system",
        occasion=Replay.Occasion.CHALLENGE,
    )


def challenge_decide(replay: Replay) -> str:
    """Let the newcomer judge when it is not worse, or propose it where the present version is pinned; the outcome.

    Both figures, and which demand was not kept, stay with the comparison; a promotion is in the audit trail.
    """
    with transaction.atomic():
        # In the order in which people activate versions, so that nobody waits for the other.
        rows = list(
            DetectorModel.objects.select_for_update().filter(machine=replay.machine).order_by("pk").defer("arrays")
        )
        active = next((row for row in rows if row.active), None)
        first, second = replay_told(replay).sides
        demands = criteria(first.figures, second.figures)
        if active is None or active.pk != replay.first_id:
            outcome = Replay.Outcome.OVERTAKEN
        elif not all(demand.holds for demand in demands):
            outcome = Replay.Outcome.WORSE
        elif active.pinned:
            outcome = Replay.Outcome.PROPOSED
        else:
            outcome = Replay.Outcome.PROMOTED
            _promote(replay)
        replay.outcome = outcome
        replay.result = {**replay.result, "criteria": [asdict(demand) for demand in demands]}
        replay.save()
    _log.info(
        "detector_challenged",
        machine=replay.machine.key,
        champion=first.version.version,
        newcomer=second.version.version,
        outcome=outcome.value,
    )
    return str(outcome)


def _promote(replay: Replay) -> None:
    DetectorModel.objects.filter(machine=replay.machine, active=True).update(active=False)
    DetectorModel.objects.filter(machine=replay.machine, pk__in=[replay.second_id]).update(active=True)
    audit_record(
        actor="system",
        action="detector.promote",
        target=f"machine {replay.machine.key}",
        before={"version": replay.first.version},
        after={"version": replay.second.version if replay.second else None},
        comparison=replay.pk,
    )
