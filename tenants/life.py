"""What may become of a factory: renamed, shut, opened again, and deleted after a time in which that can be undone."""

from datetime import timedelta
from functools import partial

import structlog
from django.db import transaction
from django.dispatch import Signal
from django.utils.translation import gettext as _
from django_tenants.utils import get_public_schema_name, schema_context

from common import clock
from common.errors import ConflictError, InvalidInputError
from common.times import zone_names
from tenants.consumers import sockets_close
from tenants.hosts import hosts_forget
from tenants.models import LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES, Factory
from tenants.provisioning import factory_delete

_log = structlog.get_logger(__name__)
GRACE = timedelta(days=7)
OPERATOR = "operator"
# Sent in the transaction of what others than its own people do to a factory, with `factory`, `deed`, `by` (who, in a
# word), `before` and `after`: the floor above writes it down for them.
others_acted = Signal()


class FactoryStateError(ConflictError):
    """The factory is not in the state that this leads from."""

    code = "factory_state"


def factory_rename(factory: Factory, *, name: str, time_zone: str) -> None:
    """Call it otherwise, or move it to another time zone; its address stays. Raises InvalidInputError."""
    if not name.strip():
        raise InvalidInputError(_("A factory needs a name."))
    if time_zone not in zone_names():
        raise InvalidInputError(_("There is no time zone “%(zone)s”.") % {"zone": time_zone})
    _change(factory, name=name.strip()[:120], time_zone=time_zone)


def factory_mfa_require(factory: Factory, *, required: bool) -> None:
    """Ask everybody for a second factor, or leave it to each. What is watched without one is shut."""
    newly = required and not factory.mfa_required
    _change(factory, mfa_required=required)
    if newly:
        transaction.on_commit(partial(sockets_close, factory.slug))


def factory_idle_set(factory: Factory, *, minutes: int) -> None:
    """Sign out browsers that nobody uses for so long. Raises InvalidInputError."""
    if not LEAST_IDLE_MINUTES <= minutes <= MOST_IDLE_MINUTES:
        raise InvalidInputError(_("Browsers can be signed out after 5 minutes to 14 days."))
    _change(factory, idle_minutes=minutes)


def factory_suspend(factory: Factory, *, reason: str, by: str = OPERATOR) -> None:
    """Shut every door within a second; nothing is lost, and devices are refused until it is opened again."""
    with transaction.atomic():
        _change(factory, suspended_at=clock.now(), suspended_reason=reason.strip()[:200])
        others_told(factory, deed="suspended", by=by, after={"reason": factory.suspended_reason})
    sockets_close(factory.slug)


def factory_resume(factory: Factory, *, by: str = OPERATOR) -> None:
    """Open the doors again."""
    with transaction.atomic():
        _change(factory, suspended_at=None, suspended_reason="")
        others_told(factory, deed="resumed", by=by)


def others_told(
    factory: Factory, *, deed: str, by: str, before: dict[str, str] | None = None, after: dict[str, str] | None = None
) -> None:
    """Say what somebody who is none of its people has done to a factory; call inside the deed's transaction."""
    others_acted.send(sender=Factory, factory=factory, deed=deed, by=by, before=before, after=after)


def factory_delete_later(factory: Factory, *, grace: timedelta = GRACE) -> None:
    """Shut every door now, and delete everything when the grace is over. Raises FactoryStateError when that waits."""
    with schema_context(get_public_schema_name()), transaction.atomic():
        waiting = Factory.objects.select_for_update().get(pk=factory.pk).delete_after_at
        if waiting is not None:
            raise FactoryStateError(_("The deletion of this factory is under way already."))
        _change(factory, delete_after_at=clock.now() + grace)
    sockets_close(factory.slug)


def factory_keep(factory: Factory) -> None:
    """Take a deletion back. Raises FactoryStateError when none is under way."""
    with schema_context(get_public_schema_name()):
        kept = Factory.objects.filter(pk=factory.pk, delete_after_at__gt=clock.now()).update(delete_after_at=None)
    hosts_forget()
    if not kept:
        raise FactoryStateError(_("There is no deletion to take back."))
    factory.delete_after_at = None


def factories_delete_due() -> list[str]:
    """Delete every factory whose grace is over; the slugs of those that are gone. One that fails waits for the next."""
    with schema_context(get_public_schema_name()):
        due = list(Factory.objects.filter(delete_after_at__lte=clock.now()))
    gone = []
    for factory in due:
        try:
            factory_delete(factory)
        except Exception:  # noqa: BLE001  # one factory's trouble is not the next one's
            _log.exception("factory_not_deleted", factory=factory.slug)
        else:
            gone.append(factory.slug)
    return gone


def _change(factory: Factory, **changes: object) -> None:
    with schema_context(get_public_schema_name()):
        Factory.objects.filter(pk=factory.pk).update(**changes)
    for name, value in changes.items():
        setattr(factory, name, value)
    hosts_forget()
    _log.info("factory_changed", factory=factory.slug, changed=sorted(changes))
