"""The roles of a machine's metrics: inferred, or as a person chose them; the next teaching uses them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from anomalies.detection.roles import JUDGED, Guess, Role, role_guess
from anomalies.models import MetricRole
from common.errors import InvalidInputError
from telemetry.models import Machine, Metric

_PIECE = 500


class RoleInvalidError(InvalidInputError):
    """No such role, or no such metric of this machine."""

    code = "role_invalid"


@dataclass(frozen=True, slots=True)
class RoleOf:
    """One metric's role: what is inferred, and what a person chose instead (None: nothing)."""

    metric: Metric
    inferred: Guess
    chosen: MetricRole | None

    @property
    def role(self) -> Role:
        """The one that counts."""
        return self.inferred.role if self.chosen is None else Role(self.chosen.role)


def role_of(metric: Metric) -> RoleOf:
    """One metric's role; a query where `role_chosen` was not fetched along."""
    guess = role_guess(metric.name, metric.kind, confidence=metric.confidence, confirmed=metric.confirmed)
    # A one-to-one that is not there raises an AttributeError of its own.
    return RoleOf(metric, guess, getattr(metric, "role_chosen", None))


def roles_read(machine: Machine) -> list[RoleOf]:
    """The roles of all its metrics, by name; one query."""
    return [role_of(metric) for metric in machine.metrics.select_related("role_chosen").order_by("name")]


def machines_judged(machines: Iterable[Machine]) -> set[int]:
    """The ids of those machines that have a metric which a detector may look at; one query.

    In pieces: the metrics of a large plant, all at once, would stay the largest thing that a worker ever held.
    """
    metrics = Metric.objects.filter(machine__in=list(machines)).select_related("role_chosen").order_by()
    return {metric.machine_id for metric in metrics.iterator(chunk_size=_PIECE) if role_of(metric).role in JUDGED}


def roles_judged(metrics: Iterable[Metric]) -> dict[str, Role]:
    """The metrics that a detector may look at, by name in a stable order, with their roles."""
    found = {metric.name: role_of(metric).role for metric in metrics}
    return {name: found[name] for name in sorted(found) if found[name] in JUDGED}


def roles_choose(machine: Machine, choices: Mapping[str, str | None], *, actor: Any) -> list[RoleOf]:
    """Give metrics other roles; None takes the inferred one again. All of them or none. Answers the roles of all.

    What does not change is not written down. Raises RoleInvalidError.
    """
    with transaction.atomic():
        known = {metric.name: metric for metric in machine.metrics.select_for_update().order_by("pk")}
        for name, role in choices.items():
            if name not in known:
                raise RoleInvalidError(_("This machine has no metric “%(name)s”.") % {"name": name})
            if role is not None and role not in MetricRole.Role.values:
                raise RoleInvalidError(_("There is no role “%(role)s”.") % {"role": role})
        before = {row.metric.name: row.role for row in MetricRole.objects.filter(metric__machine=machine)}
        changed = {name: role for name, role in choices.items() if before.get(name) != role}
        for name, role in changed.items():
            _choose(known[name], role, actor)
        if changed:
            audit_record(
                actor=actor,
                action="detector.roles",
                target=f"machine {machine.key}",
                before={name: before.get(name) for name in changed},
                after=changed,
            )
    return roles_read(machine)


def _choose(metric: Metric, role: str | None, actor: Any) -> None:
    if role is None:
        MetricRole.objects.filter(metric=metric).delete()
        return
    by = str(getattr(actor, "email", "") or getattr(actor, "name", "") or actor)[:254]
    MetricRole.objects.update_or_create(metric=metric, defaults={"role": role, "chosen_by": by})
