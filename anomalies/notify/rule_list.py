"""A rule's own list of whom to tell, in place of the routes.

Each entry is one of `person:ADDRESS`, `role:ROLE`, `on-call:SCHEDULE`, `target:NAME`, `route:NAME` and `everybody`, for
people optionally with channels behind a slash: `role:supervisor/sms,email`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Role, User
from anomalies.models import ChannelName, NotificationTarget, OnCallSchedule, Route
from anomalies.notify.directory import Directory
from common.errors import InvalidInputError

KINDS = ("person", "role", "on-call", "target", "route", "everybody")
_PERSONAL = {ChannelName.EMAIL, ChannelName.SMS, ChannelName.WHATSAPP, ChannelName.PUSH, ChannelName.IN_APP}


class NotifyListInvalidError(InvalidInputError):
    """An entry of a rule's list names nobody."""

    code = "notify_invalid"


@dataclass(frozen=True, slots=True)
class Wish:
    """One entry of a rule's list."""

    kind: str
    name: str
    channels: tuple[str, ...] = ()

    def people(self, directory: Directory, at: datetime) -> Iterator[int]:
        """Ids of the people it names."""
        if self.kind == "everybody":
            yield from directory.handlers()
        elif self.kind == "role":
            yield from directory.with_roles({self.name})
        elif self.kind == "person":
            yield from (pk for pk, user in directory.people.items() if user.email.lower() == self.name.lower())
        elif self.kind == "on-call":
            named = [pk for pk, (name, _turns, _ins) in directory.schedules.items() if name == self.name]
            yield from (person for pk in named if (person := directory.on_call(pk, at)) is not None)

    def targets(self, directory: Directory) -> Iterator[int]:
        """Ids of the programs and rooms it names."""
        if self.kind == "target":
            yield from (pk for pk, target in directory.targets.items() if target.name == self.name)

    def names_route(self, route: str) -> bool:
        """Whether it names this route."""
        return self.kind == "route" and self.name == route


def rule_wishes(rule: Any) -> list[Wish]:
    """What a rule's list says; empty where there is no rule, or its list is empty and the routes hold."""
    entries = getattr(rule, "notify", None) or ()
    return [_wish(str(entry)) for entry in entries]


def notify_check(entries: Sequence[str]) -> None:
    """Refuse a list that names what does not exist. Raises NotifyListInvalidError with one error an entry."""
    errors = [
        {"field": f"notify.{place}", "code": "unknown", "detail": problem}
        for place, entry in enumerate(entries)
        if (problem := _problem(entry))
    ]
    if errors:
        raise NotifyListInvalidError(str(errors[0]["detail"]), errors=errors)


def _wish(entry: str) -> Wish:
    spoken, _slash, channels = entry.partition("/")
    kind, _colon, name = spoken.partition(":")
    return Wish(kind.strip(), name.strip(), tuple(part.strip() for part in channels.split(",") if part.strip()))


def _problem(entry: Any) -> str:
    if not isinstance(entry, str):
        return str(_("Each entry is a text such as “role:supervisor”."))
    wish = _wish(entry)
    if wish.kind not in KINDS:
        return _("“%(entry)s” begins with none of %(kinds)s.") % {"entry": entry, "kinds": ", ".join(KINDS)}
    strange = [channel for channel in wish.channels if channel not in _PERSONAL]
    if strange:
        return _("People are not told by “%(channel)s”.") % {"channel": strange[0]}
    known: dict[str, Callable[[], bool]] = {
        "person": lambda: User.objects.filter(email__iexact=wish.name, is_active=True).exists(),
        "role": lambda: wish.name in Role.values,
        "on-call": lambda: OnCallSchedule.objects.filter(name=wish.name).exists(),
        "target": lambda: NotificationTarget.objects.filter(name=wish.name).exists(),
        "route": lambda: Route.objects.filter(name=wish.name).exists(),
        "everybody": lambda: not wish.name,
    }
    return "" if known[wish.kind]() else _("“%(entry)s” names nothing that is here.") % {"entry": entry}
