"""Machines and metrics: found by key, and registered by themselves when data arrives, within the factory's plan."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from sys import intern
from typing import Literal

import numpy as np
import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Max
from django.utils.translation import gettext as _

from common import clock
from common.errors import NotFoundError
from common.expiring import ExpiringMap
from telemetry.ingest.inference import infer_metric
from telemetry.ingest.plan_room import no_room
from telemetry.ingest.quarantine import quarantine_write
from telemetry.ingest.refusals import Refusal
from telemetry.models import Machine, Metric
from telemetry.readings import Key, ReadingBatch, Series
from telemetry.store.series_ids import series_ids_forget
from tenants.context import factory_current
from tenants.limits import Limits, limits_of
from tenants.models import Factory

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
# Metrics that are made in one statement: those of a large plant, all at once, would stay the most the drain ever held.
_PIECE = 500
# A machine that was deleted by another process must not take readings for longer than this.
_CHECK_AFTER_S = 0.5


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
    """As `machines_register`, but leaves the refused to the caller. While nothing changes, one small query at times."""
    factory = factory_current()
    if factory is None:
        raise RuntimeError("machines belong to a factory: call this inside factory_context")
    limits = limits_of(factory)
    registry = _registry(factory)
    if _unknown(registry, batch):
        registry = _registry_extend(factory, registry, limits, batch)
    return _sorted_out(registry, batch, limits)


def registry_forget(factory: Factory) -> None:
    """Read a factory's machines afresh next time, because what was remembered has turned out wrong."""
    _registries.forget(factory.pk)


_Version = tuple[int, int | None]


@dataclass(slots=True)
class _Registry:
    read_s: float
    checked_s: float
    version: _Version
    machines: dict[str, Machine] = field(default_factory=dict)
    metric_ids: dict[Key, int] = field(default_factory=dict)
    # Each key by itself: whoever remembers something of a series for long holds this one, not a batch's own.
    keys: dict[Key, Key] = field(default_factory=dict)
    metric_counts: dict[str, int] = field(default_factory=dict)


# By the factory's id and not its address: an address may come back as another factory.
_registries: ExpiringMap[int, _Registry] = ExpiringMap(size=500, fresh_s=float("inf"))


def _registry(factory: Factory) -> _Registry:
    held = _registries.fresh(factory.pk)
    if held is None:
        return _registry_read(factory)
    registry, now_s = held.value, clock.monotonic_s()
    if now_s - registry.checked_s > _CHECK_AFTER_S:
        registry.checked_s = now_s
        if _version() != registry.version:
            return _registry_read(factory)
    return registry


def _version() -> _Version:
    """Differs after any metric was made or deleted: the newest id grows with one, the count falls with the other."""
    found = Metric.objects.order_by().aggregate(count=Count("pk"), newest=Max("pk"))
    return found["count"], found["newest"]


def _registry_read(factory: Factory) -> _Registry:
    series_ids_forget(factory.schema_name)
    now_s = clock.monotonic_s()
    registry = _Registry(read_s=now_s, checked_s=now_s, version=_version())
    registry.machines = {intern(machine.key): machine for machine in Machine.objects.order_by().iterator()}
    for metric_id, key, name in Metric.objects.order_by().values_list("id", "machine__key", "name").iterator():
        # A machine that was made between the two queries is simply not known yet.
        if key in registry.machines:
            _learn_metric(registry, key, name, metric_id)
    _registries.put(factory.pk, registry)
    return registry


def _learn_metric(registry: _Registry, machine: str, name: str, metric_id: int) -> None:
    # Ten thousand series have a thousand machines' keys and some dozens of names.
    key = (intern(machine), intern(name))
    if key not in registry.metric_ids:
        registry.metric_counts[key[0]] = registry.metric_counts.get(key[0], 0) + 1
        registry.keys[key] = key
    registry.metric_ids[key] = metric_id


def _unknown(registry: _Registry, batch: ReadingBatch) -> dict[tuple[str, str], None]:
    """In order of arrival, which decides who gets the plan's last places."""
    return dict.fromkeys(key for key in batch.keys if key not in registry.metric_ids)


def _registry_extend(factory: Factory, registry: _Registry, limits: Limits, batch: ReadingBatch) -> _Registry:
    if clock.monotonic_s() - registry.read_s > _RELOAD_AFTER_S:
        registry = _registry_read(factory)
    try:
        _make(registry, limits, _unknown(registry, batch))
    except IntegrityError:
        # A machine was deleted since the registry was read: its readings make it anew.
        registry = _registry_read(factory)
        _make(registry, limits, _unknown(registry, batch))
    except BaseException:
        registry_forget(factory)  # it knows what was not committed
        raise
    return registry


def _make(registry: _Registry, limits: Limits, unknown: dict[tuple[str, str], None]) -> None:
    if unknown:
        with transaction.atomic():
            _machines_make(registry, limits, dict.fromkeys(machine for machine, _metric in unknown))
            _metrics_make(registry, limits, unknown)


def _machines_make(registry: _Registry, limits: Limits, keys: Iterable[str]) -> None:
    new = [key for key in keys if key not in registry.machines]
    new = new[: max(0, limits.machines - len(registry.machines))]
    if not new:
        return
    Machine.objects.bulk_create([Machine(key=key) for key in new], ignore_conflicts=True)
    registry.machines.update({machine.key: machine for machine in Machine.objects.filter(key__in=new)})
    _log.info("machines_registered", machines=new)


def _metrics_make(registry: _Registry, limits: Limits, wanted: Iterable[tuple[str, str]]) -> None:
    new: list[Metric] = []
    counts, room = dict(registry.metric_counts), limits.series - len(registry.metric_ids)
    for key, name in wanted:
        machine = registry.machines.get(key)
        if machine is None or counts.get(key, 0) >= limits.metrics_per_machine or len(new) >= room:
            continue
        counts[key] = counts.get(key, 0) + 1
        unit, kind, confidence = infer_metric(name)
        new.append(Metric(machine=machine, name=name, unit=unit, kind=kind, confidence=confidence))
        if len(new) >= _PIECE:
            _metrics_keep(registry, new)
            room, new = room - len(new), []
    if new:
        _metrics_keep(registry, new)


def _metrics_keep(registry: _Registry, new: list[Metric]) -> None:
    Metric.objects.bulk_create(new, ignore_conflicts=True)
    found = Metric.objects.filter(machine__in={m.machine_id for m in new}, name__in={m.name for m in new})
    for metric_id, key, name in found.values_list("id", "machine__key", "name"):
        _learn_metric(registry, key, name, metric_id)
    _log.info("metrics_registered", metrics=len(new))


def _sorted_out(registry: _Registry, batch: ReadingBatch, limits: Limits) -> Registered:
    ids = {registry.keys[key]: registry.metric_ids[key] for key in batch.keys if key in registry.metric_ids}
    machines = {key: registry.machines[key] for key in dict.fromkeys(machine for machine, _metric in ids)}
    if len(ids) == len(batch.keys):
        same = ReadingBatch.of_columns(list(ids), batch.codes, batch.t_ms, batch.values)
        return Registered(machines, ids, same, [])
    known = np.array([key in ids for key in batch.keys], np.bool_)[batch.codes]
    refused = [_refusal(registry, series, limits) for series in batch.only(~known)]
    return Registered(machines, ids, batch.only(known), refused)


def _refusal(registry: _Registry, series: Series, limits: Limits) -> Refusal:
    """By machine and not by name, by neither when machines are too many: ten thousand names are one row that counts."""
    code, machine = "series_limit", ""
    if series.machine not in registry.machines:
        code = "machine_limit"
    elif registry.metric_counts.get(series.machine, 0) >= limits.metrics_per_machine:
        code, machine = "metric_limit", series.machine
    detail = no_room(code, series.machine, series.metric, limits)
    return Refusal("registration", machine, "", code, detail, len(series))
