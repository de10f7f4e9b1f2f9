"""Whether a machine's alerts are expected just now: out of service, in a maintenance window, or switched off."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from anomalies.alerts.lifecycle import Happening
from anomalies.models import MachineService, MaintenanceWindow
from telemetry.models import Machine


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a machine's alerts are recorded and not told. happening: SUPPRESS, or REMOVE for one out of service."""

    happening: Happening
    reason: str
    window: MaintenanceWindow | None = None


def windows_at(at: datetime) -> list[MaintenanceWindow]:
    """The maintenance windows that hold an instant, the one that ends last first."""
    found = MaintenanceWindow.objects.filter(starts_at__lte=at, ends_at__gt=at)
    return list(found.select_related("machine", "line", "site").order_by("-ends_at", "-pk"))


def suppression_of(machine: Machine, *, at: datetime) -> Suppression | None:
    """Why this machine's alerts are not told at an instant, or None. Two queries."""
    service = MachineService.objects.select_related("off_metric").filter(machine=machine).first()
    line = machine.line
    concerned = Q(machine=machine)
    if line is not None:
        concerned |= Q(line=line) | Q(site=line.site_id)
    windows = MaintenanceWindow.objects.filter(concerned, starts_at__lte=at, ends_at__gt=at).order_by("-ends_at")
    return _reason(service, windows[:1])


def suppressions_at(machines: Iterable[Machine], *, at: datetime) -> dict[int, Suppression]:
    """Why alerts of these machines are not told at an instant, by machine id; in two queries for any number of them.

    machines: with their lines loaded.
    """
    windows = windows_at(at)
    services = {service.machine_id: service for service in MachineService.objects.select_related("off_metric")}
    if not windows and not services:
        return {}
    found = {}
    for machine in machines:
        reason = _reason(services.get(machine.pk), (each for each in windows if _concerns(each, machine)))
        if reason is not None:
            found[machine.pk] = reason
    return found


def _concerns(window: MaintenanceWindow, machine: Machine) -> bool:
    line = machine.line
    if window.machine_id is not None:
        return window.machine_id == machine.pk
    if line is None:
        return False
    return window.line_id == line.pk if window.line_id is not None else window.site_id == line.site_id


def _reason(service: MachineService | None, windows: Iterable[MaintenanceWindow]) -> Suppression | None:
    if service is not None and service.out_of_service:
        return Suppression(Happening.REMOVE, _("Out of service: %(reason)s") % {"reason": service.reason or "–"})
    for window in windows:
        return Suppression(Happening.SUPPRESS, _("Maintenance: %(reason)s") % {"reason": window.reason}, window)
    if service is not None and service.is_off:
        return Suppression(Happening.SUPPRESS, _("The machine is switched off"))
    return None
