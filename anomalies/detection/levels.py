"""A lasting new level that somebody accepts: a changed recipe, product or season is no fault."""

from django.utils.translation import gettext as _

from anomalies.detection.history import grid_read
from anomalies.detection.registry import DetectorDamagedError, detector_load, models_active
from anomalies.detection.stream import course_anew, course_begin, course_resume
from anomalies.models import HealthStatus, MachineHealth
from common.errors import ConflictError
from telemetry.models import Machine


class LevelUnknownError(ConflictError):
    """There is no detector, or no recent reading, by which the present level could be known."""

    code = "level_unknown"


def level_accept(machine: Machine) -> int:
    """Take what the machine does now for normal; answers from when on (event time, ms). Call it in a transaction.

    Followed levels begin anew where the machine is. What was taught of the old level keeps quiet until enough of the
    new one is known to be taught by it alone. Raises LevelUnknownError, StoreUnavailableError.
    """
    health = MachineHealth.objects.select_for_update().filter(machine=machine).first()
    model = models_active([machine]).get(machine.pk)
    if health is None or model is None or not health.scored_to_ms:
        raise LevelUnknownError(_("This machine has no detector that judges it yet."))
    try:
        detector = detector_load(model.id)
    except DetectorDamagedError as error:
        raise LevelUnknownError(_("This machine's detector is damaged; it will be taught again.")) from error
    now_ms = health.scored_to_ms
    grid = grid_read(machine, detector.metrics, detector.clock, from_ms=now_ms - detector.lookback_ms, to_ms=now_ms)
    if not len(grid):
        raise LevelUnknownError(_("There are no readings to tell the present level by."))
    resumes = health.state.get("model") == model.id and "course" in health.state
    course = course_resume(detector, health.state["course"]) if resumes else course_begin(detector)
    course_anew(detector, course, grid)
    health.state = {**health.state, "model": model.id, "course": course.to_json(), "event": None}
    health.level_from_ms = now_ms
    if not health.state.get("checks"):
        health.status = HealthStatus.NORMAL
    health.save(update_fields=["state", "level_from_ms", "status", "updated_at"])
    return now_ms


def level_accepted_ms(machine: Machine) -> int | None:
    """Since when (event time, ms) the machine is as somebody accepted; None where nobody did."""
    return MachineHealth.objects.filter(machine=machine).values_list("level_from_ms", flat=True).first()
