"""How InfluxDB refuses, in the shapes that its clients read: one for `/write` and `/query`, one for `/api/v2`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    409: "conflict",
    413: "request too large",
    415: "unsupported media type",
    429: "too many requests",
    503: "unavailable",
    507: "unavailable",
}


def speaks_influx(path: str) -> bool:
    """Whether InfluxDB's clients ask here.

    >>> speaks_influx("/write"), speaks_influx("/api/v2/write"), speaks_influx("/api/v1/machines")
    (True, True, False)
    """
    return path in {"/write", "/query"} or path.startswith("/api/v2/")


def influx_error(path: str, *, status: int, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What a refusal at this path says; errors: as in a problem document, their `index` counts lines from 0.

    >>> influx_error("/write", status=401, detail="authorization failed")
    {'error': 'authorization failed'}
    >>> influx_error("/api/v2/write", status=400, detail="partial write: ...", errors=[{"index": 2, "code": "x"}])
    {'code': 'invalid', 'message': 'partial write: ...', 'line': 3}
    """
    if not path.startswith("/api/v2/"):
        return {"error": detail}
    document: dict[str, Any] = {"code": _CODES.get(status, "internal error"), "message": detail}
    if errors and isinstance(errors[0].get("index"), int):
        document["line"] = errors[0]["index"] + 1
    return document


def header_text(detail: str) -> str:
    """A sentence as a header can carry it.

    >>> header_text("“a”\\nł")
    '"a"??'
    """
    plain = detail.replace("“", '"').replace("”", '"').replace("’", "'")
    return "".join(sign if " " <= sign <= "~" else "?" for sign in plain)[:500]
