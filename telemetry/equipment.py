"""Machines and metrics: found by key, and registered by themselves when data arrives, within the factory's plan."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import structlog
from django.utils.translation import gettext as _

from common import clock
from common.errors import NotFoundError
from common.expiring import ExpiringMap
from telemetry.ingest.inference import infer_metric
from telemetry.ingest.quarantine import quarantine_write
from telemetry.ingest.refusals import Refusal
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from tenants.context import factory_current
from tenants.models import Factory, Plan

__all__ = [
    "MachineNotFoundError",
    "Registered",
    "infer_metric",
    "machine_for",
    "machine_state",
    "machines_register",
    "registration_of",
    "registry_forget",
]

_log = structlog.get_logger(__name__)
MachineState = Literal["live", "silent", "new"]
# Somebody else (another node, an admin) may have registered the unknown since; asked at most this often.
_RELOAD_AFTER_S = 2.0


class MachineNotFoundError(NotFoundError):
    """No machine of that key in this factory."""

    code = "machine_not_found"


def machine_for(key: str) -> Machine:
    """The current factory's machine with this key. Raises MachineNotFoundError."""
    machine = Machine.objects.filter(key=key).first()
    if machine is None:
        raise MachineNotFoundError(_("There is no machine “%(key)s”.") % {"key": key})
    return machine


def machine_state(machine: Machine, now: datetime) -> MachineState:
    """Whether a machine's data arrives, has stopped, or never came."""
    if machine.last_seen_at is None:
        return "new"
    return "silent" if now - machine.last_seen_at > timedelta(seconds=machine.silent_after_s) else "live"


@dataclass(frozen=True, slots=True)
class Registered:
    """What of a batch has a place: its machines by key, metric ids by (key, name), and what the plan refused."""

    machines: dict[str, Machine]
    metric_ids: dict[tuple[str, str], int]
    batch: ReadingBatch
    refused: list[Refusal]


def machines_register(batch: ReadingBatch) -> tuple[dict[str, Machine], ReadingBatch]:
    """Make the unknown machines and metrics of a batch known; returns them by key, and the batch without the refused.

    What the plan has no room for goes to quarantine.
    """
    registered = registration_of(batch)
    quarantine_write(registered.refused)
    return registered.machines, registered.batch


def registration_of(batch: ReadingBatch) -> Registered:
    """As `machines_register`, but leaves the refused to the caller. When everything is known, asks no database."""
    factory = factory_current()
    if factory is None:
        raise RuntimeError("machines belong to a factory: call this inside factory_context")
    registry = _registry(factory)
    unknown = _unknown(registry, batch)
    if unknown and clock.monotonic_s() - registry.read_s > _RELOAD_AFTER_S:
        registry = _registry_read(factory)
        unknown = _unknown(registry, batch)
    if unknown:
        plan = factory.plan or Plan()
        _machines_make(registry, plan, dict.fromkeys(machine for machine, _metric in unknown))
        _metrics_make(registry, plan, unknown)
    return _sorted_out(registry, batch)


def registry_forget(factory: Factory) -> None:
    """Read a factory's machines afresh next time, because what was remembered has turned out wrong."""
    _registries.forget(factory.pk)


@dataclass(slots=True)
class _Registry:
    read_s: float
    machines: dict[str, Machine] = field(default_factory=dict)
    metric_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    metric_counts: dict[str, int] = field(default_factory=dict)


# By the factory's id and not its address: an address may come back as another factory.
_registries: ExpiringMap[int, _Registry] = ExpiringMap(size=500, fresh_s=float("inf"))


def _registry(factory: Factory) -> _Registry:
    held = _registries.fresh(factory.pk)
    return held.value if held else _registry_read(factory)


def _registry_read(factory: Factory) -> _Registry:
    registry = _Registry(read_s=clock.monotonic_s())
    registry.machines = {machine.key: machine for machine in Machine.objects.order_by()}
    for metric_id, key, name in Metric.objects.order_by().values_list("id", "machine__key", "name"):
        # A machine that was made between the two queries is simply not known yet.
        if key in registry.machines:
            _learn_metric(registry, key, name, metric_id)
    _registries.put(factory.pk, registry)
    return registry


def _learn_metric(registry: _Registry, key: str, name: str, metric_id: int) -> None:
    if (key, name) not in registry.metric_ids:
        registry.metric_counts[key] = registry.metric_counts.get(key, 0) + 1
    registry.metric_ids[key, name] = metric_id


def _unknown(registry: _Registry, batch: ReadingBatch) -> dict[tuple[str, str], None]:
    """In order of arrival, which decides who gets the plan's last places."""
    return dict.fromkeys((s.machine, s.metric) for s in batch if (s.machine, s.metric) not in registry.metric_ids)


def _machines_make(registry: _Registry, plan: Plan, keys: Iterable[str]) -> None:
    new = [key for key in keys if key not in registry.machines]
    new = new[: max(0, plan.max_machines - len(registry.machines))]
    if not new:
        return
    Machine.objects.bulk_create([Machine(key=key) for key in new], ignore_conflicts=True)
    registry.machines.update({machine.key: machine for machine in Machine.objects.filter(key__in=new)})
    _log.info("machines_registered", machines=new)


def _metrics_make(registry: _Registry, plan: Plan, wanted: Iterable[tuple[str, str]]) -> None:
    new, counts = [], dict(registry.metric_counts)
    for key, name in wanted:
        machine = registry.machines.get(key)
        if machine is None or counts.get(key, 0) >= plan.max_metrics_per_machine:
            continue
        counts[key] = counts.get(key, 0) + 1
        unit, kind, confidence = infer_metric(name)
        new.append(Metric(machine=machine, name=name, unit=unit, kind=kind, confidence=confidence))
    if not new:
        return
    Metric.objects.bulk_create(new, ignore_conflicts=True)
    found = Metric.objects.filter(machine__in={m.machine_id for m in new}, name__in={m.name for m in new})
    for metric_id, key, name in found.values_list("id", "machine__key", "name"):
        _learn_metric(registry, key, name, metric_id)
    _log.info("metrics_registered", metrics=len(new))


def _sorted_out(registry: _Registry, batch: ReadingBatch) -> Registered:
    kept: list[Series] = []
    refused: list[Refusal] = []
    ids: dict[tuple[str, str], int] = {}
    for series in batch:
        key = (series.machine, series.metric)
        metric_id = registry.metric_ids.get(key)
        if metric_id is None:
            refused.append(_refusal(series, known_machine=series.machine in registry.machines))
        else:
            ids[key] = metric_id
            kept.append(series)
    machines = {series.machine: registry.machines[series.machine] for series in kept}
    return Registered(machines, ids, ReadingBatch(kept), refused)


def _refusal(series: Series, *, known_machine: bool) -> Refusal:
    if known_machine:
        # By machine and not by name: ten thousand names are one row that counts.
        detail = f"the plan has no room for more metrics of this machine, such as “{series.metric}”"
        return Refusal("registration", series.machine, "", "metric_limit", detail, len(series))
    detail = f"the plan has no room for more machines, such as “{series.machine}”"
    return Refusal("registration", "", "", "machine_limit", detail, len(series))
