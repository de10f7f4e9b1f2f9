"""What becomes of the factory as a whole, by an owner on the page or by the API, or by others: each written down."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.attempts import attempt
from accounts.audit import audit_record
from accounts.models import User
from common.errors import InvalidInputError
from tenants.context import factory_context
from tenants.life import factory_delete_later, factory_idle_set, factory_keep, factory_mfa_require, factory_rename
from tenants.models import DomainClaim, Factory
from tenants.own_domain import own_domain_claim, own_domain_prove, own_domain_remove


class DeletionUnprovenError(InvalidInputError):
    """The address or the password that should prove the intention is another."""

    code = "deletion_unproven"


def factory_told(factory: Factory) -> dict[str, Any]:
    """What `factory_change` changes, as it is."""
    return {name: getattr(factory, name) for name in ("name", "time_zone", "mfa_required", "idle_minutes")}


@transaction.atomic
def factory_change(
    *, actor: User, factory: Factory, name: str, time_zone: str, mfa_required: bool, idle_minutes: int
) -> None:
    """Another name, time zone or rule about second factors and unused browsers. Raises InvalidInputError."""
    before = factory_told(factory)
    factory_rename(factory, name=name, time_zone=time_zone)
    factory_mfa_require(factory, required=mfa_required)
    factory_idle_set(factory, minutes=idle_minutes)
    audit_record(actor=actor, action="factory.changed", target=factory.slug, before=before, after=factory_told(factory))


def others_note(factory: Factory, deed: str, by: str, before: Any, after: Any, **_signal: Any) -> None:
    """Receives `tenants.life.others_acted`: what staff and operators do stands in the factory's own trail."""
    with factory_context(factory):
        audit_record(actor=by, action=f"factory.{deed}", target=factory.slug, before=before, after=after)


def factory_prove(*, actor: User, factory: Factory, confirm: str, password: str, address: str) -> None:
    """Whoever would delete a factory types its address and their password. address: where they ask from.

    Raises DeletionUnprovenError, TooManyAttemptsError.
    """
    if confirm.strip() != factory.slug:
        raise DeletionUnprovenError(_("This is another address."))
    with attempt(account=f"{factory.slug}:{actor.email}", address=address, failure=DeletionUnprovenError):
        if not actor.check_password(password):
            raise DeletionUnprovenError(_("This is not your password."))


def factory_leave(*, actor: User, factory: Factory) -> None:
    """Shut the doors now, and delete everything when the grace is over. Raises FactoryStateError."""
    factory_delete_later(factory)
    audit_record(actor=actor, action="factory.deletion_begun", target=factory.slug)


def factory_stay(*, actor: User, factory: Factory) -> None:
    """Take the deletion back. Raises FactoryStateError."""
    factory_keep(factory)
    audit_record(actor=actor, action="factory.kept", target=factory.slug)


def domain_enter(*, actor: User, factory: Factory, name: str) -> DomainClaim:
    """Say which name is the factory's own. Raises the errors of `own_domain_claim`."""
    claim = own_domain_claim(factory, name)
    audit_record(actor=actor, action="factory.domain_entered", target=claim.domain)
    return claim


def domain_prove(*, actor: User, factory: Factory) -> str:
    """Look for its proof. Raises DomainUnprovenError, DomainTakenError."""
    name = own_domain_prove(factory)
    audit_record(actor=actor, action="factory.domain_proved", target=name)
    return name


def domain_remove(*, actor: User, factory: Factory) -> None:
    """The factory answers at its address here alone."""
    name = own_domain_remove(factory)
    if name:
        audit_record(actor=actor, action="factory.domain_removed", target=name)
