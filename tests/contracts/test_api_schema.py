"""The OpenAPI document is what outside clients are generated from: it is valid and leaves no endpoint out."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver
from openapi_spec_validator import validate

from telemetry.ingest import line_doors
from telemetry.ingest.journal import Journal
from telemetry.urls_ingest import influx_patterns
from tests.conftest import FactoryClient


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("schema") / "schema.yml"
    call_command("spectacular", file=str(file), urlconf="factorypulse.urls_api", fail_on_warn=True)
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def api_routes(patterns: list[URLPattern | URLResolver], before: str = "") -> list[str]:
    routes: list[str] = []
    for pattern in patterns:
        route = before + str(pattern.pattern)
        routes += api_routes(pattern.url_patterns, route) if isinstance(pattern, URLResolver) else [route]
    return routes


def test_document_is_valid_openapi(schema: dict[str, Any]) -> None:
    validate(schema)


def test_every_endpoint_is_described(schema: dict[str, Any]) -> None:
    routes = api_routes(get_resolver("factorypulse.urls_api").url_patterns)
    at_the_root = {f"/{route}" for route in api_routes(influx_patterns)}
    assert at_the_root <= schema["paths"].keys()
    assert len(schema["paths"]) == len(set(routes)) + len(at_the_root)


@pytest.mark.django_db
def test_the_line_doors_answer_as_they_are_described(
    schema: dict[str, Any],
    ingest_key: str,
    read_key: str,
    anonymous: FactoryClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal = Journal(tmp_path)
    monkeypatch.setattr(line_doors, "process_journal", lambda: journal)
    described = {path: schema["paths"][path] for path in ("/write", "/api/v2/write", "/query", "/ping", "/health")}
    line = "readings,machine=M01 vibration=2.1"
    for path, answers in (
        ("/write", (("post", line, ingest_key, 204), ("post", "nonsense", ingest_key, 400), ("post", line, "", 401))),
        ("/api/v2/write", (("post", line, ingest_key, 204), ("post", line, read_key, 403))),
        ("/query", (("get", "", ingest_key, 400), ("post", "", "", 401))),
        ("/ping", (("get", "", "", 204),)),
        ("/health", (("get", "", "", 200),)),
    ):
        for method, body, key, status in answers:
            headers = {"HTTP_AUTHORIZATION": f"Token {key}"} if key else {}
            found = anonymous.generic(method.upper(), path, body, "text/plain", **headers)
            operation = described[path][method]
            assert (path, found.status_code) == (path, status)
            response = operation["responses"][str(status)]
            assert ("content" in response) == bool(found.content)
            if found.content:
                found_schema = response["content"]["application/json"]["schema"]
                assert set(found_schema.get("required", ())) <= found.json().keys()
            assert all(name in schema["components"]["securitySchemes"] for one in operation["security"] for name in one)
    journal.close()


def test_documentation_pages_load_nothing_from_elsewhere(in_acme: Any, anonymous: Any) -> None:
    for path in ("/api/docs", "/api/redoc"):
        page = anonymous.get(path)
        assert page.status_code == 200
        assert b"https://" not in page.content
