"""The OpenAPI document is what outside clients are generated from: it is valid and leaves no endpoint out."""

from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver
from openapi_spec_validator import validate


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
    assert len(schema["paths"]) == len(set(routes))


def test_documentation_pages_load_nothing_from_elsewhere(in_acme: Any, anonymous: Any) -> None:
    for path in ("/api/docs", "/api/redoc"):
        page = anonymous.get(path)
        assert page.status_code == 200
        assert b"https://" not in page.content
