"""What a person or a key may do: one table of actions by role, asked by pages, API, admin and sockets alike."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.actions import (
    ACKNOWLEDGE,
    ACTIONS,
    ADMINISTRATORS,
    ANALYTICS,
    AUDIT,
    BY_SCOPE,
    DELIVERIES,
    EQUIPMENT,
    FACTORY,
    INGEST,
    NOTIFICATIONS,
    ORDERS,
    PEOPLE,
    REPORTS,
    RULES,
    VIEW,
    actions_of_role,
)
from accounts.models import User
from tenants.context import factory_current

__all__ = [
    "ACKNOWLEDGE",
    "ACTIONS",
    "ADMINISTRATORS",
    "ANALYTICS",
    "AUDIT",
    "DELIVERIES",
    "EQUIPMENT",
    "FACTORY",
    "INGEST",
    "NOTIFICATIONS",
    "ORDERS",
    "PEOPLE",
    "REPORTS",
    "RULES",
    "VIEW",
    "DenyByDefault",
    "actions_of",
    "may_administer",
    "page_requires",
    "permits",
    "proves_key",
    "public_page",
    "requires",
    "requires_by_method",
]

Asker = Any  # a User, AnonymousUser, or accounts.authentication.KeyUser
ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def permits(user: Asker, action: str) -> bool:
    """Whether this person or key, in the current factory, may do the action; False for anybody unknown.

    Raises ValueError for an action that does not exist, because a misspelt one would refuse silently.
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}")
    if factory_current() is None:
        return False
    scopes = getattr(user, "scopes", None)
    if scopes is not None:
        return any(action in BY_SCOPE.get(scope, ()) for scope in scopes)
    if not isinstance(user, User) and not isinstance(getattr(user, "_wrapped", None), User):
        return False
    return bool(user.is_active) and action in actions_of(user)


def actions_of(person: User) -> frozenset[str]:
    """Everything that a person's role and single permissions allow, whether or not they may sign in."""
    custom = person.custom_role.actions if person.custom_role else None
    return actions_of_role(person.role, custom=custom, extra=person.extra_actions, restricted=person.reach is not None)


def may_administer(user: Asker) -> bool:
    """Whether this person may open the admin of the current factory."""
    # Admins can't be restricted to a part of the plant (`accounts.access`), so none is here.
    return permits(user, EQUIPMENT) and getattr(user, "role", None) in ADMINISTRATORS


class RoleBackend(BaseBackend):
    """Gives a factory's admins and owner every model permission there, and nobody else any; signs nobody in."""

    def get_user(self, user_id: Any) -> User | None:
        return User.objects.filter(pk=user_id).first()

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:  # the framework's signature
        return may_administer(user_obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return may_administer(user_obj)


class DenyByDefault(BasePermission):
    """The API's default: a view that does not say who may use it refuses everybody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return False


def requires(action: str) -> type[BasePermission]:
    """A permission class for API views: `permission_classes = [requires("view")]`."""
    return requires_by_method(default=action)


def requires_by_method(*, default: str, **by_method: str) -> type[BasePermission]:
    """A permission class that asks for another action by HTTP method.

    For example `requires_by_method(default="view", POST="rules")`.
    """
    unknown = ({default} | set(by_method.values())) - ACTIONS
    if unknown:
        raise ValueError(f"unknown actions {sorted(unknown)}")

    class Requires(BasePermission):
        # Read by docs/permissions.md and its test.
        required_action = staticmethod(lambda method: by_method.get(method, default))
        message = _("You may not do this.")

        def has_permission(self, request: Request, view: Any) -> bool:
            method = "GET" if request.method in {"HEAD", "OPTIONS"} else str(request.method)
            return permits(request.user, by_method.get(method, default))

    return Requires


def public_page(view: ViewT) -> ViewT:
    """Mark a page that a stranger may open on a factory's host (sign-in, invitation)."""
    view.public_page = True  # type: ignore[attr-defined]  # a function takes attributes
    return view


def proves_key(action: str) -> Callable[[ViewT], ViewT]:
    """Mark a door that proves a key by itself, as those of devices do, with what it asks of the key."""

    def decorate(view: ViewT) -> ViewT:
        view.required_action = lambda method: action  # type: ignore[attr-defined]  # as in requires_by_method
        return view

    return decorate


def page_requires(action: str) -> Callable[[ViewT], ViewT]:
    """Guard a page: a stranger goes to sign-in, a person without the right sees a 403 page."""
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}")

    def decorate(view: ViewT) -> ViewT:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not permits(request.user, action):
                raise PermissionDenied(_("Your role does not allow this. Ask an admin of your factory."))
            response: HttpResponse = view(request, *args, **kwargs)
            return response

        guarded.required_action = lambda method: action  # type: ignore[attr-defined]  # as in requires_by_method
        return guarded  # type: ignore[return-value]  # wraps() keeps the signature

    return decorate
