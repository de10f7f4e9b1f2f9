"""The plant's pages: every machine at a glance, on a desk and on a wall."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from anomalies.fleet import FleetFilter, fleet_view, place_choices, sort_choices, state_choices
from anomalies.summary import dashboard_summary
from anomalies.tiles import prefetch_tiles, tile_of, tiles_by_line
from common import clock
from telemetry.models import Machine


@require_GET
@page_requires("view")
def fleet(request: HttpRequest) -> HttpResponse:
    """Every machine of the plant: `?q=`, `?state=`, `?place=` and `?sort=` narrow and order it."""
    chosen = FleetFilter.of(request.GET)
    groups = tiles_by_line(clock.now())
    view = fleet_view(groups, chosen)
    context = {"chosen": chosen, "view": view, "states": state_choices(view.counts)}
    if not _wants_part(request):
        more = {"places": place_choices(groups), "sorts": sort_choices(), "summary": dashboard_summary()}
        return render(request, "anomalies/fleet.html", {**context, **more})
    response = render(request, "anomalies/partials/_fleet_list.html", context)
    # The address keeps what was chosen, so that a reload, a bookmark or a colleague sees the same.
    response["HX-Replace-Url"] = f"{reverse('fleet')}{'?' if chosen.query else ''}{chosen.query}"
    return response


@require_GET
@page_requires("view")
def fleet_summary(request: HttpRequest) -> HttpResponse:
    """The figures in the plant's header, asked again every few seconds."""
    return render(request, "anomalies/partials/_summary.html", {"summary": dashboard_summary()})


@require_GET
@page_requires("view")
def tile_state(request: HttpRequest, key: str) -> HttpResponse:
    """The part of a tile that says how the machine is."""
    machine = get_object_or_404(prefetch_tiles(Machine.objects.all()), key=key)
    return render(request, "anomalies/partials/_tile_state.html", {"tile": tile_of(machine, clock.now())})


def _wants_part(request: Any) -> bool:
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request
