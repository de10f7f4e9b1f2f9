"""How the API's documentation describes an ingest body and its answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

DESCRIPTION = (
    "One endpoint for four shapes, told apart by themselves: a reading with `metrics`, a flat reading, a list, "
    "and columns for fast blocks. One bad value is refused alone. 201 means: everything accepted is on disk. "
    "At most 1 MiB (also after inflation) and 10,000 readings a body; times 7 days back to 10 minutes ahead."
)

_TIMESTAMP: dict[str, Any] = {
    "oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "format": "int64"}],
    "description": "RFC 3339 with offset, or epoch milliseconds; missing means the time of arrival.",
}
_NESTED: dict[str, Any] = {
    "type": "object",
    "required": ["machine", "metrics"],
    "properties": {
        "machine": {"type": "string", "maxLength": 64},
        "timestamp": _TIMESTAMP,
        "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}
_FLAT: dict[str, Any] = {
    "type": "object",
    "required": ["equipment_id"],
    "properties": {"equipment_id": {"type": "string", "maxLength": 64}, "timestamp": _TIMESTAMP},
    "additionalProperties": {"type": "number"},
}
_COLUMNS: dict[str, Any] = {
    "type": "object",
    "required": ["machine", "timestamps", "metrics"],
    "properties": {
        "machine": {"type": "string", "maxLength": 64},
        "timestamps": {"type": "array", "items": {"type": "integer", "format": "int64"}},
        "metrics": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
    },
}
_LIST: dict[str, Any] = {"type": "array", "items": {"anyOf": [_NESTED, _FLAT, _COLUMNS]}}
REQUEST: dict[str, Any] = {
    "anyOf": [
        _NESTED,
        _FLAT,
        {"type": "object", "required": ["readings"], "properties": {"readings": _LIST}},
        _LIST,
        _COLUMNS,
    ]
}

_REJECTION: dict[str, Any] = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "index": {"type": "integer"},
        "metric": {"type": "string"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
}
ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["accepted", "rejected", "request_id"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {"type": "array", "items": _REJECTION},
        "request_id": {"type": "string"},
    },
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": _REJECTION},
        "request_id": {"type": "string"},
    },
}
REFUSALS = {
    400: "Not JSON, an unknown shape, or nothing in it could be accepted.",
    401: "No valid key.",
    403: "The key lacks the scope `ingest`, or is another factory's.",
    409: "This Idempotency-Key came with another body, or its first request is still being answered.",
    413: "Over 1 MiB or 10,000 readings.",
    415: "Not JSON, or another encoding than gzip and zstd.",
    429: "Over the plan's rate; Retry-After says for how long.",
    503: "The disk is too slow, or failing; nothing was accepted.",
    507: "The disk is full; nothing was accepted.",
}

EXAMPLES = [
    OpenApiExample(
        "One reading",
        value={
            "machine": "M01",
            "timestamp": "2026-11-21T10:00:00Z",
            "metrics": {"vibration": 2.1, "temperature": 71.3},
        },
        request_only=True,
    ),
    OpenApiExample(
        "Flat",
        value={"equipment_id": "M01", "timestamp": 1795255200000, "vibration": 2.1, "temperature": 71.3},
        request_only=True,
    ),
    OpenApiExample(
        "Many",
        value={"readings": [{"machine": "M01", "metrics": {"vibration": 2.1}}]},
        request_only=True,
    ),
    OpenApiExample(
        "Columns",
        value={
            "machine": "M01",
            "timestamps": [1795255200000, 1795255200010],
            "metrics": {"vibration": [2.1, 2.2], "temperature": [71.3, 71.3]},
        },
        request_only=True,
    ),
]
