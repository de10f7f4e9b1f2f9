"""What of the plant a person looks at: words, place and state narrow the tiles, and the order stands in the address."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from anomalies.models import HealthStatus, Severity
from anomalies.tiles import LineGroup, Tile

_WORDS_LENGTH = 120
_SEVERITY_RANK = {severity: rank for rank, severity in enumerate(Severity.values)}
# The order of attention among tiles whose alerts weigh the same.
_STATE_RANK = {"silent": 2, "new": 1}


def _wants_attention(tile: Tile) -> bool:
    return bool(tile.alert) or tile.health_status == HealthStatus.ANOMALOUS or tile.state == "silent"


_STATES: Mapping[str, Callable[[Tile], bool]] = {
    "": lambda _tile: True,
    "attention": _wants_attention,
    "alert": lambda tile: bool(tile.alert),
    "silent": lambda tile: tile.state == "silent",
    "learning": lambda tile: tile.health_status == HealthStatus.LEARNING,
}


def _urgency(tile: Tile) -> tuple[bool, int, bool, int, str]:
    """Worst first: open and unhandled, by severity; then anomalous, silent, new."""
    alert = tile.alert
    return (
        not (alert and tile.severity in _SEVERITY_RANK),
        -_SEVERITY_RANK.get(Severity(alert.severity), 0) - 1 if alert else 0,
        tile.health_status != HealthStatus.ANOMALOUS,
        -_STATE_RANK.get(tile.state, 0),
        tile.machine.key,
    )


def _health(tile: Tile) -> tuple[bool, float, str]:
    known = tile.health is not None and tile.health.health_percent is not None
    percent = tile.health.health_percent if tile.health is not None else None
    return not known, percent or 0.0, tile.machine.key


def _seen(tile: Tile) -> tuple[bool, float]:
    seen = tile.machine.last_seen_at
    return seen is None, seen.timestamp() if seen else 0.0


# "line" is the plant as it stands; every other order is one list without lines.
_ORDERS: Mapping[str, Callable[[Tile], Any]] = {
    "line": lambda tile: 0,
    "urgency": _urgency,
    "name": lambda tile: str(tile.machine).casefold(),
    "health": _health,
    "seen": _seen,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetFilter:
    """What was asked for. place: "s<site id>", "l<line id>", "none" for machines without a line, or empty for all."""

    q: str = ""
    state: str = ""
    place: str = ""
    sort: str = "line"

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> "FleetFilter":
        """From a query string; what is not known there is left out."""
        state, sort = str(asked.get("state", "")), str(asked.get("sort", ""))
        return cls(
            q=" ".join(str(asked.get("q", ""))[:_WORDS_LENGTH].split()),
            state=state if state in _STATES else "",
            place=str(asked.get("place", ""))[:20],
            sort=sort if sort in _ORDERS else "line",
        )

    @property
    def query(self) -> str:
        """The shortest query string that asks for the same, so that an address can be read and shared."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        default = FleetFilter()
        return urlencode({name: value for name, value in chosen.items() if value != getattr(default, name)})

    @property
    def narrows(self) -> bool:
        """Whether anything is left out."""
        return bool(self.q or self.state or self.place)

    @property
    def follows_alerts(self) -> bool:
        """Whether an alert changes which tiles stand where."""
        return self.sort in {"urgency", "health"} or bool(self.state)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """The tiles to show, and how many each state would show."""

    groups: list[LineGroup]
    counts: Mapping[str, int]
    shown: int
    total: int


def fleet_view(groups: Sequence[LineGroup], chosen: FleetFilter) -> FleetView:
    """Narrow and order the plant."""
    placed = [
        LineGroup(line=group.line, tiles=_named(group, chosen)) for group in groups if _is_at(group, chosen.place)
    ]
    counts = {
        state: sum(1 for group in placed for tile in group.tiles if wanted(tile)) for state, wanted in _STATES.items()
    }
    wanted = _STATES[chosen.state]
    kept = [LineGroup(line=group.line, tiles=[tile for tile in group.tiles if wanted(tile)]) for group in placed]
    kept = [group for group in kept if group.tiles]
    if chosen.sort != "line" and kept:
        tiles = sorted((tile for group in kept for tile in group.tiles), key=_ORDERS[chosen.sort])
        kept = [LineGroup(line=None, tiles=tiles)]
    shown = sum(len(group.tiles) for group in kept)
    return FleetView(groups=kept, counts=counts, shown=shown, total=sum(len(group.tiles) for group in groups))


def state_choices(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The states a person may choose, with how many machines each has."""
    labels = {
        "": _("All"),
        "attention": _("Needs attention"),
        "alert": _("Alert"),
        "silent": _("Silent"),
        "learning": _("Learning"),
    }
    return [{"value": value, "label": label, "count": counts[value]} for value, label in labels.items()]


def sort_choices() -> list[tuple[str, str]]:
    """The orders a person may choose."""
    labels = (_("By line"), _("Worst first"), _("By name"), _("By health"), _("Longest silent"))
    return list(zip(_ORDERS, labels, strict=True))


def place_choices(groups: Iterable[LineGroup]) -> list[tuple[str, str]]:
    """Sites, each followed by its lines, and the place of machines that stand nowhere."""
    choices: dict[str, str] = {}
    for group in groups:
        if group.line is None:
            continue
        choices[f"s{group.line.site_id}"] = group.line.site.name
    by_site = {
        site: [
            (f"l{group.line.pk}", f"{group.line.site.name}, {group.line.name}")
            for group in groups
            if group.line is not None and f"s{group.line.site_id}" == site
        ]
        for site in choices
    }
    listed = [choice for site, label in choices.items() for choice in ((site, label), *by_site[site])]
    loose = any(group.line is None for group in groups)
    return [*listed, ("none", _("Not on a line yet"))] if loose and listed else listed


def _is_at(group: LineGroup, place: str) -> bool:
    if not place:
        return True
    if group.line is None:
        return place == "none"
    return place in {f"s{group.line.site_id}", f"l{group.line.pk}"}


def _named(group: LineGroup, chosen: FleetFilter) -> list[Tile]:
    """Tiles in whose names every word stands, in any order."""
    words = chosen.q.casefold().split()
    if not words:
        return group.tiles
    return [tile for tile in group.tiles if all(word in _about(tile) for word in words)]


def _about(tile: Tile) -> str:
    machine, line = tile.machine, tile.machine.line
    place = f"{line.name} {line.site.name}" if line else ""
    return f"{machine.key} {machine.name} {machine.machine_type} {place} {tile.metric_label}".casefold()
