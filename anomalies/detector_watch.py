"""Detectors, carried over what is new: many machines a call, read, judged and kept together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import prefetch_related_objects

from anomalies.detection.live import CATCH_UP_MS, Asked, Judged, machines_score
from anomalies.detection.registry import ActiveModel, DetectorDamagedError, model_distrust
from anomalies.detection.score import THRESHOLD
from anomalies.detector_telling import anomaly_tell, checks_found, checks_tell
from anomalies.health import (
    health_judge,
    health_learning,
    health_moved,
    health_publish,
    health_shown,
    health_unknown,
)
from anomalies.models import DetectorModel, HealthStatus, MachineHealth
from common import clock
from telemetry.models import Machine

_log = structlog.get_logger(__name__)

# Machines of one call and one transaction, and how many new cells they may have: what they tell is told when the last
# of them is judged, and what was done before a kill is kept. Judging so many takes about a second.
_TOGETHER, _NEW_CELLS = 200, 4_000
_KEEP = """
UPDATE anomalies_machinehealth AS h SET
    status = n.status, learning_progress = n.learned, score = n.score, threshold = n.threshold,
    health_percent = n.percent, scored_to_ms = n.scored_to_ms, state = n.state::jsonb, damage = n.damage,
    unsettled = n.unsettled::jsonb, updated_at = %s
FROM unnest(
    %s::bigint[], %s::text[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::bigint[], %s::text[],
    %s::text[], %s::text[]
) AS n (machine, status, learned, score, threshold, percent, scored_to_ms, state, damage, unsettled)
WHERE h.machine_id = n.machine
"""

Outcome = Judged | Exception | None
_Row = tuple[Any, ...]


def detectors_watch(machines: Sequence[Machine], models: Mapping[int, ActiveModel]) -> None:
    """Carry the detectors of machines forward; models: the one that judges each of them, by machine id.

    A machine that another worker has in hand just now is left to it. What is wrong with one machine is told at it, and
    stops no other. Raises StoreUnavailableError, after which another run begins where this one stood.
    """
    ordered = sorted(machines, key=lambda machine: machine.pk)
    prefetch_related_objects(ordered, "metrics")
    for batch in _batches(ordered, models):
        _watch(batch, models)


def _batches(machines: Sequence[Machine], models: Mapping[int, ActiveModel]) -> Iterator[list[Machine]]:
    rows = MachineHealth.objects.filter(machine__in=machines).values_list("machine_id", "scored_to_ms")
    scored, now_ms = dict(rows), clock.now_ms()
    batch: list[Machine] = []
    cells = 0
    for machine in machines:
        model = models[machine.pk]
        behind_ms = now_ms - max(scored.get(machine.pk, 0), model.taught_to_ms)
        new = min(max(behind_ms, 0), CATCH_UP_MS) // model.step_ms
        if batch and (len(batch) == _TOGETHER or cells + new > _NEW_CELLS):
            yield batch
            batch, cells = [], 0
        batch.append(machine)
        cells += new
    if batch:
        yield batch


def _watch(machines: Sequence[Machine], models: Mapping[int, ActiveModel]) -> None:
    with transaction.atomic():
        taken = _in_hand([models[machine.pk].id for machine in machines])
        mine = [machine for machine in machines if models[machine.pk].id in taken]
        before = _healths(mine)
        asked = [
            Asked(machine, models[machine.pk], health.scored_to_ms, health.state, health.limit_factor)
            for machine in mine
            if (health := before.get(machine.pk)) is not None
        ]
        _keep(asked, machines_score(asked), before)


def _in_hand(models: Sequence[int]) -> set[int]:
    """The models that no other worker is at; nor is any until the transaction ends.

    Health is locked only to be written: rules, which wait for it, would wait for as long as judging takes.
    """
    rows = DetectorModel.objects.filter(pk__in=models)
    free = rows.order_by("pk").select_for_update(skip_locked=True, no_key=True)
    taken = set(free.values_list("pk", flat=True))
    if len(taken) == len(models):
        return taken
    # One that is gone is nobody's: its machine is told so.
    return taken | (set(models) - set(rows.values_list("pk", flat=True)))


def _healths(machines: Sequence[Machine]) -> dict[int, MachineHealth]:
    rows = MachineHealth.objects.filter(machine__in=machines)
    found = {health.machine_id: health for health in rows}
    missing = [MachineHealth(machine=machine) for machine in machines if machine.pk not in found]
    if missing:
        MachineHealth.objects.bulk_create(missing, ignore_conflicts=True)
        found = {health.machine_id: health for health in rows.all()}
    return found


def _keep(asked: Sequence[Asked], outcomes: Sequence[Outcome], before: Mapping[int, MachineHealth]) -> None:
    """Tell what was found and keep where each stream stands, in one statement for all.

    What somebody changed meanwhile (a new level accepted, say) stands: such a machine is judged anew by the next run.
    """
    # In one order everywhere, so that two workers never wait for each other.
    rows = MachineHealth.objects.select_for_update(skip_locked=True).order_by("machine_id")
    locked = {health.machine_id: health for health in rows.filter(machine__in=[each.machine for each in asked])}
    kept: list[_Row] = []
    for each, outcome in zip(asked, outcomes, strict=True):
        health = locked.get(each.machine.pk)
        if health is None or _standing(health) != _standing(before[each.machine.pk]):
            continue
        was = _row(health)
        row = _carried(each, health, outcome)
        if row != was:
            kept.append(row)
    if kept:
        with connection.cursor() as cursor:
            cursor.execute(_KEEP, [clock.now(), *map(list, zip(*kept, strict=True))])


def _standing(health: MachineHealth) -> tuple[Any, ...]:
    """What a verdict was made from; rules keep theirs beside it and go on meanwhile."""
    state = {name: part for name, part in health.state.items() if name != "rules"}
    return health.scored_to_ms, health.level_from_ms, health.limit_factor, state


def _carried(asked: Asked, health: MachineHealth, outcome: Outcome) -> _Row:
    """The machine's row after an outcome, which is told; one that can't be told is as one that can't be judged."""
    shown = health_shown(health)
    try:
        _take(asked, health, outcome)
        row = _row(health)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  # one machine's edge, inside a savepoint: the others go on
        health.refresh_from_db()
        _stumble(asked, health, error)
        row = _row(health)
    if health_moved(shown, health):
        health_publish(asked.machine, health)
    return row


def _take(asked: Asked, health: MachineHealth, outcome: Outcome) -> None:
    if isinstance(outcome, DetectorDamagedError):
        # Rules go on; here nothing judges until the next training, and the machine's page says so.
        model_distrust(asked.model.id)
        health.damage = str(outcome)[:200]
        health_learning(health)
        return
    if isinstance(outcome, Exception):
        _stumble(asked, health, outcome)
        return
    health.learning_progress, health.threshold, health.damage, health.unsettled = 1.0, THRESHOLD, "", []
    if outcome is not None:
        _judged(asked, health, outcome)
    elif health.status == HealthStatus.LEARNING:
        health.status = HealthStatus.NORMAL


def _judged(asked: Asked, health: MachineHealth, judged: Judged) -> None:
    machine, state = asked.machine, health.state
    metrics = {metric.name: metric for metric in machine.metrics.all()}
    found, before, told_ms = checks_found(machine, judged, metrics), state.get("checks", []), state.get("told_ms", 0)
    if judged.decisions or judged.active or found or before:
        # A savepoint: what can't be told of this machine is undone, and nothing else.
        with transaction.atomic():
            told_ms = anomaly_tell(machine, asked.model, judged, metrics, told_ms=told_ms)
            checks_tell(machine, judged, found, before=before)
    health.scored_to_ms = judged.scored_to_ms
    health_judge(health, judged, wrong=bool(found))
    health.state = {**judged.state, "rules": state.get("rules", {}), "told_ms": told_ms, "checks": sorted(found)}


def _stumble(asked: Asked, health: MachineHealth, error: Exception) -> None:
    """Nothing is kept of what could not be judged: the next run tries again from where the stream stood."""
    _log.error("machine_not_judged", machine=asked.machine.key, model=asked.model.version, exc_info=error)
    health_unknown(health)


def _row(health: MachineHealth) -> _Row:
    """As `_KEEP` writes it. Raises ValueError for a figure that JSON can't keep."""
    return (
        health.machine_id,
        str(health.status),
        health.learning_progress,
        health.score,
        health.threshold,
        health.health_percent,
        health.scored_to_ms,
        json.dumps(health.state, allow_nan=False),
        health.damage,
        json.dumps(health.unsettled),
    )
