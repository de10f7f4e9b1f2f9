"""The pages about the alarm system itself: its figures, and how far rules and detectors can be trusted."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import audit_record
from accounts.permissions import page_requires
from anomalies.alerts.figures import Actor, AlarmFigures
from anomalies.alerts.measuring import alarm_figures
from anomalies.alerts.verdicts import WINDOW, precisions, proposal_apply
from anomalies.models import Alert, Severity
from common import clock
from common.errors import DomainError
from common.spreadsheets import cell_safe
from common.times import plant_day, rfc3339
from telemetry.figures import decimal_mark, figure
from telemetry.templatetags.plant import plant_zone

RANGES = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
_LONGEST = timedelta(days=366)
_MOST_OPERATORS = 500
_BARS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which period, and for how many operators. range: a key of RANGES, or empty for days that were named."""

    range: str
    from_at: datetime
    to_at: datetime
    operators: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """From a page's query string; what makes no sense falls back to the last seven days of one operator."""
        asked = query.get("operators", "")
        operators = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 1
        operators = min(_MOST_OPERATORS, max(1, operators))
        after, until, now = _day(query.get("after", "")), _day(query.get("until", "")), clock.now()
        if after is not None:
            from_at, to_at = plant_day(after, plant_zone())[0], plant_day(until, plant_zone())[1] if until else now
            to_at = min(to_at, now)
            if timedelta(0) < to_at - from_at <= _LONGEST:
                return cls(range="", from_at=from_at, to_at=to_at, operators=operators)
        name = query.get("range", "")
        name = name if name in RANGES else "7d"
        return cls(range=name, from_at=now - RANGES[name], to_at=now, operators=operators)

    @property
    def query(self) -> str:
        """The same question as a query string, without its range."""
        return f"operators={self.operators}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure beside what the field aims at. good: None where there is no target or nothing to go by."""

    name: str
    value: str
    unit: str
    target: str
    source: str
    good: bool | None


@require_GET
@page_requires("view")
def alert_figures(request: HttpRequest) -> HttpResponse:
    """How many alerts, when, from what, and how they are answered, beside what ISA-18.2 and EEMUA 191 aim at."""
    asked = Asked.of(request.GET)
    found = alarm_figures(from_at=asked.from_at, to_at=asked.to_at, operators=asked.operators)
    context = {
        "asked": asked,
        "ranges": [(name, _range_word(name)) for name in RANGES],
        "found": found,
        "rows": rows_of(found),
        "bars": _bars(found),
        "worst": _said(found.worst),
        "chattering": _said(found.chattering),
        "priorities": _priorities(found),
        "zone": plant_zone().key,
    }
    return render(request, "anomalies/alert_figures.html", context)


@require_GET
@page_requires("view")
def alert_figures_csv(request: HttpRequest) -> HttpResponse:
    """The same as CSV: figures, then floods, then what raised the most."""
    asked = Asked.of(request.GET)
    found = alarm_figures(from_at=asked.from_at, to_at=asked.to_at, operators=asked.operators)
    audit_record(
        actor=request.user, action="alarm_figures.exported", from_at=rfc3339(asked.from_at), to_at=rfc3339(asked.to_at)
    )
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="alarm-figures-{asked.to_at:%Y-%m-%d}.csv"'
    writer = csv.writer(response)
    writer.writerow(["kind", "name", "machine", "from", "to", "value", "unit", "target"])
    writer.writerows([cell_safe(cell) for cell in line] for line in _lines(found))
    return response


@require_GET
@page_requires("view")
def alert_verdicts(request: HttpRequest) -> HttpResponse:
    """What people said of alerts, by rule and detector, and the limits that do better."""
    context = {"rows": precisions(), "days": WINDOW.days}
    return render(request, "anomalies/alert_verdicts.html", context)


@require_POST
@page_requires("rules")
def proposal_apply_page(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Give a rule its proposed limit."""
    try:
        rule = proposal_apply(rule_id, actor=request.user)
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("“%(rule)s” has its new limit.") % {"rule": rule})
    return HttpResponseRedirect(reverse("alert_verdicts"))


def rows_of(found: AlarmFigures) -> list[Row]:
    """The figures with their targets, in the order of the standards."""
    isa, eemua = "ISA-18.2-2016, 16", "EEMUA 191"

    def row(name: str, value: float | None, unit: str, target: str, *told: Any) -> Row:
        source, good = told
        shown = (
            str(value)
            if isinstance(value, int)
            else figure(value)
            if unit != "%"
            else ("–" if value is None else f"{value * 100:.1f}".replace(".", decimal_mark()))
        )
        return Row(name=name, value=shown, unit=unit, target=target, source=source, good=good)

    per_10, per_hour = found.per_operator_10_min, found.per_operator_hour
    low = found.priorities.get(Severity.LOW, 0) + found.priorities.get(Severity.MEDIUM, 0)
    low_share = low / found.alerts if found.alerts else None
    return [
        row(_("Alerts per operator and hour"), per_hour, "/h", _("6 at most"), isa, per_hour <= 6),
        row(_("Alerts per operator and 10 minutes"), per_10, "", _("1 at most, 2 can be managed"), isa, per_10 <= 2),
        row(_("Most in 10 minutes"), found.peak_10_min, "", _("10 at most"), isa, found.peak_10_min <= 10),
        row(_("Time in flood"), found.flood_share, "%", _("1 % at most"), isa, found.flood_share <= 0.01),
        row(_("Share of the ten worst"), found.worst_share, "%", _("5 % at most"), isa, _worst_good(found)),
        row(_("Chattering"), len(found.chattering), "", _("none"), isa, not found.chattering),
        row(_("Stale: active for over a day"), found.stale, "", _("5 at most"), isa, found.stale <= 5),
        row(_("Acknowledged"), found.acknowledged_share, "%", "", eemua, None),
        row(_("Low and medium severity"), low_share, "%", _("about 95 %"), isa, None),
    ]


def _said(actors: Sequence[Actor]) -> list[dict[str, Any]]:
    """What raised the most, by the name of its machine and as its newest alert is headed in the reader's language."""
    causes = Alert.objects.filter(
        title__in={actor.actor for actor in actors}, machine__key__in={actor.machine for actor in actors}
    )
    newest = causes.select_related("machine").order_by("machine_id", "title", "-pk").distinct("machine_id", "title")
    known = {(alert.title, alert.machine.key): alert for alert in newest}
    return [{"actor": actor, "alert": known.get((actor.actor, actor.machine))} for actor in actors]


def _worst_good(found: AlarmFigures) -> bool | None:
    """Ten of few are always most of them: said only where there is a load to speak of."""
    return found.worst_share <= 0.05 if found.alerts >= 200 else None


def _bars(found: AlarmFigures) -> list[dict[str, Any]]:
    """The period in at most _BARS columns, each with the most that came in ten minutes of it. heights: 0 to 1000."""
    width = (found.to_at - found.from_at) / _BARS
    peaks = [0] * _BARS
    for at, count in found.by_stretch:
        place = min(_BARS - 1, max(0, int((at - found.from_at) / width)))
        peaks[place] = max(peaks[place], count)
    top = max(10, *peaks) * 1.1
    return [
        {"x": place * 10, "y": round(1000 - 1000 * peak / top), "height": round(1000 * peak / top), "flood": peak > 10}
        for place, peak in enumerate(peaks)
    ]


def _priorities(found: AlarmFigures) -> list[dict[str, Any]]:
    total = sum(found.priorities.values())
    return [
        {"value": value, "label": label, "count": found.priorities.get(value, 0), "share": _share(found, value, total)}
        for value, label in reversed(Severity.choices)
    ]


def _share(found: AlarmFigures, severity: str, total: int) -> float | None:
    return found.priorities.get(severity, 0) / total if total else None


def _lines(found: AlarmFigures) -> Iterator[list[str]]:
    period = [rfc3339(found.from_at), rfc3339(found.to_at)]
    for row in rows_of(found):
        yield ["figure", row.name, "", *period, row.value, row.unit, row.target]
    for name, seconds in (("median", found.acknowledge_median_s), ("90 %", found.acknowledge_p90_s)):
        value = "" if seconds is None else str(round(seconds))
        yield ["figure", _("Time to acknowledge, %(name)s") % {"name": name}, "", *period, value, "s", ""]
    for flood in found.floods:
        yield ["flood", "", "", rfc3339(flood.from_at), rfc3339(flood.to_at), str(flood.alerts), "", ""]
    for actor in found.worst:
        yield ["worst", actor.actor, actor.machine, *period, str(actor.count), "", ""]
    for actor in found.chattering:
        yield ["chattering", actor.actor, actor.machine, *period, str(actor.count), "", ""]


def _range_word(name: str) -> str:
    return {"24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d"}[name]


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2200 else None
