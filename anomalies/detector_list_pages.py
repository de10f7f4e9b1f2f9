"""The page of all detectors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from anomalies.alerts.sentences import metric_title
from anomalies.detection.steering import WANTED_PER_WEEK
from anomalies.detector_list import DetectorRow, Standing, detectors_read
from telemetry.models import Metric

_SEARCH_LENGTH = 120
_NOT_YET = (Standing.LEARNING, Standing.SETTLING)
_KINDS: Mapping[str, Callable[[DetectorRow], bool]] = {
    "": lambda _row: True,
    "attention": lambda row: row.wants_somebody,
    "learning": lambda row: row.standing in _NOT_YET,
}


@require_GET
@page_requires("view")
def detectors(request: HttpRequest) -> HttpResponse:
    """Every machine's detector, what wants somebody first."""
    search = " ".join(request.GET.get("q", "")[:_SEARCH_LENGTH].split())
    kind = request.GET.get("state", "") if request.GET.get("state", "") in _KINDS else ""
    named = [row for row in detectors_read() if _is_named(row, search)]
    shown = [row for row in named if _KINDS[kind](row)]
    titles = _titles(shown)
    context: dict[str, Any] = {
        "rows": [(row, titles.get(row.machine.pk, [])) for row in shown],
        "kinds": _choices(named, search),
        "kind": kind,
        "search": search,
        "wanted": WANTED_PER_WEEK,
    }
    return render(request, "anomalies/detectors.html", context)


def _is_named(row: DetectorRow, search: str) -> bool:
    machine, line = row.machine, row.machine.line
    about = f"{machine.key} {machine.name} {machine.machine_type} {line or ''} {line.site if line else ''}".casefold()
    return all(word in about for word in search.casefold().split())


def _choices(rows: Sequence[DetectorRow], search: str) -> list[dict[str, Any]]:
    labels = {"": _("All"), "attention": _("Needs attention"), "learning": _("Learning")}
    return [
        {
            "value": value,
            "label": label,
            "count": sum(_KINDS[value](row) for row in rows),
            "href": "?" + urlencode({"state": value, "q": search}),
        }
        for value, label in labels.items()
    ]


def _titles(rows: Sequence[DetectorRow]) -> dict[int, list[str]]:
    """What still moves, by the metrics' names for people, by machine."""
    moving = {row.machine.pk: row.moving for row in rows if row.moving}
    found: dict[int, list[str]] = {}
    for metric in Metric.objects.filter(machine__in=moving) if moving else ():
        if metric.name in moving[metric.machine_id]:
            found.setdefault(metric.machine_id, []).append(metric_title(metric))
    return found
