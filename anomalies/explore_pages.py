"""Compare and explore: several machines or metrics together, over an earlier time, kept by name, taken along as CSV."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.errand_pages import errands_note
from accounts.people import person_asking
from accounts.permissions import page_requires
from anomalies.explore import (
    LAYOUTS,
    MOST_SERIES,
    Comparison,
    by_machine,
    comparison_config,
    comparison_zone,
    metric_choices,
    shared_choices,
)
from anomalies.explore_export import AT_ONCE, Export, export_ask, export_noted
from anomalies.explore_export import MOST_SERIES as EXPORT_MOST
from common.errors import DomainError, InvalidInputError
from common.times import from_ms as instant_of
from common.times import to_ms
from telemetry.history.compare_export import bucket_check, compare_buckets
from telemetry.history.csv_response import csv_download
from telemetry.history.downsample import bucket_width
from telemetry.history.windows import Window, window_of
from telemetry.models import Machine
from telemetry.templatetags.plant import plant_zone
from telemetry.viewing.preferences import unit_system, units_of
from telemetry.viewing.saved import may_remove_view, saved_views, view_remove, view_save
from tenants.context import factory_current
from tenants.models import Factory

_DEFAULT_S = 300
_DEFAULT_POINTS = 800


@require_GET
@page_requires("view")
def explore(request: HttpRequest) -> HttpResponse:
    """The page; its address says everything that is seen."""
    comparison = Comparison.of(request.GET)
    # Series that many machines share are asked for by a star; the address then names each of them.
    if any(name.startswith("*/") for name in request.GET.getlist("s")) and comparison.metrics:
        return redirect(f"{reverse('explore')}?{comparison.query()}{_time_of(request)}")
    units = units_of(request.user)
    zone = comparison_zone(comparison, otherwise=plant_zone())
    config = comparison_config(comparison, units=units, zone=zone)
    rows = [(series, _without(comparison, series)) for series in config["series"]]
    machines = list(Machine.objects.order_by("key").only("key", "name"))
    first = comparison.metrics[-1].machine if comparison.metrics else (machines[0] if machines else None)
    views = [(view, may_remove_view(request.user, view)) for view in saved_views(request.user)]  # type: ignore[arg-type]
    context = {
        "comparison": comparison,
        "config": config,
        "rows": rows,
        "layouts": [(name, comparison.query(layout=name)) for name in LAYOUTS],
        "shifts": [(days, word, comparison.query(shift=days)) for days, word in _shifts()],
        "machines": machines,
        "first": first,
        "choices": metric_choices(first) if first else [],
        "shared_choices": shared_choices(first) if first else [],
        "most_series": MOST_SERIES,
        "views": views,
        "units": units.value,
    }
    return render(request, "anomalies/explore.html", context)


@require_GET
@page_requires("view")
def explore_choices(request: HttpRequest) -> HttpResponse:
    """The metrics of a machine, for the list to choose from."""
    machine = get_object_or_404(Machine, key=request.GET.get("machine", ""))
    context = {"choices": metric_choices(machine), "shared_choices": shared_choices(machine)}
    return render(request, "anomalies/partials/_explore_choices.html", context)


@require_GET
@page_requires("view")
def explore_csv(request: HttpRequest) -> HttpResponseBase:
    """What is seen as CSV: `from`, `to`, `bucket_ms` as on the screen; `readings=all` for every reading instead.

    So many readings that it takes longer than a moment are written by a worker, and the page shows how far it is.
    """
    comparison, factory = Comparison.of(request.GET, most=EXPORT_MOST), factory_current()
    if not comparison.metrics or factory is None:
        raise InvalidInputError(_("Name at least one series that is there."))
    window = window_of(request.GET.dict(), default_s=_DEFAULT_S)
    zone = comparison_zone(comparison, otherwise=plant_zone())
    system = unit_system(request.GET["units"]) if request.GET.get("units") else units_of(request.user)
    export = Export(comparison, _windows(window, comparison.shift_days, zone), zone, system)
    if request.GET.get("readings") != "all":
        bucket_ms = _bucket_ms(request, window)
        chosen = by_machine(comparison.metrics)
        rows = compare_buckets(factory, chosen, export.windows, bucket_ms=bucket_ms, zone=zone, system=system)
    elif export.size() > AT_ONCE:
        return _by_worker(request, export, factory)
    else:
        rows = export.rows(factory)
    response = csv_download(request, rows, f"{factory.slug}-comparison")
    export_noted(export, actor=request.user)
    return response


def _by_worker(request: HttpRequest, export: Export, factory: Factory) -> HttpResponse:
    try:
        export_ask(export, actor=person_asking(request), factory=factory)
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        export_noted(export, actor=request.user)
    errands_note(request)
    return redirect("errands")


@require_POST
@page_requires("view")
def explore_save(request: HttpRequest) -> HttpResponse:
    """Keep what is seen under a name."""
    try:
        saved = view_save(
            user=request.user,  # type: ignore[arg-type]  # the page is for signed-in people
            name=request.POST.get("name", ""),
            query=request.POST.get("query", ""),
            shared=request.POST.get("shared") == "on",
        )
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect(f"{reverse('explore')}?{Comparison.of(request.GET).query()}")
    messages.success(request, _("Kept as “%(name)s”.") % {"name": saved.name})
    return redirect(f"{reverse('explore')}?{saved.query}")


@require_POST
@page_requires("view")
def explore_forget(request: HttpRequest, view_id: int) -> HttpResponse:
    """Remove a kept view."""
    view = get_object_or_404(saved_views(request.user), pk=view_id)  # type: ignore[arg-type]
    view_remove(user=request.user, view=view)  # type: ignore[arg-type]
    return redirect("explore")


def _without(comparison: Comparison, series: dict[str, Any]) -> str:
    return comparison.query(names=[name for name in comparison.names if name != series["id"]])


def _shifts() -> list[tuple[int, str]]:
    return [(0, _("Nothing")), (1, _("Yesterday")), (7, _("Last week")), (28, _("Four weeks ago"))]


def _time_of(request: HttpRequest) -> str:
    said = {name: request.GET.get(name, "") for name in ("range", "from", "to")}
    return "".join(f"&{name}={value}" for name, value in said.items() if value.isalnum())


def _windows(window: Window, shift_days: int, zone: ZoneInfo) -> list[Window]:
    """The window, and the same stretch of the plant's clock so many days before."""
    if not shift_days:
        return [window]
    # Days of the clock: arithmetic on a local time keeps its hour over a change to or from summer time.
    end = instant_of(window.to_ms).astimezone(zone)
    shift_ms = window.to_ms - to_ms(end - timedelta(days=shift_days))
    return [window, Window(window.from_ms - shift_ms, window.to_ms - shift_ms)]


def _bucket_ms(request: HttpRequest, window: Window) -> int:
    text = request.GET.get("bucket_ms", "")
    if not text:
        return bucket_width(from_ms=window.from_ms, to_ms=window.to_ms, points=_DEFAULT_POINTS)
    bucket_ms = int(text) if text.isdecimal() and len(text) < 16 else 0
    bucket_check(window, bucket_ms)
    return bucket_ms
