"""Teaching a machine's detector from its own history, when there is enough and nothing is wrong."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import structlog
from django.db import IntegrityError

from anomalies.alerts.stretches import stretches_of
from anomalies.detection.detector import (
    ENOUGH_CELLS,
    ENOUGH_SPAN_MS,
    NotEnoughDataError,
    detector_fit,
    learning_progress,
)
from anomalies.detection.grid import SMALLEST_STEP_MS, Clock, Grid
from anomalies.detection.history import DAY_MS, HOUR_MS, clock_read, grid_read, history_known, window_ms
from anomalies.detection.levels import level_accepted_ms
from anomalies.detection.metric_roles import roles_judged
from anomalies.detection.registry import ActiveModel, model_save
from anomalies.detection.roles import Role
from anomalies.detection.settled import Settled, from_row, settled_part
from anomalies.models import Alert, AlertEvent, AlertState, DetectorModel, HealthStatus, MachineHealth
from common.times import to_ms as ms_of
from telemetry.models import Machine

_log = structlog.get_logger(__name__)

# A young model knows little of the day: it is taught again each time its history has grown by half, at least every two
# hours, until it has seen a whole day; then once a day.
_GROWN_BY = 0.5
_YOUNG_EVERY_MS = 2 * HOUR_MS
_WHOLE_DAY = 0.95
_NIGHTLY_MS, _AT_LATEST_MS = 20 * HOUR_MS, 36 * HOUR_MS
# What led up to an alert is as suspect as the alert itself.
_BEFORE_ALERT_MS = 10 * 60_000
# Windows that reach over the beginning of a new level are not used, so a little more than enough is waited for.
_ENOUGH_ANEW = 1.1
_SILENCE = "silence"
# A machine that never settles must not go unwatched: with so many times enough it is taught as it is.
_WAITED_FOR, _MOST_OF_WINDOW = 3, 0.9
_UNSETTLED_MOST = 0.99


def training_due(
    active: ActiveModel | None,
    *,
    newest_ms: int,
    level_from_ms: int | None = None,
    step_ms: int = SMALLEST_STEP_MS,
    at_night: bool = True,
) -> bool:
    """Whether a machine with readings up to `newest_ms` should be taught again; without a model it always should.

    level_from_ms: since when its present level was accepted; a model of before is replaced as soon as there is enough.
    at_night: whether it is night at the plant. A grown model waits for it, unless none comes (no worker ran then).
    """
    if active is None:
        return True
    if level_from_ms is not None and active.taught_from_ms < level_from_ms:
        return newest_ms - level_from_ms >= _ENOUGH_ANEW * max(ENOUGH_SPAN_MS, ENOUGH_CELLS * step_ms)
    age_ms = newest_ms - active.taught_to_ms
    if active.taught_ms >= _WHOLE_DAY * DAY_MS:
        return age_ms >= (_NIGHTLY_MS if at_night else _AT_LATEST_MS)
    return age_ms >= min(_GROWN_BY * active.taught_ms, _YOUNG_EVERY_MS)


def machine_learn(machine: Machine, *, newest_ms: int) -> DetectorModel | None:
    """Teach the machine's detector by the day before `newest_ms`; None when there is too little or something is wrong.

    While an alert is active nothing is learnt, and stretches in which one was are left out, as is all before a level
    that was accepted as normal, or before the machine had settled. One that has not settled yet waits, for a while. A
    version that has seen a whole day, or was pinned, goes on judging: the newcomer is kept beside it until both were
    compared. Raises StoreUnavailableError.
    """
    roles = roles_judged(machine.metrics.select_related("role_chosen"))
    metrics = list(roles)
    if not metrics or _something_is_wrong(machine):
        return None
    clock, settled_ms = clock_read(machine, metrics, to_ms=newest_ms), _settled_from_ms(machine)
    begin_ms = max(newest_ms - window_ms(clock), level_accepted_ms(machine) or 0, settled_ms)
    grid = grid_read(machine, metrics, clock, from_ms=begin_ms, to_ms=newest_ms)
    if not len(grid):
        return None
    _blank_alerts(machine, grid)
    settled = _settled(grid) if _warms_up(machine) else Settled(0)
    _note_moving(machine, settled.moving if settled.start is None else ())
    if settled.start is None:
        _log.info("detector_waits_for_levels", machine=machine.key, moving=list(settled.moving))
        return None
    grid = from_row(grid, settled.start)
    settling = {"from_ms": int(grid.t_ms[0]) if settled.start else settled_ms, "moving": list(settled.moving)}
    return _taught(machine, grid, clock, roles=roles, settling=settling)


def _taught(
    machine: Machine, grid: Grid, clock: Clock, *, roles: Mapping[str, Role], settling: Mapping[str, Any]
) -> DetectorModel | None:
    seed = machine.pk
    try:
        detector = detector_fit(grid, clock, seed=seed, roles=roles)
        model = model_save(
            machine,
            detector,
            from_ms=int(grid.t_ms[0]),
            to_ms=int(grid.t_ms[-1]) + grid.step_ms,
            cells=len(grid),
            data_sha256=hashlib.sha256(np.ascontiguousarray(grid.level).tobytes()).hexdigest(),
            seed=seed,
            roles=roles,
            settling=settling,
            active=not stands_until_compared(machine),
        )
    except NotEnoughDataError as error:
        _log.info("detector_not_taught", machine=machine.key, reason=str(error))
        return None
    except IntegrityError:
        # Another worker taught the same machine at the same time; its version stands.
        _log.info("detector_taught_elsewhere", machine=machine.key)
        return None
    _log.info("detector_taught", machine=machine.key, version=model.version, cells=len(grid))
    return model


def stands_until_compared(machine: Machine) -> bool:
    """Whether the version that judges is replaced only after a comparison: it is grown or pinned, and of this level."""
    model = DetectorModel.objects.defer("arrays").filter(machine=machine, active=True).first()
    if model is None or model.manifest["from_ms"] < (level_accepted_ms(machine) or 0):
        return False
    return bool(model.pinned or model.manifest["taught_ms"] >= _WHOLE_DAY * DAY_MS)


def _settled_from_ms(machine: Machine) -> int:
    """Before when (event time, ms) the machine had not settled, as its newest version knows: nothing teaches; or 0."""
    rows = DetectorModel.objects.filter(machine=machine).order_by("-version").values_list("manifest__settling__from_ms")
    return next((int(found or 0) for (found,) in rows[:1]), 0)


def _warms_up(machine: Machine) -> bool:
    """Whether no version knows the machine's present level yet; the others are taught again as they grow, unasked."""
    rows = DetectorModel.objects.filter(machine=machine, active=True).values_list("manifest__from_ms", flat=True)
    begins_ms = rows.first()
    return begins_ms is None or begins_ms < (level_accepted_ms(machine) or 0)


def _settled(grid: Grid) -> Settled:
    # Of a machine that reports seldom the window never holds three times enough: most of it will do.
    window = window_ms(Clock(grid.step_ms, {})) // grid.step_ms
    bound = min(_WAITED_FOR * ENOUGH_CELLS, int(_MOST_OF_WINDOW * window))
    return settled_part(grid, enough=ENOUGH_CELLS, bound=bound)


def _note_moving(machine: Machine, metrics: Sequence[str]) -> None:
    """Keep with its health which levels still move, so that pages say why it goes on learning."""
    MachineHealth.objects.filter(machine=machine).update(unsettled=list(metrics))


def progress_measure(machine: Machine, *, newest_ms: int) -> float:
    """How far a machine without a model is in its learning, 0 to 1; kept with its health.

    One that has sent enough but has not settled yet is not shown as done.
    """
    metrics = list(roles_judged(machine.metrics.select_related("role_chosen")))
    progress = 0.0
    if metrics:
        clock = clock_read(machine, metrics, to_ms=newest_ms)
        cells, span_ms = history_known(machine, metrics, clock, to_ms=newest_ms)
        progress = learning_progress(cells=cells, span_ms=span_ms)
    health, _ = MachineHealth.objects.get_or_create(machine=machine)
    shown = min(progress, _UNSETTLED_MOST) if health.unsettled else progress
    MachineHealth.objects.filter(machine=machine).exclude(status=HealthStatus.NO_DATA).update(
        status=HealthStatus.LEARNING, learning_progress=shown, score=None, threshold=None, health_percent=None
    )
    return progress


def _something_is_wrong(machine: Machine) -> bool:
    active = (AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.ACTIVE_ACKNOWLEDGED)
    return (
        Alert.objects.filter(machine=machine, state__in=active).exclude(cause=_SILENCE).exists()
        or MachineHealth.objects.filter(machine=machine, status=HealthStatus.ANOMALOUS).exists()
    )


def _blank_alerts(machine: Machine, grid: Grid) -> None:
    """Make gaps of every stretch in which an alert was active: it is not what the machine is like when well."""
    for begins_ms, ends_ms in alert_stretches(machine):
        ends = int(grid.t_ms[-1]) if ends_ms is None else ends_ms
        rows = (grid.t_ms >= begins_ms - _BEFORE_ALERT_MS) & (grid.t_ms <= ends)
        for part in (grid.level, grid.low, grid.high, grid.spread):
            part[rows] = np.nan


def alert_stretches(machine: Machine, *, cause: str | None = None) -> list[tuple[int, int | None]]:
    """(from_ms, to_ms) of every stretch in which an alert was active; to_ms is None for one that still lasts.

    cause: of that one alone.

    From the timelines, because an alert that came back before anybody acknowledged it has several, and late readings
    may have told of more.
    """
    asked = {"alert__machine": machine} | ({} if cause is None else {"alert__cause": cause})
    events = (
        AlertEvent.objects.filter(**asked)
        .exclude(alert__cause=_SILENCE)
        .order_by("alert_id", "pk")
        .values_list("alert_id", "kind", "event_at")
    )
    found: list[tuple[int, int | None]] = []
    for _alert, own in groupby(events, key=itemgetter(0)):
        found += stretches_of((kind, ms_of(at)) for _, kind, at in own if at is not None)
    return found
