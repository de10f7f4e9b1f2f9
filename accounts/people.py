"""Changes to who belongs to the factory and what each may do; there is always an owner who can sign in."""

from dataclasses import replace
from functools import partial

from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.access import Access
from accounts.actions import ADMINISTRATORS, PEOPLE, actions_of_role
from accounts.audit import audit_record
from accounts.models import CustomRole, Invitation, Role, User
from accounts.permissions import actions_of, permits
from accounts.sessions import sessions_end
from common import clock
from common.errors import ConflictError, LimitReachedError, NotFoundError, NotPermittedError
from tenants.consumers import sockets_close
from tenants.context import factory_current
from tenants.limits import limit_sentence, limits_of

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


class PeopleLimitError(LimitReachedError):
    """The plan has no room for another person."""

    code = "people_limit"
    status = 403


class PeopleNotPermittedError(NotPermittedError):
    """Only admins and owners look after people."""

    code = "people_not_permitted"


def person_asking(request: HttpRequest | Request) -> User:
    """Who asks, as a person of this factory. Raises PeopleNotPermittedError for a key or a stranger."""
    if not isinstance(request.user, User):
        raise PeopleNotPermittedError(_("Only a person who is signed in may do this."))
    return request.user


def roles_grantable(actor: User) -> list[Role]:
    """The roles that this person may give: those that allow nothing beyond what they may do themselves."""
    return [role for role in Role if permits(actor, PEOPLE) and _within(actor, role, actions_of_role(role))]


def custom_roles_grantable(actor: User) -> list[CustomRole]:
    """The factory's own roles that this person may give."""
    may = permits(actor, PEOPLE)
    return [role for role in CustomRole.objects.all() if may and frozenset(role.actions) <= actions_of(actor)]


def role_check(actor: User, *roles: str) -> None:
    """Raises PeopleNotPermittedError or RoleTooHighError when the actor may not handle one of the roles."""
    actions_check(actor, *[(role, actions_of_role(role)) for role in roles])


def person_check(actor: User, *people: User) -> None:
    """As `role_check`, for people as they are: with their own role and single permissions."""
    actions_check(actor, *[(person.role, actions_of(person)) for person in people])


def actions_check(actor: User, *access: tuple[str, frozenset[str]]) -> None:
    """Nobody gives, takes or touches what they may not do themselves. access: roles with the actions they come to."""
    if not permits(actor, PEOPLE):
        raise PeopleNotPermittedError(_("Only admins and owners may look after people."))
    if not all(_within(actor, role, actions) for role, actions in access):
        raise RoleTooHighError(_("You may only give, change or take away what you may do yourself."))


def _within(actor: User, role: str, actions: frozenset[str]) -> bool:
    """The admin's pages go with the role alone, so the same actions don't make somebody an admin's equal."""
    return actions <= actions_of(actor) and (role not in ADMINISTRATORS or RANK[role] <= RANK[actor.role])


def person_get(person_id: int) -> User:
    """The person of this factory. Raises PersonNotFoundError."""
    person = User.objects.filter(pk=person_id).first()
    if person is None:
        raise PersonNotFoundError(_("There is no such person in this factory."))
    return person


def role_change_check(*, actor: User, person: User, role: str) -> None:
    """Refuse a change of role; inside a transaction. Raises LastOwnerError, RoleTooHighError."""
    person_check(actor, person)
    role_check(actor, role)
    if role != Role.OWNER:
        _owner_stays(person)


def person_deactivate_check(*, actor: User, person: User) -> None:
    """Refuse to shut somebody out; inside a transaction. Raises LastOwnerError, RoleTooHighError."""
    person_check(actor, person)
    _owner_stays(person)


def role_change(*, actor: User, person: User, role: str) -> User:
    """Give a person another role. Raises LastOwnerError, RoleTooHighError."""
    return access_change(actor=actor, person=person, access=replace(Access.of(person), role=role, custom_role=None))


@transaction.atomic
def access_change(*, actor: User, person: User, access: Access) -> User:
    """Give a person another role, other single permissions, or another part of the plant to see.

    Raises LastOwnerError, RoleTooHighError, AccessInvalidError.
    """
    _hold(person)
    before = Access.of(person)
    if access == before:
        return person
    access.check()
    person_check(actor, person)
    actions_check(actor, (access.role, access.actions))
    if access.role != Role.OWNER:
        _owner_stays(person)
    access.apply(person)
    person.save(update_fields=["role", "custom_role", "extra_actions", "reach"])
    audit_record(
        actor=actor,
        action="person.access_changed",
        target=person.email,
        before=before.to_audit(),
        after=access.to_audit(),
    )
    person_sockets_close(person)
    return person


@transaction.atomic
def person_deactivate(*, actor: User, person: User) -> User:
    """Shut a person out at once; what they did stays. Raises LastOwnerError, RoleTooHighError."""
    _hold(person)
    person_deactivate_check(actor=actor, person=person)
    person.is_active = False
    person.save(update_fields=["is_active"])
    sessions_end(person)
    audit_record(actor=actor, action="person.deactivated", target=person.email)
    person_sockets_close(person)
    return person


@transaction.atomic
def person_reactivate(*, actor: User, person: User) -> User:
    """Let a person in again, with the role they had. Raises RoleTooHighError, PeopleLimitError."""
    _hold(person)
    person_check(actor, person)
    if not person.is_active:
        people_limit_check()
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


def person_sockets_close(person: User) -> None:
    """End what a person watches, once this transaction is through: what they may see has changed."""
    factory = factory_current()
    if factory is not None:
        transaction.on_commit(partial(sockets_close, factory.slug, user_id=person.pk))


def people_wait() -> None:
    """Let whoever else invites or lets in somebody here be through first; call inside a transaction, to its end.

    Two who ask at once would both find room for one, or nobody of that address.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.people', 0))")


def people_limit_check() -> None:
    """Raises PeopleLimitError when everybody that the plan has room for is here or invited."""
    people_wait()
    limits = limits_of(factory_current())
    waiting = Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=clock.now()).count()
    if User.objects.filter(is_active=True).count() + waiting >= limits.people:
        raise PeopleLimitError(limit_sentence("people", limits))


def _hold(person: User) -> None:
    """Read them again, and keep them as they are until this transaction is through.

    Somebody may have made them an owner since they were looked at. Owners are held along, in one order for all, so
    that two who change each other at once wait and don't block one another.
    """
    held = Q(pk=person.pk) | Q(role=Role.OWNER, is_active=True)
    list(User.objects.select_for_update().filter(held).order_by("pk").values_list("pk"))
    person.refresh_from_db()


def _owner_stays(person: User) -> None:
    """Raises LastOwnerError when nobody else could act as the owner; call inside a transaction."""
    # Locked, so that two owners who remove each other at once don't both succeed.
    owners = list(User.objects.select_for_update().filter(role=Role.OWNER, is_active=True).order_by("pk"))
    if [owner.pk for owner in owners] == [person.pk]:
        raise LastOwnerError(_("A factory needs an owner: make somebody else an owner first."))
