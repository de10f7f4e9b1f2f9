"""The page of one machine: live charts, key figures, health, alerts, and what people keep at it."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.permissions import page_requires
from anomalies.alerts.sentences import metric_title
from anomalies.machine_kpis import machine_kpis
from anomalies.machine_view import machine_view_config
from anomalies.models import Alert
from anomalies.tiles import Tile, prefetch_tiles, tile_of
from common import clock
from telemetry.models import Machine, Metric
from telemetry.store.base import StoreUnavailableError
from telemetry.viewing.preferences import DEFAULT_SHOWN, MOST_SHOWN, metrics_chosen, units_of

_RECENT = timedelta(days=7)
_RECENT_SHOWN = 6


@require_GET
@page_requires("view")
def machine(request: HttpRequest, key: str) -> HttpResponse:
    """One machine. `?metrics=` shows these instead of what this person chose: a link carries the exact view."""
    tile = _tile(key)
    shown = _shown(request, tile)
    config = machine_view_config(
        tile.machine, shown, units=units_of(request.user), known=[metric.name for metric in tile.metrics]
    )
    names = {metric.name for metric in shown}
    context = {
        "tile": tile,
        "config": config | {"carried": {"metrics": ",".join(metric.name for metric in shown)} if shown else {}},
        "picks": [(metric, metric_title(metric), metric.name in names) for metric in tile.metrics],
        "most_shown": MOST_SHOWN,
        "units": config["units"],
        **_recent(tile.machine),
    }
    return render(request, "anomalies/machine.html", context)


@require_GET
@page_requires("view")
def machine_health(request: HttpRequest, key: str) -> HttpResponse:
    """The health panel and open alerts of a machine, as they are now."""
    return render(request, "anomalies/partials/_machine_health.html", {"tile": _tile(key)})


@require_GET
@page_requires("view")
def machine_figures(request: HttpRequest, key: str) -> HttpResponse:
    """The row of key figures, which asks the store and so comes after the page."""
    tile = _tile(key)
    try:
        kpis = machine_kpis(tile, units=units_of(request.user))
    except StoreUnavailableError:
        kpis = []
    return render(request, "anomalies/partials/_machine_kpis.html", {"tile": tile, "kpis": kpis})


def _tile(key: str) -> Tile:
    return tile_of(get_object_or_404(prefetch_tiles(Machine.objects.all()), key=key), clock.now())


def _shown(request: HttpRequest, tile: Tile) -> list[Metric]:
    """Metrics in the order they are drawn: as the address says, else as chosen, else those that tell most."""
    by_name = {metric.name: metric for metric in tile.metrics}
    asked = [name for name in request.GET.get("metrics", "").split(",") if name in by_name]
    if not asked:
        chosen = metrics_chosen(user=request.user, machine=tile.machine)
        asked = [name for name in chosen if name in by_name] if chosen else []
    if not asked:
        return tile.metrics[:DEFAULT_SHOWN]
    return [by_name[name] for name in dict.fromkeys(asked)][:MOST_SHOWN]


def _recent(found: Machine) -> dict[str, Any]:
    """Alerts of the last days that are over, newest first."""
    since = clock.now() - _RECENT
    alerts = list(Alert.objects.filter(machine=found, raised_at__gte=since).order_by("-raised_at")[:_RECENT_SHOWN])
    return {"recent_alerts": alerts}
