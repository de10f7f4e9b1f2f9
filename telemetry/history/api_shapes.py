"""How the API's documentation describes series and key figures."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

SERIES_DESCRIPTION = (
    "At most `points` buckets of each metric with minimum, maximum, mean and count; bucket starts are epoch "
    "milliseconds, empty buckets are left out. `method=lttb` answers points instead, whose line looks like that "
    "of all readings. `raw=true` answers readings as stored, page by page from the newest "
    "backwards, each page oldest first. `Accept: text/csv` exports either, without pages."
)
METHOD_DESCRIPTION = (
    "`buckets` by default. `lttb` (largest triangle three buckets) answers `t` and `value` of at most `points` "
    "readings; of a metric with more than 100,000 readings in the window, of the lowest and highest of narrow buckets, "
    "told at a bucket's start and middle. As JSON alone."
)

UNITS_DESCRIPTION = (
    "Figures as stored by default; `metric` or `us` converts what has another unit there (°C and °F, bar and psi, "
    "mm/s and in/s, and so on), and `unit` says what they are in."
)


def _columns(**numbers: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "metric": {"type": "string"},
            "unit": {"type": "string"},
            "t": {"type": "array", "items": {"type": "integer", "format": "int64"}, "description": "Epoch ms."},
            **{name: {"type": "array", "items": {"type": kind}} for name, kind in numbers.items()},
        },
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_TEXT = {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}
_NUMBER = {"type": "number", "nullable": True}
_HEAD = {"machine": _TEXT, "from": _INSTANT, "to": _INSTANT}
_BUCKETS = _object(
    **_HEAD,
    bucket_ms={"type": "integer", "description": "How long a bucket is."},
    metrics={"type": "array", "items": _columns(min="number", max="number", mean="number", count="integer")},
)
_POINTS = _object(**_HEAD, metrics={"type": "array", "items": _columns(value="number")})
_READINGS = _object(
    **_HEAD,
    metrics={"type": "array", "items": _columns(value="number")},
    next_cursor={"type": "string", "nullable": True, "description": "The `cursor` of the page of earlier readings."},
    next={"type": "string", "nullable": True, "deprecated": True, "description": "The same."},
)
SERIES_RESPONSES: dict[Any, Any] = {
    (200, "application/json"): {"anyOf": [_BUCKETS, _READINGS, _POINTS]},
    (200, "text/csv"): OpenApiResponse({"type": "string"}, description="One row a bucket or reading, times in UTC."),
    503: OpenApiResponse(description="The history can't be read just now."),
}
KPIS_LIVE: dict[Any, Any] = {
    200: _object(
        machine=_TEXT,
        state={**_TEXT, "description": "live, silent or new."},
        last_seen_at={**_INSTANT, "nullable": True},
        metrics={
            "type": "array",
            "items": _object(
                name=_TEXT,
                label=_TEXT,
                unit=_TEXT,
                kind=_TEXT,
                value=_NUMBER,
                at={**_INSTANT, "nullable": True},
                age_s=_NUMBER,
            ),
        },
    )
}
KPIS_HISTORY: dict[Any, Any] = {
    200: _object(
        machine=_TEXT,
        metric=_TEXT,
        unit=_TEXT,
        every=_TEXT,
        results={
            "type": "array",
            "items": _object(
                start=_INSTANT, end=_INSTANT, count={"type": "integer"}, minimum=_NUMBER, maximum=_NUMBER, mean=_NUMBER
            ),
        },
    )
}
