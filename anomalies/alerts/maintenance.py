"""Planned quiet, as people arrange it: maintenance windows, machines out of service and back, machines that are off.

Each change is checked, made and written to the audit trail in one transaction; what it means for open alerts follows
at once.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.audit import audit_record
from anomalies.models import MachineService, MaintenanceWindow
from common import clock
from common.errors import ConflictError, InvalidInputError, NotFoundError
from telemetry.models import Line, Machine, Metric, Site
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

LONGEST = timedelta(days=92)
REASON_LENGTH = 200
Target = Machine | Line | Site


class MaintenanceNotFoundError(NotFoundError):
    """No maintenance window of that number in this factory."""

    code = "maintenance_not_found"


class MaintenanceInvalidError(InvalidInputError):
    """A window without an end, a reason or one thing that it is about."""

    code = "maintenance_invalid"


class MaintenanceOverError(ConflictError):
    """The window has ended; what was is not changed."""

    code = "maintenance_over"


def windows_list() -> QuerySet[MaintenanceWindow]:
    """Every window with what it is about, the one that begins last first."""
    return MaintenanceWindow.objects.select_related("machine", "line__site", "site").order_by("-starts_at", "-pk")


def window_get(window_id: int) -> MaintenanceWindow:
    """The window of that number. Raises MaintenanceNotFoundError."""
    found = windows_list().filter(pk=window_id).first()
    if found is None:
        raise MaintenanceNotFoundError(_("There is no maintenance window %(number)s.") % {"number": window_id})
    return found


def window_create(
    *, actor: Any, target: Target, starts_at: datetime, ends_at: datetime, reason: str
) -> MaintenanceWindow:
    """Plan maintenance of a machine, a line or a site. Raises MaintenanceInvalidError."""
    reason = reason.strip()
    _check(starts_at, ends_at, reason)
    if ends_at <= clock.now():
        raise MaintenanceInvalidError(_("The window would be over already."))
    window = MaintenanceWindow(starts_at=starts_at, ends_at=ends_at, reason=reason, created_by=_name(actor))
    setattr(window, _kind(target), target)
    with transaction.atomic():
        window.save(force_insert=True)
        audit_record(actor=actor, action="maintenance.created", target=str(window), **_span(window))
        _tend_soon()
    return window


def window_change(
    *,
    actor: Any,
    window: MaintenanceWindow,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    reason: str | None = None,
) -> MaintenanceWindow:
    """Move a window, or word it anew. Raises MaintenanceInvalidError, and MaintenanceOverError for one that ended."""
    if window.ends_at <= clock.now():
        raise MaintenanceOverError(_("This window has ended."))
    window.starts_at, window.ends_at = starts_at or window.starts_at, ends_at or window.ends_at
    window.reason = window.reason if reason is None else reason.strip()
    _check(window.starts_at, window.ends_at, window.reason)
    with transaction.atomic():
        window.save(update_fields=["starts_at", "ends_at", "reason"])
        audit_record(actor=actor, action="maintenance.changed", target=str(window), **_span(window))
        _tend_soon()
    return window


def window_end(*, actor: Any, window: MaintenanceWindow) -> MaintenanceWindow | None:
    """The work is done: end a running window now; one that has not begun is cancelled, and None is left of it.

    Raises MaintenanceOverError for one that ended.
    """
    now = clock.now()
    if window.ends_at <= now:
        raise MaintenanceOverError(_("This window has ended."))
    with transaction.atomic():
        if window.starts_at >= now:
            audit_record(actor=actor, action="maintenance.cancelled", target=str(window), **_span(window))
            window.delete()
            return None
        window.ends_at = now
        window.save(update_fields=["ends_at"])
        audit_record(actor=actor, action="maintenance.ended", target=str(window), **_span(window))
        _tend_soon()
    return window


def service_of(machine: Machine) -> MachineService:
    """A machine's service; of one that nobody has touched, an unsaved row that says “in service”."""
    found = MachineService.objects.select_related("off_metric").filter(machine=machine).first()
    return found or MachineService(machine=machine)


def machine_remove(*, actor: Any, machine: Machine, reason: str) -> MachineService:
    """Take a machine out of service until somebody puts it back. Raises MaintenanceInvalidError without a reason."""
    reason = reason.strip()
    if not reason or len(reason) > REASON_LENGTH:
        raise MaintenanceInvalidError(_("Say why, in %(most)s characters at most.") % {"most": REASON_LENGTH})
    return _service_change(actor, machine, "machine.removed_from_service", since=clock.now(), reason=reason)


def machine_restore(*, actor: Any, machine: Machine) -> MachineService:
    """Put a machine back into service; what is wrong with it alarms again."""
    return _service_change(actor, machine, "machine.restored_to_service", since=None, reason="")


def machine_off_when(
    *, actor: Any, machine: Machine, metric: Metric | None, low: float | None = None, high: float | None = None
) -> MachineService:
    """Say how to see that a machine is switched off: a metric's newest reading lies in [low, high]; None: never.

    Raises MaintenanceInvalidError for another machine's metric, or a range without an end or the wrong way round.
    """
    if metric is not None:
        if metric.machine_id != machine.pk:
            raise MaintenanceInvalidError(_("This metric is another machine's."))
        if (low is None and high is None) or (low is not None and high is not None and low > high):
            raise MaintenanceInvalidError(_("Give the range in which the machine is off."))
    with transaction.atomic():
        service = _service_locked(machine)
        service.off_metric, service.off_low, service.off_high = metric, low, high
        service.save(update_fields=["off_metric", "off_low", "off_high"])
        name = metric.name if metric else None
        audit_record(actor=actor, action="machine.off_when", target=machine.key, metric=name, low=low, high=high)
        _tend_soon()
    return service


def _service_change(
    actor: Any, machine: Machine, action: str, *, since: datetime | None, reason: str
) -> MachineService:
    with transaction.atomic():
        service = _service_locked(machine)
        if service.out_of_service == (since is not None) and service.reason == reason:
            return service
        service.out_of_service_at = (service.out_of_service_at or since) if since else None
        service.reason, service.changed_by = reason, _name(actor)
        service.save(update_fields=["out_of_service_at", "reason", "changed_by"])
        audit_record(actor=actor, action=action, target=machine.key, reason=reason)
        _tend_soon()
    return service


def _service_locked(machine: Machine) -> MachineService:
    MachineService.objects.get_or_create(machine=machine)
    return MachineService.objects.select_for_update(of=("self",)).select_related("off_metric").get(machine=machine)


def windows_of(machine: Machine) -> QuerySet[MaintenanceWindow]:
    """Every window that concerns a machine; wants its line loaded."""
    concerned = Q(machine=machine)
    if machine.line is not None:
        concerned |= Q(line=machine.line) | Q(site=machine.line.site_id)
    return windows_list().filter(concerned)


def _check(starts_at: datetime, ends_at: datetime, reason: str) -> None:
    if not reason or len(reason) > REASON_LENGTH:
        raise MaintenanceInvalidError(_("Say what is done, in %(most)s characters at most.") % {"most": REASON_LENGTH})
    if ends_at <= starts_at:
        raise MaintenanceInvalidError(_("The end must lie after the beginning."))
    if ends_at - starts_at > LONGEST:
        raise MaintenanceInvalidError(
            _("A window lasts %(days)s days at most; take the machine out of service instead.") % {"days": LONGEST.days}
        )


def _kind(target: Target) -> str:
    return {Machine: "machine", Line: "line", Site: "site"}[type(target)]


def _span(window: MaintenanceWindow) -> dict[str, Any]:
    return {"from": window.starts_at.isoformat(), "to": window.ends_at.isoformat()}


def _name(actor: Any) -> str:
    return str(getattr(actor, "email", "") or getattr(actor, "name", "") or actor)[:254]


def _tend_soon() -> None:
    transaction.on_commit(_tend)


def _tend() -> None:
    """Have a worker carry the factory's alerts forward now instead of at the next beat."""
    # Imported late: the tasks import this room.
    from anomalies.tasks import tend_factory_alerts

    factory = factory_current()
    if factory is None:
        return
    try:
        tend_factory_alerts.for_factory(factory.slug)
    except OperationalError as error:
        _log.warning("tending_not_enqueued", factory=factory.slug, error=str(error))
