"""A machine's detector for people: its state, its versions, one taken up again, and teaching it now."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from anomalies.detection.registry import DetectorDamagedError, detector_load
from anomalies.detection.steering import WANTED_PER_WEEK, Realised, realised_measure
from anomalies.models import DetectorModel, LimitStep, MachineHealth
from common import clock
from common.errors import ConflictError, NotFoundError
from common.times import from_ms
from telemetry.models import Machine

# A teaching that a killed worker left behind is forgotten after this long.
_TEACHING_S = 300
_RESULT_S = 3_600
_SHOWN_VERSIONS, _SHOWN_STEPS = 20, 10


class VersionUnknownError(NotFoundError):
    """No version of that number in this factory."""

    code = "version_not_found"


class VersionDamagedError(ConflictError):
    """What is stored of the version can't be trusted."""

    code = "version_damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """What a page tells of a machine's detector.

    teaching_since: while a worker teaches; refused: whether the last teaching asked for came to nothing.
    """

    machine: Machine
    health: MachineHealth | None
    versions: list[DetectorModel]
    realised: Realised
    wanted_per_week: float
    factor: float
    steps: list[LimitStep]
    level_from: datetime | None
    teaching_since: datetime | None
    refused: bool

    @property
    def active(self) -> DetectorModel | None:
        """The version that judges."""
        return next((version for version in self.versions if version.active), None)

    @property
    def moving(self) -> list[str]:
        """The metrics whose level still moves: why a machine with enough history goes on learning."""
        return list(self.health.unsettled) if self.health and self.active is None else []

    @property
    def taught_moving(self) -> list[str]:
        """The metrics whose level moved while the version that judges was taught: it was waited for long enough."""
        return list(self.active.manifest.get("settling", {}).get("moving", [])) if self.active else []

    @property
    def learned(self) -> float:
        """0 to 1."""
        if self.active is not None:
            return 1.0
        return self.health.learning_progress if self.health else 0.0


def detector_state(machine: Machine) -> DetectorState:
    """The state of a machine's detector, without its arrays."""
    health = MachineHealth.objects.defer("state").filter(machine=machine).first()
    versions = list(DetectorModel.objects.defer("arrays").filter(machine=machine)[:_SHOWN_VERSIONS])
    active = DetectorModel.objects.defer("arrays").filter(machine=machine, active=True).first()
    if active is not None and all(version.pk != active.pk for version in versions):
        versions.append(active)
    level_ms = health.level_from_ms if health else None
    return DetectorState(
        machine=machine,
        health=health,
        versions=versions,
        realised=realised_measure(machine),
        wanted_per_week=WANTED_PER_WEEK,
        factor=health.limit_factor if health else 1.0,
        steps=list(LimitStep.objects.filter(machine=machine)[:_SHOWN_STEPS]),
        level_from=None if level_ms is None else from_ms(level_ms),
        teaching_since=cache.get(_teaching(machine.pk)),
        refused=cache.get(_result(machine.pk)) is False,
    )


def version_activate(version_id: int, *, actor: Any) -> DetectorModel:
    """Let a version judge its machine, in place of the one that does. Raises VersionUnknownError, VersionDamagedError.

    An older version than the newest is pinned: the nightly teaching only proposes newer ones until somebody lets go of
    it (`version_unpin`), or takes the newest.
    """
    version = DetectorModel.objects.select_related("machine").defer("arrays").filter(pk=version_id).first()
    if version is None:
        raise VersionUnknownError(_("There is no such version."))
    try:
        detector_load(version.pk)
    except DetectorDamagedError as error:
        raise VersionDamagedError(_("This version is damaged and can't be used.")) from error
    with transaction.atomic():
        # In one order everywhere: whoever holds the machine's versions first decides.
        rows = DetectorModel.objects.select_for_update().filter(machine=version.machine).order_by("pk")
        kept = list(rows.defer("arrays"))
        before = next((row.version for row in kept if row.active), None)
        if before == version.version:
            return version
        pinned = any(row.version > version.version for row in kept)
        DetectorModel.objects.filter(machine=version.machine).update(active=False, pinned=False)
        DetectorModel.objects.filter(pk=version.pk).update(active=True, pinned=pinned)
        version.active, version.pinned = True, pinned
        audit_record(
            actor=actor,
            action="detector.activate",
            target=f"machine {version.machine.key}",
            before={"version": before},
            after={"version": version.version, "pinned": pinned},
        )
    return version


def version_unpin(version_id: int, *, actor: Any) -> DetectorModel:
    """Let the nightly comparison replace a version again. Raises VersionUnknownError."""
    with transaction.atomic():
        rows = DetectorModel.objects.select_for_update(of=("self",)).select_related("machine").defer("arrays")
        version = rows.filter(pk=version_id).first()
        if version is None:
            raise VersionUnknownError(_("There is no such version."))
        if version.pinned:
            version.pinned = False
            version.save(update_fields=["pinned"])
            audit_record(
                actor=actor,
                action="detector.unpin",
                target=f"machine {version.machine.key}",
                before={"pinned": version.version},
                after={"pinned": None},
            )
    return version


def teaching_ask(machine: Machine, *, actor: Any) -> bool:
    """Note that somebody wants the machine taught now; False where that is under way already."""
    if not cache.add(_teaching(machine.pk), clock.now(), timeout=_TEACHING_S):
        return False
    cache.delete(_result(machine.pk))
    audit_record(actor=actor, action="detector.teach", target=f"machine {machine.key}")
    return True


def teaching_done(machine_id: int, *, taught: bool) -> None:
    """Tell whoever asked that the teaching is over, and whether it made a version."""
    if cache.get(_teaching(machine_id)) is not None:
        cache.set(_result(machine_id), taught, timeout=_RESULT_S)
        cache.delete(_teaching(machine_id))


def _teaching(machine_id: int) -> str:
    return f"teaching-asked.{machine_id}"


def _result(machine_id: int) -> str:
    return f"teaching-result.{machine_id}"
