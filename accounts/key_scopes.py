"""Which keys somebody may make, change or take into their hands: none that may do more than they may."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from accounts.actions import BY_SCOPE, INGEST
from accounts.models import User
from accounts.permissions import actions_of
from common.errors import NotPermittedError


class ScopeTooHighError(NotPermittedError):
    """The key may do, or would do, what the person may not do themselves."""

    code = "scope_too_high"


def scopes_check(actor: User | None, scopes: Iterable[str]) -> None:
    """Raises ScopeTooHighError when a key with these scopes may do what the actor may not. None: the product itself.

    Sending readings is no person's, so whoever looks after keys may give it.
    """
    given = frozenset[str]().union(*(BY_SCOPE.get(scope, frozenset()) for scope in scopes)) - {INGEST}
    if actor is not None and not given <= actions_of(actor):
        raise ScopeTooHighError(_("You may only give a key what you may do yourself."))
