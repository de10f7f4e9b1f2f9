"""What one person may do and see, as it is given: a role, single permissions on top, and a part of the plant."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.actions import ADMINISTRATORS, SINGLE_ACTIONS, actions_of_role
from accounts.models import CustomRole, Invitation, Role, User
from accounts.reach import Reach
from common.errors import InvalidInputError


class AccessInvalidError(InvalidInputError):
    """These don't go together, or can't be given."""

    code = "access_invalid"


@dataclass(frozen=True, slots=True)
class Access:
    """role: one of `Role`, “viewer” where a role of the factory's own stands in its place. reach: None for all."""

    role: str
    custom_role: CustomRole | None = None
    extra_actions: frozenset[str] = frozenset()
    reach: Reach | None = None

    @classmethod
    def of(cls, holder: User | Invitation) -> "Access":
        """What a person has, or an invitation offers."""
        extra = frozenset(getattr(holder, "extra_actions", ()))
        return cls(holder.role, holder.custom_role, extra, Reach.stored(holder.reach))

    @property
    def actions(self) -> frozenset[str]:
        """Everything it allows."""
        custom = self.custom_role.actions if self.custom_role else None
        return actions_of_role(self.role, custom=custom, extra=self.extra_actions, restricted=self.reach is not None)

    def check(self) -> None:
        """Raises AccessInvalidError."""
        if self.role not in Role.values:
            raise AccessInvalidError(_("There is no role “%(role)s”.") % {"role": self.role})
        if self.custom_role is not None and self.role != Role.VIEWER:
            raise AccessInvalidError(_("A role of your own stands alone: choose it, or one of ours."))
        unknown = self.extra_actions - frozenset(SINGLE_ACTIONS)
        if unknown:
            raise AccessInvalidError(
                _("These can't be given singly: %(names)s.") % {"names": ", ".join(sorted(unknown))}
            )
        if self.reach is not None and self.role in ADMINISTRATORS:
            raise AccessInvalidError(_("Admins and owners look after the whole factory, so they can't be restricted."))

    def apply(self, holder: User | Invitation) -> None:
        """Write it to a row, which the caller saves."""
        holder.role, holder.custom_role = self.role, self.custom_role
        holder.reach = self.reach.to_store() if self.reach is not None else None
        if isinstance(holder, User):
            holder.extra_actions = sorted(self.extra_actions)

    def to_audit(self) -> dict[str, Any]:
        """As the audit trail tells it."""
        return {
            "role": str(self.custom_role) if self.custom_role else self.role,
            "extra_actions": sorted(self.extra_actions),
            "reach": self.reach.to_store() if self.reach is not None else None,
        }
