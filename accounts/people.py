"""Changes to who belongs to the factory and what each may do; there is always an owner who can sign in."""

from functools import partial

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.audit import audit_record
from accounts.models import Role, User
from accounts.permissions import permits
from common.errors import ConflictError, NotFoundError, NotPermittedError
from tenants.consumers import sockets_close
from tenants.context import factory_current

RANK = {role: rank for rank, role in enumerate(Role.values)}


class PersonNotFoundError(NotFoundError):
    """Nobody of that id in this factory."""

    code = "person_not_found"


class LastOwnerError(ConflictError):
    """The factory would be left without an owner."""

    code = "last_owner"


class RoleTooHighError(NotPermittedError):
    """A person may not give, take or touch a role above their own."""

    code = "role_too_high"


class PeopleNotPermittedError(NotPermittedError):
    """Only admins and owners look after people."""

    code = "people_not_permitted"


def person_asking(request: HttpRequest | Request) -> User:
    """Who asks, as a person of this factory. Raises PeopleNotPermittedError for a key or a stranger."""
    if not isinstance(request.user, User):
        raise PeopleNotPermittedError(_("Only a person who is signed in may do this."))
    return request.user


def roles_grantable(actor: User) -> list[Role]:
    """The roles that this person may give: up to their own."""
    return [role for role in Role if RANK[role] <= RANK[actor.role]] if permits(actor, "people") else []


def role_check(actor: User, *roles: str) -> None:
    """Raises PeopleNotPermittedError or RoleTooHighError when the actor may not handle one of the roles."""
    if not permits(actor, "people"):
        raise PeopleNotPermittedError(_("Only admins and owners may look after people."))
    if any(RANK[role] > RANK[actor.role] for role in roles):
        raise RoleTooHighError(_("Only an owner may give, change or remove the role of an owner."))


def person_get(person_id: int) -> User:
    """The person of this factory. Raises PersonNotFoundError."""
    person = User.objects.filter(pk=person_id).first()
    if person is None:
        raise PersonNotFoundError(_("There is no such person in this factory."))
    return person


def role_change_check(*, actor: User, person: User, role: str) -> None:
    """Refuse a change of role; inside a transaction. Raises LastOwnerError, RoleTooHighError."""
    role_check(actor, person.role, role)
    if role != Role.OWNER:
        _owner_stays(person)


def person_deactivate_check(*, actor: User, person: User) -> None:
    """Refuse to shut somebody out; inside a transaction. Raises LastOwnerError, RoleTooHighError."""
    role_check(actor, person.role)
    _owner_stays(person)


@transaction.atomic
def role_change(*, actor: User, person: User, role: str) -> User:
    """Give a person another role. Raises LastOwnerError, RoleTooHighError."""
    if person.role == role:
        return person
    role_change_check(actor=actor, person=person, role=role)
    previous, person.role = person.role, role
    person.save(update_fields=["role"])
    audit_record(actor=actor, action="person.role_changed", target=person.email, previous=previous, role=role)
    return person


@transaction.atomic
def person_deactivate(*, actor: User, person: User) -> User:
    """Shut a person out at once; what they did stays. Raises LastOwnerError, RoleTooHighError."""
    person_deactivate_check(actor=actor, person=person)
    person.is_active = False
    person.save(update_fields=["is_active"])
    audit_record(actor=actor, action="person.deactivated", target=person.email)
    factory = factory_current()
    if factory is not None:
        transaction.on_commit(partial(sockets_close, factory.slug, user_id=person.pk))
    return person


@transaction.atomic
def person_reactivate(*, actor: User, person: User) -> User:
    """Let a person in again, with the role they had. Raises RoleTooHighError."""
    role_check(actor, person.role)
    person.is_active = True
    person.save(update_fields=["is_active"])
    audit_record(actor=actor, action="person.reactivated", target=person.email)
    return person


def person_rename(*, person: User, name: str) -> User:
    """Give a person the name they wish to be called by: first word and rest."""
    first, _space, rest = name.strip().partition(" ")
    person.first_name, person.last_name = first[:150], rest.strip()[:150]
    person.save(update_fields=["first_name", "last_name"])
    return person


def _owner_stays(person: User) -> None:
    """Raises LastOwnerError when nobody else could act as the owner; call inside a transaction."""
    # Locked, so that two owners who remove each other at once don't both succeed.
    owners = list(User.objects.select_for_update().filter(role=Role.OWNER, is_active=True).order_by("pk"))
    if [owner.pk for owner in owners] == [person.pk]:
        raise LastOwnerError(_("A factory needs an owner: make somebody else an owner first."))
