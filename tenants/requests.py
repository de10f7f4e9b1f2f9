"""What a request says of itself before anybody is asked: which door it knocks at, and which factory its key names."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from ipaddress import ip_address

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from common.influx_errors import speaks_influx

_KEY = re.compile(r"fp_([a-z][a-z0-9-]{0,39})_[A-Za-z0-9]+_[A-Za-z0-9]+")
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}")
_BRACKETED, _PLAIN = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d{1,5})?"), re.compile(r"([0-9.]+)(?::\d{1,5})?")
_API_DOORS = ("/api/v1/", "/api/v2/")
_API_ROOTS = frozenset({"/api/v1", "/api/v2"})
# Doors that prove by their body, and how much of it may be read before anybody is known.
_TOKEN_DOORS = frozenset({"/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"})
_TOKEN_BODY_BYTES = 16 * 1024
_DESCRIPTIONS = ("/api/schema", "/api/docs", "/api/redoc")


def is_api_path(path: str) -> bool:
    """Whether programs ask here: answers are JSON, refusals are problem documents, and no session page is shown.

    >>> is_api_path("/api/v1/machines"), is_api_path("/write"), is_api_path("/machines/M01"), is_api_path("/api/docs")
    (True, True, False, False)
    """
    return path.startswith(_API_DOORS) or path in _API_ROOTS or speaks_influx(path)


def is_ip_address(host: str) -> bool:
    """Whether a Host header holds an IP address, with a port or without.

    >>> is_ip_address("127.0.0.1:8000"), is_ip_address("[::1]:8000"), is_ip_address("10.0.0.1.evil.example")
    (True, True, False)
    """
    match = _BRACKETED.fullmatch(host) or _PLAIN.fullmatch(host)
    if match is None:
        return False
    try:
        ip_address(match[1])
    except ValueError:
        return False
    return True


def named_factory(request: HttpRequest) -> str | None:
    """The slug that the request's key or token names, unproven; None when it names none.

    Reads `Authorization: Api-Key|Token|Bearer|Basic`, `X-API-Key` and InfluxDB's `?p=`; where tokens are had and
    renewed, also the body's `refresh` token, or its `factory` by name.
    """
    if request.path in _TOKEN_DOORS and request.method == "POST":
        return _factory_in_body(request)
    for candidate in _credentials(request):
        match = _KEY.fullmatch(candidate)
        if match:
            return match[1]
        slug = _factory_claim(candidate)
        if slug:
            return slug
    return None


def _factory_in_body(request: HttpRequest) -> str | None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > _TOKEN_BODY_BYTES:
        return None
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError, RequestDataTooBig):
        return None
    if not isinstance(body, dict):
        return None
    token = body.get("refresh")
    return _slug_of(body.get("factory")) or (_factory_claim(token) if isinstance(token, str) else None)


def _slug_of(name: object) -> str | None:
    return name if isinstance(name, str) and _SLUG.fullmatch(name) else None


def _credentials(request: HttpRequest) -> Iterator[str]:
    scheme, _, value = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() in {"api-key", "token", "bearer"}:
        yield value.strip()
    elif scheme.lower() == "basic":
        yield _basic_password(value)
    yield request.headers.get("X-API-Key", "").strip()
    yield request.GET.get("p", "")


def _basic_password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _factory_claim(token: str) -> str | None:
    """The `factory` claim of a JWT, read without proof; accounts.authentication proves it inside that factory."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 4096:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return _slug_of(payload.get("factory")) if isinstance(payload, dict) else None
