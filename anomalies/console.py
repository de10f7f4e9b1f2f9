"""The alert console's reading side: which alerts a person asked for, and the one to show on every page."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Case, Count, IntegerField, Max, Min, Q, QuerySet, Value, When
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from anomalies.models import HIDDEN_STATES, OPEN_STATES, Alert, AlertFamily, AlertGroup, AlertState, Severity, Verdict
from common.times import plant_day

PAGE_SIZE = 50
# Fewer alerts of one storm are read faster one by one.
STORM_SHOWN_FROM = 10
STATES: dict[str, tuple[str, ...]] = {
    "open": OPEN_STATES,
    "unacknowledged": (AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.RETURNED_UNACKNOWLEDGED),
    "acknowledged": (AlertState.ACTIVE_ACKNOWLEDGED,),
    "shelved": (AlertState.SHELVED,),
    "suppressed": (AlertState.SUPPRESSED, AlertState.OUT_OF_SERVICE),
    "cleared": (AlertState.NORMAL,),
    "all": tuple(AlertState.values),
}
# What is shown in order of urgency; the others are history, newest first.
_URGENT = frozenset({"open", "unacknowledged", "acknowledged", "shelved", "suppressed"})
_SOURCES: dict[str, Q] = {
    "rule": Q(cause__startswith="rule:"),
    "detector": Q(cause="detector"),
    "check": ~Q(cause__startswith="rule:") & ~Q(cause="detector"),
}
_RANKS = {severity: rank for rank, severity in enumerate(Severity.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """What a person asked to see; anything unknown falls back to the widest choice.

    after, until: days of the plant's calendar, both inclusive. before: the last id of the page before, in history.
    page: from 1, in lists by urgency.
    """

    state: str = "open"
    severity: str = ""
    machine: str = ""
    source: str = ""
    verdict: str = ""
    search: str = ""
    group: int | None = None
    after: date | None = None
    until: date | None = None
    before: int | None = None
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "AlertFilter":
        """From a page's query string."""
        state, severity = query.get("state", ""), query.get("severity", "")
        source, verdict = query.get("source", ""), query.get("verdict", "")
        return cls(
            state=state if state in STATES else "open",
            severity=severity if severity in Severity.values else "",
            machine=query.get("machine", ""),
            source=source if source in _SOURCES else "",
            verdict=verdict if verdict in {*Verdict.values, "none"} else "",
            search=query.get("q", "").replace("\0", "").strip()[:100],
            group=_number(query.get("group", "")),
            after=_day(query.get("after", "")),
            until=_day(query.get("until", "")),
            before=_number(query.get("before", "")),
            page=max(1, min(_number(query.get("page", "")) or 1, 1_000)),
        )

    @property
    def query(self) -> str:
        """As a query string without the place in the list."""
        chosen = {
            "state": self.state,
            "severity": self.severity,
            "machine": self.machine,
            "source": self.source,
            "verdict": self.verdict,
            "q": self.search,
            "group": self.group,
            "after": self.after,
            "until": self.until,
        }
        return urlencode({name: value for name, value in chosen.items() if value})

    @property
    def here(self) -> str:
        """The query string with the place in the list, so that a refreshed list stays where it is."""
        place = {"before": self.before, "page": self.page if self.page > 1 else None}
        return "&".join(filter(None, (self.query, urlencode({name: value for name, value in place.items() if value}))))

    def query_for(self, state: str) -> str:
        """The same choice with another state."""
        return replace(self, state=state).query

    @property
    def narrowed(self) -> bool:
        """Whether anything but the state leaves something out."""
        return self != AlertFilter(state=self.state, before=self.before, page=self.page)


def state_choices(chosen: AlertFilter) -> list[dict[str, Any]]:
    """The states to choose from, each with its word, its address, and how many alerts are in it now."""
    words = {
        "open": _("Open"),
        "unacknowledged": _("To acknowledge"),
        "acknowledged": _("In hand"),
        "shelved": _("Shelved"),
        "suppressed": _("Suppressed"),
        "cleared": _("Cleared"),
        "all": _("All"),
    }
    now = Alert.objects.exclude(state=AlertState.NORMAL).order_by().values_list("state").annotate(count=Count("pk"))
    counts = dict(now)
    return [
        {
            "value": state,
            "label": words[state],
            "href": f"?{chosen.query_for(state)}",
            "count": sum(counts.get(each, 0) for each in STATES[state]) if state in _URGENT else None,
        }
        for state in STATES
    ]


def source_choices() -> list[tuple[str, str]]:
    """Who may have found an alert."""
    return [("rule", _("Rules")), ("detector", _("Detectors")), ("check", _("Checks of the data"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Alerts of many machines that are shown as one."""

    group: AlertGroup
    alerts: int
    machines: int
    unacknowledged: int
    severity: str
    since_at: datetime
    worst: Alert | None

    @property
    def title(self) -> str:
        """What happened, with how many."""
        if self.group.family == AlertFamily.SILENCE:
            return _("%(count)s machines fell silent together") % {"count": self.machines}
        return _("%(count)s machines alarm together") % {"count": self.machines}

    @property
    def advice(self) -> str:
        """Where to look first."""
        if self.group.family == AlertFamily.SILENCE:
            return _("Look first at what they share on the way to us: a gateway, a switch, the network.")
        return _("Look first at what they share: power, air, cooling, material.")

    @property
    def severity_word(self) -> str:
        """The worst severity in the reader's language."""
        return str(Severity(self.severity).label)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsPage:
    """A stretch of the list, and where the next and the one before begin (query strings, or None)."""

    alerts: list[Alert]
    older: str | None = None
    newer: str | None = None
    storms: list[Storm] = field(default_factory=list)


def alerts_page(chosen: AlertFilter, *, zone: ZoneInfo) -> AlertsPage:
    """The alerts a person asked for.

    What is open: storms first, each as one; then what nobody has in hand, by severity and age. History: newest first.
    """
    found = _narrowed(chosen, zone)
    if chosen.state not in _URGENT:
        return _history(found, chosen)
    storms = [] if chosen.group else _storms(found)
    rest = found.exclude(group__in=[storm.group.pk for storm in storms]) if storms else found
    start = (chosen.page - 1) * PAGE_SIZE
    rows = list(by_urgency(rest)[start : start + PAGE_SIZE + 1])
    return AlertsPage(
        alerts=rows[:PAGE_SIZE],
        storms=storms if chosen.page == 1 else [],
        older=_place(chosen, page=chosen.page + 1) if len(rows) > PAGE_SIZE else None,
        newer=_place(chosen, page=chosen.page - 1) if chosen.page > 1 else None,
    )


def storm_alerts(group_id: int) -> list[int]:
    """Ids of everything in a storm that is open."""
    return list(Alert.objects.filter(group=group_id, state__in=OPEN_STATES).values_list("pk", flat=True)[:5_000])


def by_urgency(alerts: QuerySet[Alert], *, first: str = "") -> QuerySet[Alert]:
    """Unacknowledged and still wrong first, then unacknowledged, then the rest; severest and newest first in each."""
    state = Case(
        When(state=AlertState.ACTIVE_UNACKNOWLEDGED, then=Value(0)),
        When(state=AlertState.RETURNED_UNACKNOWLEDGED, then=Value(1)),
        When(state__in=HIDDEN_STATES, then=Value(3)),
        default=Value(2),
        output_field=IntegerField(),
    )
    before = [first] if first else []
    return alerts.order_by(*before, state, _severity_rank().desc(), "-raised_at", "-pk")


def _severity_rank() -> Case:
    return Case(
        *(When(severity=value, then=Value(rank)) for value, rank in _RANKS.items()),
        default=Value(0),
        output_field=IntegerField(),
    )


def _narrowed(chosen: AlertFilter, zone: ZoneInfo) -> QuerySet[Alert]:
    found = Alert.objects.filter(state__in=STATES[chosen.state]).select_related(
        "machine__line__site", "acknowledged_by", "maintenance"
    )
    if chosen.severity:
        found = found.filter(severity=chosen.severity)
    if chosen.machine:
        found = found.filter(machine__key=chosen.machine)
    if chosen.source:
        found = found.filter(_SOURCES[chosen.source])
    if chosen.verdict:
        found = found.filter(verdict="" if chosen.verdict == "none" else chosen.verdict)
    if chosen.group:
        found = found.filter(group=chosen.group)
    for word in chosen.search.split():
        found = found.filter(_told(word))
    if chosen.after:
        found = found.filter(raised_at__gte=plant_day(chosen.after, zone)[0])
    if chosen.until:
        found = found.filter(raised_at__lt=plant_day(chosen.until, zone)[1])
    return found


def _told(word: str) -> Q:
    """Where a word stands in what is read of an alert: its machine, its words in the source's or reader's language."""
    said = f"evidence__said__{get_language() or settings.LANGUAGE_CODE}"
    places = ("title", "summary", "machine__key", "machine__name", f"{said}__title", f"{said}__summary")
    return reduce(or_, (Q(**{f"{place}__icontains": word}) for place in places))


def _history(found: QuerySet[Alert], chosen: AlertFilter) -> AlertsPage:
    if chosen.before is not None:
        found = found.filter(pk__lt=chosen.before)
    rows = list(found.order_by("-pk")[: PAGE_SIZE + 1])
    more = len(rows) > PAGE_SIZE
    return AlertsPage(alerts=rows[:PAGE_SIZE], older=_place(chosen, before=rows[PAGE_SIZE - 1].pk) if more else None)


def _storms(found: QuerySet[Alert]) -> list[Storm]:
    unacknowledged = Q(state__in=STATES["unacknowledged"])
    rows = (
        found.filter(group__isnull=False)
        .order_by()
        .values("group")
        .annotate(
            alerts=Count("pk"),
            machines=Count("machine", distinct=True),
            unacknowledged=Count("pk", filter=unacknowledged),
            rank=Max(_severity_rank()),
            since=Min("since_at"),
        )
        .filter(alerts__gte=STORM_SHOWN_FROM)
        .order_by("-unacknowledged", "-rank", "-group")
    )
    shown = list(rows[:20])
    groups = AlertGroup.objects.in_bulk([row["group"] for row in shown])
    worst = by_urgency(found.filter(group__in=groups), first="group_id").distinct("group_id") if shown else ()
    worst_of = {alert.group_id: alert for alert in worst}
    return [
        Storm(
            group=groups[row["group"]],
            alerts=row["alerts"],
            machines=row["machines"],
            unacknowledged=row["unacknowledged"],
            severity=Severity.values[row["rank"]],
            since_at=row["since"],
            worst=worst_of.get(row["group"]),
        )
        for row in shown
    ]


def _place(chosen: AlertFilter, **place: Any) -> str:
    return replace(chosen, **{"before": None, **place}).here


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    # What a calendar can't reckon with, at either end.
    return found if 1970 <= found.year <= 2200 else None


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
    """The most urgent open alert and how many there are, in two queries however many there are."""
    found = Alert.objects.filter(state__in=OPEN_STATES)
    counts = found.order_by().aggregate(
        open=Count("pk"), acknowledged=Count("pk", filter=Q(state=AlertState.ACTIVE_ACKNOWLEDGED))
    )
    first = by_urgency(found.select_related("machine", "acknowledged_by")).first() if counts["open"] else None
    acknowledged = counts["acknowledged"]
    return Banner(alert=first, unacknowledged=counts["open"] - acknowledged, acknowledged=acknowledged)
