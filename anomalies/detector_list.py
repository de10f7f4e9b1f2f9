"""Every machine's detector in a row: whether it judges yet, how often it was wrong, and what waits for a person."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from anomalies.detection.steering import WANTED_PER_WEEK, Realised, realised_of
from anomalies.models import DetectorModel, HealthStatus, MachineHealth, Replay
from telemetry.models import Machine


class Standing(StrEnum):
    """What a machine's detector does now.

    damaged: what is stored of it can't be trusted. settling: enough was seen, and a level still moves. waiting: it
    would judge, and the machine says nothing.
    """

    DAMAGED = "damaged"
    SETTLING = "settling"
    LEARNING = "learning"
    WAITING = "waiting"
    JUDGING = "judging"


_RANK = {standing: rank for rank, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRow:
    """One machine's detector. learned: 0 to 1. proposed: a newcomer waits, as the version that judges is pinned."""

    machine: Machine
    standing: Standing
    learned: float
    moving: tuple[str, ...]
    version: DetectorModel | None
    limit_factor: float
    realised: Realised
    proposed: bool

    @property
    def too_many(self) -> bool:
        """Whether it raises more false alarms than is wanted."""
        return (self.realised.per_week or 0.0) > WANTED_PER_WEEK

    @property
    def wants_somebody(self) -> bool:
        """Whether a person should look at it."""
        return self.standing is Standing.DAMAGED or self.too_many or self.proposed

    @property
    def word(self) -> str:
        """What it does, in a word."""
        return {
            Standing.DAMAGED: _("Damaged"),
            Standing.SETTLING: _("Not settled yet"),
            Standing.LEARNING: _("Learning"),
            Standing.WAITING: _("No readings"),
            Standing.JUDGING: _("Judges"),
        }[self.standing]


def detectors_read() -> list[DetectorRow]:
    """Every detector of the factory that the asker may see; what wants somebody first. In seven queries."""
    machines = list(Machine.objects.select_related("line__site", "health").defer("health__state"))
    rows = DetectorModel.objects.filter(active=True).defer("arrays")
    versions = {version.machine_id: version for version in rows}
    waiting = Replay.objects.filter(
        occasion=Replay.Occasion.CHALLENGE, outcome=Replay.Outcome.PROPOSED, first__active=True
    )
    proposed, realised = set(waiting.values_list("machine_id", flat=True)), realised_of(machines)
    found = [
        _row(machine, versions.get(machine.pk), realised[machine.pk], proposed=machine.pk in proposed)
        for machine in machines
    ]
    return sorted(found, key=lambda row: (not row.wants_somebody, _RANK[row.standing], row.machine.key))


def _row(machine: Machine, version: DetectorModel | None, realised: Realised, *, proposed: bool) -> DetectorRow:
    health: MachineHealth | None = getattr(machine, "health", None)
    standing = _standing(health, version)
    return DetectorRow(
        machine=machine,
        standing=standing,
        learned=1.0 if version is not None else health.learning_progress if health else 0.0,
        moving=tuple(health.unsettled) if health and standing is Standing.SETTLING else (),
        version=version,
        limit_factor=health.limit_factor if health else 1.0,
        realised=realised,
        proposed=proposed,
    )


def _standing(health: MachineHealth | None, version: DetectorModel | None) -> Standing:
    if health is not None and health.damage:
        return Standing.DAMAGED
    if version is None:
        return Standing.SETTLING if health is not None and health.unsettled else Standing.LEARNING
    return Standing.WAITING if health is not None and health.status == HealthStatus.NO_DATA else Standing.JUDGING
