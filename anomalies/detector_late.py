"""Readings that came late, judged by detectors as well: the stretch is run again, and what was missed is told.

A detector follows its machine forward and is not taken back. The run is that of a back-test (`detector_replays`): in
steps, in a worker, over a kill. What it finds where nothing was told becomes an alert, marked as told afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import structlog
from django.db import transaction

from anomalies.alerts.finding import Finding
from anomalies.alerts.opening import DETECTOR
from anomalies.alerts.retroactive import late_raise
from anomalies.detection.explain import Carrier, Event
from anomalies.detection.features import Aspect
from anomalies.detection.registry import ActiveModel
from anomalies.detection.train import alert_stretches
from anomalies.detector_replays import DAY_MS, DAYS_MOST, replay_make
from anomalies.detector_telling import event_finding
from anomalies.models import DetectorModel, LateReadings, MachineHealth, Replay
from common.times import from_ms
from telemetry.models import Machine

_log = structlog.get_logger(__name__)

# The run begins so far before the late readings: what they tell may have begun a little earlier.
_BEFORE_MS = 10 * 60_000
_KEPT = 3

Stretch = tuple[int, int | None]


def late_notice(machines: Iterable[Machine], models: Mapping[int, ActiveModel]) -> None:
    """Note which detectors should look at the past again; before rules have looked and the notes are forgotten.

    What has come late, but not behind where the machine's stream stands, is still to be judged in its turn. Notes of
    the same machine are one run, which waits for a while until no more come.
    """
    notes = dict(LateReadings.objects.values_list("machine_id", "from_ms"))
    if not notes:
        return
    healths = {health.machine_id: health for health in MachineHealth.objects.filter(machine__in=list(notes))}
    for machine in machines:
        health = healths.get(machine.pk)
        if health is not None and notes[machine.pk] < health.scored_to_ms:
            _ask(machine, models[machine.pk], health, late_ms=notes[machine.pk])


def _ask(machine: Machine, model: ActiveModel, health: MachineHealth, *, late_ms: int) -> None:
    begin, end = _calm_begin(late_ms - _BEFORE_MS, alert_stretches(machine, cause=DETECTOR)), health.scored_to_ms
    begin = max(begin, end - DAYS_MOST * DAY_MS)
    if health.level_from_ms is not None and model.taught_from_ms < health.level_from_ms:
        # The version knows nothing of the level that was accepted since.
        end = min(end, health.level_from_ms)
    if begin >= end:
        return
    with transaction.atomic():
        # In a worker's hands it runs already: what is later than its begin may not be seen any more.
        waiting = Replay.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            machine=machine, occasion=Replay.Occasion.LATE, state=Replay.State.WAITING, first_id=model.id
        )
        replay = waiting.first()
        if replay is None:
            _forget(machine)
            version = DetectorModel.objects.defer("arrays").get(pk=model.id)
            replay_make(
                machine, version, None, from_ms=begin, to_ms=end, asked_by="system", occasion=Replay.Occasion.LATE
            )
            return
        replay.from_ms, replay.to_ms = min(replay.from_ms, begin), max(replay.to_ms, end)
        replay.save(update_fields=["from_ms", "to_ms", "moved_at"])


def _forget(machine: Machine) -> None:
    """A machine whose readings often come late would push out what people asked for."""
    told = Replay.objects.filter(machine=machine, occasion=Replay.Occasion.LATE, outcome=Replay.Outcome.TOLD)
    told.filter(pk__in=list(told.values_list("pk", flat=True)[_KEPT:])).delete()


def _calm_begin(begin: int, stretches: Sequence[Stretch]) -> int:
    """Before what was wrong at `begin`: a run that began in the middle of it would take that for the usual level.

    >>> _calm_begin(5_000_000, [(4_900_000, None), (4_000_000, 4_500_000)])
    3400000
    """
    for since, until in sorted(stretches, key=itemgetter(0), reverse=True):
        if since - _BEFORE_MS <= begin and (until is None or begin < until + _BEFORE_MS):
            begin = min(begin, since - _BEFORE_MS)
    return begin


def late_tell(replay: Replay) -> int:
    """Tell what a finished run over late readings has found and nobody was told; the number of events, once.

    What meets an alert of the detector that is known is known; what leaves less than ten minutes to it belongs to it
    (`alerts.retroactive`).
    """
    with transaction.atomic():
        rows = Replay.objects.select_for_update(of=("self",)).select_related("machine__line__site", "first")
        found = rows.defer("first__arrays").filter(pk=replay.pk, outcome="").first()
        if found is None:
            return 0
        told = alert_stretches(found.machine, cause=DETECTOR)
        episodes = found.result.get(str(found.first_id), {}).get("episodes", [])
        news = [each for each in episodes if not any(_meets(each, stretch, found.to_ms) for stretch in told)]
        for episode in news:
            over_ms = found.to_ms if episode["to_ms"] is None else episode["to_ms"]
            late_raise(_finding(found, episode), over_at=from_ms(over_ms))
        found.outcome = Replay.Outcome.TOLD
        found.save(update_fields=["outcome", "moved_at"])
    _log.info("late_readings_judged", machine=found.machine.key, events=len(episodes), told=len(news))
    return len(news)


def _meets(episode: Mapping[str, Any], stretch: Stretch, end_ms: int) -> bool:
    since, until = stretch
    over = end_ms if episode["to_ms"] is None else episode["to_ms"]
    return over >= since and (until is None or episode["since_ms"] <= until)


def _finding(replay: Replay, episode: Mapping[str, Any]) -> Finding:
    metrics = {metric.name: metric for metric in replay.machine.metrics.all()}
    event = Event(
        since_ms=episode["since_ms"],
        found_ms=episode["told_ms"],
        peak=episode["peak"],
        carriers=[_carrier(part) for part in episode["metrics"]],
    )
    return event_finding(replay.machine, event, version=replay.first.version, metrics=metrics)


def _carrier(part: Mapping[str, Any]) -> Carrier:
    """A carrier as a run has kept it."""
    observed, low, high = (float("nan") if x is None else float(x) for x in (part["observed"], *part["expected"]))
    return Carrier(part["metric"], part["share"], observed, low, high, Aspect(part["aspect"]))
