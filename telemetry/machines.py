"""Equipment as people change it: each change is checked, made and written to the audit trail in one transaction."""

from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from common.errors import ConflictError, InvalidInputError, LimitReachedError, NotFoundError
from telemetry.equipment import registry_forget
from telemetry.ingest.admission import name_fault
from telemetry.models import Line, Machine, Metric
from telemetry.store import reading_store
from tenants.context import factory_current
from tenants.limits import limit_sentence, limits_of

ThingT = TypeVar("ThingT", Machine, Metric)


class MachineTakenError(ConflictError):
    """A machine of this key exists already."""

    code = "machine_taken"


class MetricNotFoundError(NotFoundError):
    """The machine has no metric of that name."""

    code = "metric_not_found"


class MachinesLimitError(LimitReachedError):
    """The factory's plan has no room for another machine."""

    code = "machines_limit"
    status = 403


def machines_list() -> QuerySet[Machine]:
    """Every machine with the line, area and site it stands in, by key."""
    return Machine.objects.select_related("line__site", "line__area").order_by("key")


def machine_create(
    *, actor: Any, key: str, name: str = "", machine_type: str = "", line: Line | None = None, silent_after_s: int = 60
) -> Machine:
    """Register a machine before it sends anything. Raises InvalidInputError, MachineTakenError, MachinesLimitError."""
    machine_new_check(key)
    machine = Machine(key=key, name=name, machine_type=machine_type, line=line, silent_after_s=silent_after_s)
    try:
        with transaction.atomic():
            machine.save(force_insert=True)
            audit_record(actor=actor, action="machine.created", target=key)
    except IntegrityError as error:
        raise MachineTakenError(_("There is a machine “%(key)s” already.") % {"key": key}) from error
    return machine


def machine_new_check(key: str) -> None:
    """Whether a machine of this key may be made: devices must be able to name it, and the plan to hold it.

    Raises InvalidInputError, MachinesLimitError.
    """
    fault = name_fault(key, "metric")
    if fault is not None:
        raise InvalidInputError(fault[1], errors=[{"field": "key", "code": fault[0], "detail": fault[1]}])
    _limit_check()


def machine_update(*, actor: Any, machine: Machine, **changes: Any) -> Machine:
    """Change name, machine_type, line or silent_after_s."""
    return _changed(actor, machine, "machine.changed", machine.key, changes)


def machine_delete(*, actor: Any, machine: Machine) -> None:
    """Remove a machine, its metrics and all its readings. Raises StoreUnavailableError, and then removes nothing."""
    with transaction.atomic():
        audit_record(actor=actor, action="machine.deleted", target=machine.key)
        reading_store().delete_machine(machine)
        machine.delete()
    factory = factory_current()
    if factory is not None:
        registry_forget(factory)


def metric_get(machine: Machine, name: str) -> Metric:
    """One metric of a machine. Raises MetricNotFoundError."""
    metric = machine.metrics.filter(name=name).first()
    if metric is None:
        raise MetricNotFoundError(
            _("“%(machine)s” has no metric “%(metric)s”.") % {"machine": machine.key, "metric": name}
        )
    return metric


def metric_update(*, actor: Any, metric: Metric, **changes: Any) -> Metric:
    """Change label, unit, kind or confirmed; a unit or kind that a person sets counts as confirmed."""
    if {"unit", "kind"} & changes.keys():
        changes.setdefault("confirmed", True)
    return _changed(actor, metric, "metric.changed", f"{metric.machine.key} {metric.name}", changes)


def metric_delete(*, actor: Any, metric: Metric) -> None:
    """Remove a metric and all its readings; it comes back, empty, when its machine goes on sending it.

    Raises StoreUnavailableError, and then removes nothing.
    """
    with transaction.atomic():
        # Locked, because two deletions at once must count as two.
        machine = Machine.objects.select_for_update(of=("self",)).get(pk=metric.machine_id)
        audit_record(actor=actor, action="metric.deleted", target=f"{machine.key} {metric.name}")
        reading_store().delete_metric(machine, metric.name)
        metric.delete()
    factory = factory_current()
    if factory is not None:
        registry_forget(factory)


def _changed(actor: Any, thing: ThingT, action: str, target: str, changes: dict[str, Any]) -> ThingT:
    differing = {name: value for name, value in changes.items() if getattr(thing, name) != value}
    if differing:
        for name, value in differing.items():
            setattr(thing, name, value)
        with transaction.atomic():
            # Only what was asked for: the drain writes the columns beside it.
            thing.save(update_fields=list(differing))
            audit_record(actor=actor, action=action, target=target, changed=sorted(differing))
    return thing


def _limit_check() -> None:
    limits = limits_of(factory_current())
    if Machine.objects.count() >= limits.machines:
        raise MachinesLimitError(limit_sentence("machines", limits))
