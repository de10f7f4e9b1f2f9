"""Programs and chat rooms of a factory: made, changed, given new secrets, tried out."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from anomalies.models import NotificationTarget, TargetKind
from anomalies.notify.breaker import target_resume
from anomalies.notify.safe_http import url_check
from anomalies.notify.sealing import SealBrokenError, seal, seal_anew, unseal
from anomalies.notify.signing import secret_make
from common import clock
from common.errors import ConflictError, InvalidInputError, NotFoundError

# Long enough to carry the new secret to whatever checks it.
ROTATION_OVERLAP = timedelta(hours=24)
_SEALED = ["address_sealed", "secret_sealed", "previous_sealed"]


class TargetNotFoundError(NotFoundError):
    """No target of that number in this factory."""

    code = "target_not_found"


class TargetNameTakenError(ConflictError):
    """Another target has the name."""

    code = "target_name_taken"


class TargetUnsignedError(InvalidInputError):
    """Chat rooms have no secret."""

    code = "target_unsigned"


def target_get(target_id: int) -> NotificationTarget:
    """The target of that number. Raises TargetNotFoundError."""
    found = NotificationTarget.objects.filter(pk=target_id).first()
    if found is None:
        raise TargetNotFoundError(_("There is no such target."))
    return found


def target_create(*, actor: Any, kind: str, name: str, address: str) -> tuple[NotificationTarget, str]:
    """A new target, and the secret that signs what a webhook gets (shown this once; empty for chat rooms).

    Raises AddressRefusedError, TargetNameTakenError.
    """
    parts = url_check(address)
    _name_check(name)
    secret = secret_make() if kind == TargetKind.WEBHOOK else ""
    with transaction.atomic():
        target = NotificationTarget.objects.create(
            kind=kind,
            name=name,
            host=str(parts.hostname),
            address_sealed=seal(address),
            secret_sealed=seal(secret) if secret else "",
            created_by=actor,
        )
        audit_record(actor=actor, action="target.create", target=name, kind=kind, host=target.host)
    return target, secret


def target_change(*, actor: Any, target: NotificationTarget, name: str, address: str, active: bool) -> None:
    """Another name, another address (empty: the same), switched on or off.

    Raises AddressRefusedError, TargetNameTakenError.
    """
    if name != target.name:
        _name_check(name)
    with transaction.atomic():
        if address:
            target.host = str(url_check(address).hostname)
            target.address_sealed = seal(address)
        target.name, target.active = name, active
        target.save(update_fields=["name", "active", "host", "address_sealed"])
        target_resume(target.health_key)
        audit_record(actor=actor, action="target.change", target=name, host=target.host, active=active)


def target_delete(*, actor: Any, target: NotificationTarget) -> None:
    """Away with it, its routes' mention of it, and what waits for it."""
    with transaction.atomic():
        audit_record(actor=actor, action="target.delete", target=target.name, host=target.host)
        target.delete()


def secret_rotate(*, actor: Any, target: NotificationTarget) -> str:
    """A new secret, shown this once; the one before signs beside it for a day. Raises TargetUnsignedError."""
    if target.kind != TargetKind.WEBHOOK:
        raise TargetUnsignedError(_("Only webhooks are signed."))
    secret = secret_make()
    with transaction.atomic():
        target.previous_sealed, target.previous_until = target.secret_sealed, clock.now() + ROTATION_OVERLAP
        target.secret_sealed = seal(secret)
        target.save(update_fields=["previous_sealed", "previous_until", "secret_sealed"])
        audit_record(actor=actor, action="target.rotate", target=target.name)
    return secret


def targets_seal_anew() -> list[str]:
    """Seal every target of the current factory by the SECRET_KEY of now; the names of those that nothing here opens."""
    unreadable = []
    for target in NotificationTarget.objects.all():
        try:
            for name in _SEALED:
                setattr(target, name, seal_anew(getattr(target, name)))
        except SealBrokenError:
            unreadable.append(target.name)
        else:
            target.save(update_fields=_SEALED)
    return unreadable


def address_hint(target: NotificationTarget) -> str:
    """The address without what makes it a secret: “https://hooks.slack.com/…”."""
    address = unseal(target.address_sealed)
    scheme, _separator, rest = address.partition("://")
    host, slash, _path = rest.partition("/")
    return f"{scheme}://{host}{slash}{'…' if slash else ''}"


def _name_check(name: str) -> None:
    if NotificationTarget.objects.filter(name=name).exists():
        raise TargetNameTakenError(_("There is already a target “%(name)s”.") % {"name": name})
