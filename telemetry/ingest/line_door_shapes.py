"""How the API's documentation describes the doors of InfluxDB's clients, which stand at the host's root. Pure."""

from typing import Any

_DESCRIPTION = (
    "InfluxDB line protocol, so that Telegraf and every client of InfluxDB posts unchanged: the tag `machine` names "
    "the machine, fields are metrics, a line without a time has that of its arrival. The key alone names the factory. "
    "204 means: everything is on disk. A line that is refused leaves the others: they are on disk, too. "
    "At most 1 MiB (also after inflation; gzip and zstd) and 10,000 readings a body."
)
_SECURITY: list[dict[str, list[str]]] = [
    {"ApiKey": []},
    {"InfluxToken": []},
    {"InfluxPassword": []},
    {"InfluxQuery": []},
]
_SCHEMES: dict[str, Any] = {
    "InfluxToken": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: Token <key>`, a key with the scope `ingest`.",
    },
    "InfluxPassword": {"type": "http", "scheme": "basic", "description": "Any user name; the password is the key."},
    "InfluxQuery": {"type": "apiKey", "in": "query", "name": "p", "description": "The key, as InfluxDB 1.x has it."},
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "text/plain": {
            "schema": {"type": "string"},
            "example": "readings,machine=M01 vibration=2.1,temperature=71.3 1790000000000000000",
        }
    },
}
_V1_ERROR: dict[str, Any] = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_V2_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "line": {"type": "integer"}},
}
_REFUSALS = {
    "400": "Something was refused; the rest is on disk.",
    "401": "No key, or none that is valid.",
    "403": "The key lacks the scope `ingest`, or is another factory's.",
    "413": "The body is too large.",
    "429": "The plan's rate is used up; see `Retry-After`.",
    "503": "The disk is slow; send it again.",
    "507": "The disk is full.",
}


def influx_doors_describe(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the doors to an OpenAPI document: drf-spectacular's last step."""
    result["paths"] |= {
        "/write": {"post": _write("influx_write", "v1", ["n", "u", "ms", "s", "m", "h"], _V1_ERROR)},
        "/api/v2/write": {"post": _write("influx_write_v2", "2.x", ["ns", "us", "ms", "s"], _V2_ERROR)},
        "/query": {"get": _query("influx_query"), "post": _query("influx_query_post")},
        "/ping": {
            "get": _open("influx_ping", "Answer with a version", "204", {"description": "This process answers."})
        },
        "/health": {"get": _open("influx_health", "Whether this process answers", "200", _HEALTH)},
    }
    result.setdefault("components", {}).setdefault("securitySchemes", {}).update(_SCHEMES)
    return result


def _write(operation: str, version: str, precisions: list[str], error: dict[str, Any]) -> dict[str, Any]:
    names = ("db", "rp") if version == "v1" else ("org", "bucket")
    unit = {"type": "string", "enum": precisions, "default": precisions[0]}
    return {
        "operationId": operation,
        "summary": f"Post line protocol, as to InfluxDB {version}",
        "description": _DESCRIPTION,
        "tags": ["line protocol"],
        "parameters": [
            *(_parameter(name, {"type": "string"}, "Accepted, and of no meaning here.") for name in names),
            _parameter("precision", unit, "Of the lines' times."),
        ],
        "requestBody": _BODY,
        "responses": {"204": {"description": "Everything is on disk."}, **_refusals(error)},
        "security": _SECURITY,
    }


def _query(operation: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": "CREATE DATABASE, with which Telegraf begins",
        "description": "Does nothing and succeeds; readings are asked for at /api/v1.",
        "tags": ["line protocol"],
        "parameters": [_parameter("q", {"type": "string"}, "`CREATE DATABASE ...`; also as a form's field.")],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}},
            **{code: one for code, one in _refusals(_V1_ERROR).items() if code in {"400", "401", "403"}},
        },
        "security": _SECURITY,
    }


def _open(operation: str, summary: str, status: str, response: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["line protocol"],
        "responses": {status: response},
        "security": [{}],
    }


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _refusals(error: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": error}}
    return {code: {"description": told, "content": content} for code, told in _REFUSALS.items()}


_HEALTH: dict[str, Any] = {
    "description": "It does; `/health/ready` asks all that it stands on.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["name", "status", "version"],
                "properties": {
                    "name": {"type": "string"},
                    "message": {"type": "string"},
                    "status": {"type": "string", "enum": ["pass"]},
                    "checks": {"type": "array", "items": {"type": "object"}},
                    "version": {"type": "string"},
                },
            }
        }
    },
}
