"""The API about what machines said: series, readings, CSV, key figures; under /api/v1."""

from typing import Any

import msgspec
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.permissions import VIEW, requires
from common.errors import InvalidInputError
from common.times import from_ms as instant_of
from common.times import rfc3339
from common.units import Conversion, UnitSystem, conversion
from telemetry.equipment import machine_for
from telemetry.history import api_shapes
from telemetry.history.csv_response import CsvRenderer, csv_response
from telemetry.history.downsample import bucket_width
from telemetry.history.kpis import kpis_history, kpis_live
from telemetry.history.raw_pages import MAX_PAGE, raw_page
from telemetry.history.series import DEFAULT_POINTS, MAX_POINTS, metric_units, series_for_the_eye, series_read
from telemetry.history.spans import Every
from telemetry.history.windows import Window, window_of
from telemetry.machines import MetricNotFoundError, metric_get
from telemetry.models import Machine
from telemetry.readings import Series
from telemetry.viewing.preferences import unit_system

_HOUR_S = 3600
_DEFAULT_SPAN_S = {Every.HOUR: 24 * _HOUR_S, Every.DAY: 30 * 24 * _HOUR_S, Every.WEEK: 26 * 7 * 24 * _HOUR_S}
_DEFAULT_LIMIT = 1_000
_METHODS = ("buckets", "lttb")

_TIME = "RFC 3339 with offset, or epoch milliseconds."
_UNITS = OpenApiParameter(
    "units", enum=[str(system) for system in UnitSystem], description=api_shapes.UNITS_DESCRIPTION
)
_FROM = OpenApiParameter("from", description=f"{_TIME} Included.")
_TO = OpenApiParameter("to", description=f"{_TIME} Left out; now by default.")


_PERMISSIONS = [requires(VIEW)]
_RENDERERS = [JSONRenderer, CsvRenderer]


@extend_schema(tags=["telemetry"])
class TelemetryView(APIView):
    """A machine's series over a window."""

    permission_classes = _PERMISSIONS
    renderer_classes = _RENDERERS

    @extend_schema(
        operation_id="telemetry_read",
        summary="Read a machine's series",
        description=api_shapes.SERIES_DESCRIPTION,
        parameters=[
            _FROM,
            _TO,
            OpenApiParameter("metrics", description="Names, separated by commas; all by default."),
            OpenApiParameter(
                "points", int, description=f"Buckets (2 to {MAX_POINTS}) or points (3 to {MAX_POINTS}) at most."
            ),
            OpenApiParameter("method", enum=list(_METHODS), description=api_shapes.METHOD_DESCRIPTION),
            OpenApiParameter("raw", bool, description="Readings as stored instead of buckets, newest page first."),
            _UNITS,
            OpenApiParameter("limit", int, description=f"raw: readings of each metric a page, 1 to {MAX_PAGE}."),
            OpenApiParameter("cursor", description="raw: `next_cursor` of the page before."),
        ],
        responses=api_shapes.SERIES_RESPONSES,
    )
    def get(self, request: Request, machine: str) -> HttpResponseBase:
        params = request.query_params
        found = machine_for(machine)
        units = _metrics(found, params.getlist("metrics"))
        names = list(units)
        system = unit_system(params.get("units", ""))
        into = {name: conversion(unit, system) for name, unit in units.items()}
        window = window_of(params.dict(), default_s=_HOUR_S)
        is_raw = _flag(params.get("raw", ""))
        method = _method(params.get("method", "buckets"))
        lowest = 2 if method == "buckets" else 3
        points = _whole(params.get("points"), "points", low=lowest, high=MAX_POINTS, default=DEFAULT_POINTS)
        if getattr(request.accepted_renderer, "format", "") == "csv":
            return csv_response(request, found, names, window, points=None if is_raw else points, system=system)
        if is_raw:
            limit = _whole(params.get("limit"), "limit", low=1, high=MAX_PAGE, default=_DEFAULT_LIMIT)
            return _json(_raw(found, into, window, cursor=params.get("cursor"), limit=limit))
        if method == "lttb":
            return _json(_drawn(found, into, window, points=points))
        return _json(_series(found, into, window, points=points))


@extend_schema(tags=["machines"])
class KpisLiveView(APIView):
    """A machine now."""

    permission_classes = _PERMISSIONS

    @extend_schema(
        operation_id="kpis_live",
        summary="Last values, their age and the machine's state",
        parameters=[_UNITS],
        responses=api_shapes.KPIS_LIVE,
    )
    def get(self, request: Request, key: str) -> HttpResponse:
        return _json(kpis_live(machine_for(key), system=unit_system(request.query_params.get("units", ""))))


@extend_schema(tags=["machines"])
class KpisHistoryView(APIView):
    """A metric by hours, days or weeks of the plant."""

    permission_classes = _PERMISSIONS

    @extend_schema(
        operation_id="kpis_history",
        summary="A metric's key figures per hour, day or week in plant time",
        parameters=[
            OpenApiParameter("metric", required=True),
            OpenApiParameter("every", enum=[str(every) for every in Every], description="`day` by default."),
            _FROM,
            _TO,
            _UNITS,
        ],
        responses=api_shapes.KPIS_HISTORY,
    )
    def get(self, request: Request, key: str) -> HttpResponse:
        machine = machine_for(key)
        params = request.query_params
        metric = metric_get(machine, _named(params.get("metric", "")))
        every = _every(params.get("every", "day"))
        window = window_of(params.dict(), default_s=_DEFAULT_SPAN_S[every])
        into = conversion(metric.unit, unit_system(params.get("units", "")))
        spans = kpis_history(machine, metric.name, every=every, from_ms=window.from_ms, to_ms=window.to_ms, into=into)
        return _json(
            {"machine": machine.key, "metric": metric.name, "unit": into.unit, "every": every, "results": spans}
        )


def _series(machine: Machine, into: dict[str, Conversion], window: Window, *, points: int) -> dict[str, Any]:
    found = series_read(machine, list(into), from_ms=window.from_ms, to_ms=window.to_ms, points=points)
    return {
        **_head(machine, window.from_ms, window.to_ms),
        "bucket_ms": bucket_width(from_ms=window.from_ms, to_ms=window.to_ms, points=points),
        "metrics": [
            {
                "metric": part.metric,
                "unit": into[part.metric].unit,
                "t": part.t_ms.tolist(),
                "min": into[part.metric].values(part.minimum).tolist(),
                "max": into[part.metric].values(part.maximum).tolist(),
                "mean": into[part.metric].values(part.mean).tolist(),
                "count": part.count.tolist(),
            }
            for part in found
        ],
    }


def _drawn(machine: Machine, into: dict[str, Conversion], window: Window, *, points: int) -> dict[str, Any]:
    found = series_for_the_eye(machine, list(into), from_ms=window.from_ms, to_ms=window.to_ms, points=points)
    return {**_head(machine, window.from_ms, window.to_ms), "metrics": _points(found, into)}


def _raw(
    machine: Machine, into: dict[str, Conversion], window: Window, *, cursor: str | None, limit: int
) -> dict[str, Any]:
    to_ms = _whole(cursor, "cursor", low=window.from_ms + 1, high=window.to_ms, default=window.to_ms)
    page = raw_page(machine, list(into), from_ms=window.from_ms, to_ms=to_ms, limit=limit)
    earlier = None if page.earlier_ms is None else str(page.earlier_ms)
    return {
        **_head(machine, page.from_ms, page.to_ms),
        "metrics": _points(page.series, into),
        "next_cursor": earlier,
        "next": earlier,
    }


def _points(found: list[Series], into: dict[str, Conversion]) -> list[dict[str, Any]]:
    return [
        {
            "metric": part.metric,
            "unit": into[part.metric].unit,
            "t": part.t_ms.tolist(),
            "value": into[part.metric].values(part.values).tolist(),
        }
        for part in found
    ]


def _head(machine: Machine, from_ms: int, to_ms: int) -> dict[str, Any]:
    return {"machine": machine.key, "from": rfc3339(instant_of(from_ms)), "to": rfc3339(instant_of(to_ms))}


def _metrics(machine: Machine, wanted: list[str]) -> dict[str, str]:
    """Units of the metrics asked for, in that order; of all without a wish. Raises MetricNotFoundError."""
    known = metric_units(machine)
    names = list(dict.fromkeys(name for part in wanted for name in part.split(",") if name))
    missing = [name for name in names if name not in known]
    if missing:
        raise MetricNotFoundError(
            _("“%(machine)s” has no metric “%(metric)s”.") % {"machine": machine.key, "metric": missing[0]},
            errors=[{"field": "metrics", "code": "metric_not_found", "detail": name} for name in missing],
        )
    return {name: known[name] for name in names} or known


def _whole(text: str | None, name: str, *, low: int, high: int, default: int) -> int:
    if not text:
        return default
    value = int(text) if text.isdecimal() and len(text) < 18 else -1
    if not low <= value <= high:
        detail = _("“%(name)s” is a whole number from %(low)s to %(high)s.") % {"name": name, "low": low, "high": high}
        raise InvalidInputError(detail, errors=[{"field": name, "code": "out_of_range", "detail": detail}])
    return value


def _method(text: str) -> str:
    if text not in _METHODS:
        detail = _("“method” is buckets or lttb.")
        raise InvalidInputError(detail, errors=[{"field": "method", "code": "unknown_choice", "detail": detail}])
    return text


def _flag(text: str) -> bool:
    return text.lower() in {"1", "true", "yes"}


def _named(metric: str) -> str:
    if not metric:
        detail = _("Say which “metric”.")
        raise InvalidInputError(detail, errors=[{"field": "metric", "code": "required", "detail": detail}])
    return metric


def _every(text: str) -> Every:
    try:
        return Every(text)
    except ValueError as error:
        detail = _("“every” is hour, day or week.")
        raise InvalidInputError(
            detail, errors=[{"field": "every", "code": "unknown_choice", "detail": detail}]
        ) from error


def _json(content: Any) -> HttpResponse:
    """Columns of numbers as JSON: msgspec writes them ten times faster than the framework's renderer."""
    return HttpResponse(msgspec.json.encode(content), content_type="application/json")
