"""Views kept by name: a person's own, and those that others share with the factory."""

from urllib.parse import parse_qsl, urlencode

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import EQUIPMENT, permits
from common.errors import InvalidInputError, LimitReachedError, NotPermittedError
from telemetry.models import SavedView

MOST_VIEWS = 100
_QUERY_LENGTH = 4_000
_NAME_LENGTH = 80
# What an address of a comparison may say; anything else is not kept.
_KEPT = frozenset({"s", "layout", "shift", "range", "from", "to"})


class SavedViewInvalidError(InvalidInputError):
    """The view has no name, or shows nothing."""

    code = "saved_view_invalid"


class SavedViewsLimitError(LimitReachedError):
    """A person keeps so many views at most."""

    code = "saved_views_limit"
    status = 403


class SavedViewNotYoursError(NotPermittedError):
    """Somebody else keeps it."""

    code = "saved_view_not_yours"


def saved_views(user: User) -> QuerySet[SavedView]:
    """What this person finds: their own and the shared ones, by name."""
    return SavedView.objects.filter(Q(owner_id=user.pk) | Q(shared=True)).select_related("owner")


def view_save(*, user: User, name: str, query: str, shared: bool = False) -> SavedView:
    """Keep an address under a name; the same name again replaces it.

    Raises SavedViewInvalidError, SavedViewsLimitError.
    """
    name = " ".join(name.replace("\0", "").split())
    if not name or len(name) > _NAME_LENGTH:
        raise SavedViewInvalidError(_("Give the view a name of 1 to %(number)s letters.") % {"number": _NAME_LENGTH})
    said = [(part, value) for part, value in parse_qsl(query.lstrip("?")) if part in _KEPT]
    kept = urlencode(said, safe="/*")
    if not any(part == "s" for part, _value in said) or len(kept) > _QUERY_LENGTH:
        raise SavedViewInvalidError(_("There is nothing to keep yet: add a series first."))
    own = SavedView.objects.filter(owner_id=user.pk)
    if not own.filter(name=name).exists() and own.count() >= MOST_VIEWS:
        raise SavedViewsLimitError(_("You keep %(number)s views; remove one first.") % {"number": MOST_VIEWS})
    saved, _made = SavedView.objects.update_or_create(
        owner_id=user.pk, name=name, defaults={"query": kept, "shared": shared}
    )
    return saved


def view_remove(*, user: User, view: SavedView) -> None:
    """Forget a view. A shared one may also be removed by who configures machines. Raises SavedViewNotYoursError."""
    if not may_remove_view(user, view):
        raise SavedViewNotYoursError(_("Only whoever keeps this view can remove it."))
    view.delete()


def may_remove_view(user: User, view: SavedView) -> bool:
    """Whether this person may forget it."""
    return view.owner_id == user.pk or (view.shared and permits(user, EQUIPMENT))
