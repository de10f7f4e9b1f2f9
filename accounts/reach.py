"""How far a person or a key sees: the whole factory, or some of its sites, lines and machines.

Whoever asks is bound here once, by the door they came in through; `telemetry.reach` filters every query by it. What
nobody binds (tasks, the drain, commands) sees the whole factory.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from common.errors import InvalidInputError


class ReachInvalidError(InvalidInputError):
    """The restriction names nothing, or a place that this factory does not have."""

    code = "reach_invalid"


@dataclass(frozen=True, slots=True)
class Reach:
    """Ids of sites and lines, and keys of machines, beyond which nothing is seen. Empty reaches nothing."""

    sites: frozenset[int] = frozenset()
    lines: frozenset[int] = frozenset()
    machines: frozenset[str] = frozenset()

    @classmethod
    def stored(cls, stored: Any) -> "Reach | None":
        """From a row's JSON; None for the whole factory. Whatever can't be understood reaches nothing."""
        if stored is None:
            return None
        if not isinstance(stored, dict):
            return cls()
        return cls(_ids(stored.get("sites")), _ids(stored.get("lines")))

    @classmethod
    def of_link(cls, told: dict[str, list[Any]]) -> "Reach":
        """From a signed link, which nobody but `to_link` wrote."""
        return cls(*(frozenset(told[kind]) for kind in ("sites", "lines", "machines")))

    def to_link(self) -> dict[str, list[Any]]:
        """As a signed link carries it, keys' machines included."""
        return {**self.to_store(), "machines": sorted(self.machines)}

    def to_store(self) -> dict[str, list[int]]:
        """As a row keeps it."""
        return {"sites": sorted(self.sites), "lines": sorted(self.lines)}


@dataclass(frozen=True, slots=True)
class Place:
    """A site or a line that a person may be restricted to; kind: "site" or "line"."""

    kind: str
    pk: int
    name: str


# The floor above knows the plant; it leaves here how to ask for its places.
_places: list[Callable[[], list[Place]]] = []
_current: ContextVar[Reach | None] = ContextVar("reach", default=None)


def reach_current() -> Reach | None:
    """How far whoever asks now may see; None for the whole factory."""
    return _current.get()


def reach_enter(reach: Reach | None) -> None:
    """Bind for the rest of this request; `ReachMiddleware` lets go of it."""
    _current.set(reach)


@contextmanager
def reach_bound(reach: Reach | None) -> Iterator[None]:
    """Bind for the block."""
    token = _current.set(reach)
    try:
        yield
    finally:
        _current.reset(token)


def reach_of(asker: Any) -> Reach | None:
    """How far a person, or a key, may see."""
    if hasattr(asker, "scopes"):
        machines = asker.key.machines
        return Reach(machines=machines) if machines else None
    return Reach.stored(getattr(asker, "reach", None))


def places_known_by(source: Callable[[], list[Place]]) -> None:
    """Leave word of how to ask for the factory's sites and lines."""
    _places.append(source)


def places() -> list[Place]:
    """The current factory's sites and lines, whoever asks."""
    with reach_bound(None):
        return [place for source in _places for place in source()]


def reach_checked(wanted: Any) -> Reach | None:
    """A restriction that exists: None for the whole factory, else {"sites": [ids], "lines": [ids]}.

    Raises ReachInvalidError.
    """
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or set(wanted) - {"sites", "lines"}:
        raise ReachInvalidError(_("Name sites and lines by their numbers, or nothing for the whole factory."))
    reach = Reach.stored(wanted) or Reach()
    known = {(place.kind, place.pk) for place in places()}
    named = {("site", pk) for pk in reach.sites} | {("line", pk) for pk in reach.lines}
    asked = sum(len(wanted.get(kind) or []) for kind in ("sites", "lines"))
    if not named or not named <= known or len(named) != asked:
        raise ReachInvalidError(_("Choose at least one site or line of this factory."))
    return reach


def _ids(stored: Iterable[Any] | None) -> frozenset[int]:
    listed = stored if isinstance(stored, list) else []
    return frozenset(number for number in listed if isinstance(number, int) and not isinstance(number, bool))
