"""Who may open which door, read from the code itself: docs/permissions.md is written from it, and tested against it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import AllowAny

from accounts.actions import BY_ROLE, BY_SCOPE, EXPLAINED
from accounts.models import Role

ANYBODY = "anybody"
SIGN_IN = "sign-in"  # django-allauth's pages, and ours made of them, which ask by themselves who is there
ADMIN = "admin"
UNKNOWN = "unknown"  # says nothing of who may open it: the tests refuse that
_METHODS = ("get", "post", "put", "patch", "delete")
_SIGN_IN_MODULES = ("allauth.",)


@dataclass(frozen=True, slots=True)
class Door:
    """One URL of a factory with what each of its methods asks for: an action, or one of the words above."""

    path: str
    name: str
    asks: tuple[tuple[str, str], ...]

    def asks_for(self, method: str) -> str:
        """What the method asks for; of a page that does not tell its methods apart, what all ask for."""
        by_method = dict(self.asks)
        return by_method.get(method.upper()) or by_method.get("*", UNKNOWN)


def doors(urlconf: str | None = None) -> list[Door]:
    """Every URL of a factory, in the order of the URLconf; the admin as one."""
    found: dict[str, Door] = {}
    for door in _doors(get_resolver(urlconf or settings.ROOT_URLCONF).url_patterns, "/"):
        # Of two at one address the first answers: ours stand before those of libraries that they take the place of.
        found.setdefault(door.path, door)
    return list(found.values())


def roles_for(asked: str) -> list[str]:
    """The roles that open a door that asks for this."""
    if asked == ADMIN:
        return [Role.ADMIN.value, Role.OWNER.value]
    if asked in {ANYBODY, SIGN_IN}:
        return list(Role.values)
    return [role for role in Role.values if asked in BY_ROLE[role]]


def markdown() -> str:
    """The whole of docs/permissions.md."""
    return "\n".join([_HEAD, *_actions(), *_scopes(), *_doors_table()]) + "\n"


def _doors(patterns: Any, prefix: str) -> Iterator[Door]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            if path == "/admin/":
                yield Door("/admin/…", "admin", (("*", ADMIN),))
            else:
                yield from _doors(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield Door(path, pattern.name or "", _asks(pattern.callback))


def _asks(view: Callable[..., Any]) -> tuple[tuple[str, str], ...]:
    asks = getattr(view, "required_action", None)
    if asks is not None:
        return (("*", asks("GET")),)
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if getattr(view, "public_page", False) or getattr(kind, "public_page", False):
        return (("*", ANYBODY),)
    module = str(getattr(kind or view, "__module__", ""))
    if module.startswith(_SIGN_IN_MODULES) or getattr(kind, "sign_in_page", False):
        return (("*", SIGN_IN),)
    if module.startswith(("factorypulse.health", "drf_spectacular.")):
        return (("*", ANYBODY),)
    if kind is not None and hasattr(kind, "permission_classes"):
        return tuple((method.upper(), _asked_by(kind, method)) for method in _METHODS if hasattr(kind, method))
    return (("*", UNKNOWN),)


def _asked_by(kind: Any, method: str) -> str:
    asked = []
    for permission in kind.permission_classes:
        if permission is AllowAny:
            asked.append(ANYBODY)
        elif hasattr(permission, "required_action"):
            asked.append(str(permission.required_action(method.upper())))
    return asked[0] if len(asked) == 1 else UNKNOWN


_HEAD = """# Who may do what

Written by `manage.py permission_table` from `accounts/actions.py` and the URLs; the tests compare both, and ask every
URL as every role. A person has one role, or one of the factory's own roles in its place, and single permissions on top.
Whoever is restricted to sites or lines sees those alone, through every door (`telemetry/reach.py`), and may do nothing
that is the whole factory's. A report is written once, of all machines; of it they get an extract about theirs, with
sums, ranks and a hash of its own (`reports/extracts.py`).
"""


def _actions() -> list[str]:
    heads = [str(role.label) for role in Role]
    lines = ["## Roles", "", f"| action | means | {' | '.join(heads)} |", f"|---|---|{'---|' * len(heads)}"]
    for action, means in EXPLAINED.items():
        marks = ["yes" if action in BY_ROLE[role] else "–" for role in Role.values]
        lines.append(f"| {action} | {means} | {' | '.join(marks)} |")
    return [*lines, ""]


def _scopes() -> list[str]:
    lines = ["## Keys", "", "| scope | may |", "|---|---|"]
    for scope, actions in BY_SCOPE.items():
        lines.append(f"| {scope} | {', '.join(action for action in EXPLAINED if action in actions)} |")
    lines += [
        "",
        "A key may be bound to machines, networks and a time. No key looks after people, keys or the audit trail.",
        "",
    ]
    return lines


def _doors_table() -> list[str]:
    lines = ["## Doors", "", "| URL | asks for | opens to |", "|---|---|---|"]
    for door in sorted(doors(), key=lambda door: (door.path.startswith("/api/"), door.path)):
        asks = "; ".join(asked if method == "*" else f"{method}: {asked}" for method, asked in door.asks)
        opens = "; ".join(_opens(asked) for asked in dict.fromkeys(asked for _method, asked in door.asks))
        lines.append(f"| `{door.path.replace('|', '&#124;')}` | {asks} | {opens} |")
    return lines


def _opens(asked: str) -> str:
    if asked == ANYBODY:
        return "anybody"
    if asked == SIGN_IN:
        return "whoever signs in"
    roles = roles_for(asked)
    return "nobody but keys" if not roles else f"{roles[0]} and up" if roles[-1] == Role.OWNER else ", ".join(roles)
