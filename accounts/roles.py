"""Roles of a factory's own: a name and the actions it allows, given and changed by those who may do them all."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext as _

from accounts.actions import SINGLE_ACTIONS, actions_of_role
from accounts.audit import audit_record
from accounts.models import CustomRole, Role, User
from accounts.people import actions_check, person_sockets_close
from common.errors import ConflictError, InvalidInputError, NotFoundError


class RoleNotFoundError(NotFoundError):
    """No role of that id in this factory."""

    code = "role_not_found"


class RoleTakenError(ConflictError):
    """A role is called so already."""

    code = "role_taken"


class RoleInUseError(ConflictError):
    """Somebody has the role, or is invited with it."""

    code = "role_in_use"


class RoleInvalidError(InvalidInputError):
    """The role has no name, or an action that can't be given singly."""

    code = "role_invalid"


def role_get(role_id: int) -> CustomRole:
    """The factory's own role. Raises RoleNotFoundError."""
    role = CustomRole.objects.filter(pk=role_id).first()
    if role is None:
        raise RoleNotFoundError(_("There is no such role in this factory."))
    return role


def role_create(*, actor: User, name: str, actions: Iterable[str]) -> CustomRole:
    """Make one. Raises RoleInvalidError, RoleTakenError, RoleTooHighError."""
    return _saved(actor, CustomRole(), name, actions, "role.created")


def role_update(*, actor: User, role: CustomRole, name: str, actions: Iterable[str]) -> CustomRole:
    """Change it for everybody who has it, at once. Raises as `role_create`."""
    _may_touch(actor, role.actions)
    return _saved(actor, role, name, actions, "role.changed")


def role_delete(*, actor: User, role: CustomRole) -> None:
    """Remove a role that nobody has. Raises RoleInUseError, RoleTooHighError."""
    _may_touch(actor, role.actions)
    try:
        with transaction.atomic():
            audit_record(actor=actor, action="role.deleted", target=role.name, before={"actions": role.actions})
            role.delete()
    except ProtectedError as error:
        raise RoleInUseError(_("Somebody has this role, or was invited with it: give them another first.")) from error


def _saved(actor: User, role: CustomRole, name: str, actions: Iterable[str], deed: str) -> CustomRole:
    wanted = sorted(set(actions))
    if not name.strip() or not set(wanted) <= set(SINGLE_ACTIONS):
        raise RoleInvalidError(_("A role needs a name and permissions that can be given singly."))
    _may_touch(actor, wanted)
    before = {"name": role.name, "actions": role.actions} if role.pk else None
    role.name, role.actions = name.strip()[:60], wanted
    try:
        with transaction.atomic():
            role.save()
            after = {"name": role.name, "actions": wanted}
            audit_record(actor=actor, action=deed, target=role.name, before=before, after=after)
            for person in role.people.all():
                person_sockets_close(person)
    except IntegrityError as error:
        raise RoleTakenError(_("There is a role “%(name)s” already.") % {"name": role.name}) from error
    return role


def _may_touch(actor: User, actions: Iterable[str]) -> None:
    actions_check(actor, (Role.VIEWER.value, actions_of_role(Role.VIEWER, custom=actions)))
