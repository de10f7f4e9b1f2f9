"""The alert console's reading side: which alerts a person asked for, and the one to show on every page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils.translation import gettext as _

from anomalies.models import OPEN_STATES, Alert, AlertState, Severity

PAGE_SIZE = 50
STATES: dict[str, tuple[str, ...]] = {
    "open": OPEN_STATES,
    "unacknowledged": (AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.RETURNED_UNACKNOWLEDGED),
    "acknowledged": (AlertState.ACTIVE_ACKNOWLEDGED,),
    "cleared": (AlertState.NORMAL,),
    "all": tuple(AlertState.values),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """What a person asked to see; anything unknown falls back to the widest choice."""

    state: str = "open"
    severity: str = ""
    machine: str = ""
    before: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "AlertFilter":
        """From a page's query string."""
        state, severity, before = query.get("state", ""), query.get("severity", ""), query.get("before", "")
        return cls(
            state=state if state in STATES else "open",
            severity=severity if severity in Severity.values else "",
            machine=query.get("machine", ""),
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
        )

    @property
    def query(self) -> str:
        """As a query string without the place in the list."""
        chosen = {"state": self.state, "severity": self.severity, "machine": self.machine}
        return urlencode({name: value for name, value in chosen.items() if value})

    def query_for(self, state: str) -> str:
        """The same choice with another state."""
        return replace(self, state=state).query

    @property
    def narrowed(self) -> bool:
        """Whether severity or machine leave something out."""
        return bool(self.severity or self.machine)


def state_choices(chosen: AlertFilter) -> list[dict[str, str]]:
    """The states to choose from, each with its word and its query string."""
    words = {
        "open": _("Open"),
        "unacknowledged": _("To acknowledge"),
        "acknowledged": _("In hand"),
        "cleared": _("Cleared"),
        "all": _("All"),
    }
    return [{"state": state, "label": words[state], "query": chosen.query_for(state)} for state in STATES]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsPage:
    """A stretch of the list, newest first, and where the next begins."""

    alerts: list[Alert]
    next_before: int | None


def alerts_page(chosen: AlertFilter) -> AlertsPage:
    """The alerts a person asked for; open ones that nobody has in hand first, then by severity and age."""
    found = Alert.objects.filter(state__in=STATES[chosen.state]).select_related(
        "machine__line__site", "acknowledged_by"
    )
    if chosen.severity:
        found = found.filter(severity=chosen.severity)
    if chosen.machine:
        found = found.filter(machine__key=chosen.machine)
    if chosen.state in {"open", "unacknowledged", "acknowledged"}:
        # What is open fits on a page: a plant with more has one alert, a flood, and PAGE_SIZE worst of it are shown.
        return AlertsPage(alerts=list(by_urgency(found)[:PAGE_SIZE]), next_before=None)
    if chosen.before is not None:
        found = found.filter(pk__lt=chosen.before)
    rows = list(found.order_by("-pk")[: PAGE_SIZE + 1])
    more = len(rows) > PAGE_SIZE
    return AlertsPage(alerts=rows[:PAGE_SIZE], next_before=rows[PAGE_SIZE - 1].pk if more else None)


def by_urgency(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    """Unacknowledged and still wrong first, then unacknowledged, then the rest; severest and newest first in each."""
    state = Case(
        When(state=AlertState.ACTIVE_UNACKNOWLEDGED, then=Value(0)),
        When(state=AlertState.RETURNED_UNACKNOWLEDGED, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    severity = Case(
        *(When(severity=value, then=Value(-rank)) for rank, value in enumerate(Severity.values)),
        default=Value(0),
        output_field=IntegerField(),
    )
    return alerts.order_by(state, severity, "-raised_at", "-pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What the top of every page says. `alert` is None when nothing is open."""

    alert: Alert | None
    unacknowledged: int
    acknowledged: int

    @property
    def more(self) -> int:
        """How many others wait beside the one that is shown."""
        return max(0, (self.unacknowledged or self.acknowledged) - 1)

    @property
    def look(self) -> str:
        """How loud it is: the severity while it is active and nobody has it in hand."""
        if self.alert is None or self.alert.state == AlertState.ACTIVE_UNACKNOWLEDGED:
            return self.alert.severity if self.alert else ""
        return "returned" if self.unacknowledged else "acknowledged"


def banner_read() -> Banner:
    """The most urgent open alert and how many there are, in one query."""
    rows = list(by_urgency(Alert.objects.filter(state__in=OPEN_STATES).select_related("machine", "acknowledged_by")))
    acknowledged = sum(alert.state == AlertState.ACTIVE_ACKNOWLEDGED for alert in rows)
    return Banner(alert=rows[0] if rows else None, unacknowledged=len(rows) - acknowledged, acknowledged=acknowledged)
