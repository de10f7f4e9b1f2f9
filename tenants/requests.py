"""What a request says of itself before anybody is asked: which door it knocks at, and which factory its key names."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from ipaddress import ip_address

from django.http import HttpRequest

from common.influx_errors import speaks_influx

_KEY = re.compile(r"fp_([a-z][a-z0-9-]{0,39})_[A-Za-z0-9]+_[A-Za-z0-9]+")
_BRACKETED, _PLAIN = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d{1,5})?"), re.compile(r"([0-9.]+)(?::\d{1,5})?")
_API_DOORS = ("/api/v1/", "/api/v2/")
_DESCRIPTIONS = ("/api/schema", "/api/docs", "/api/redoc")


def is_api_path(path: str) -> bool:
    """Whether programs ask here: answers are JSON, refusals are problem documents, and no session page is shown.

    >>> is_api_path("/api/v1/machines"), is_api_path("/write"), is_api_path("/machines/M01"), is_api_path("/api/docs")
    (True, True, False, False)
    """
    return path.startswith(_API_DOORS) or speaks_influx(path)


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

    Reads `Authorization: Api-Key|Token|Bearer|Basic`, `X-API-Key` and InfluxDB's `?p=`.
    """
    for candidate in _credentials(request):
        match = _KEY.fullmatch(candidate)
        if match:
            return match[1]
        slug = _factory_claim(candidate)
        if slug:
            return slug
    return None


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
    slug = payload.get("factory") if isinstance(payload, dict) else None
    return slug if isinstance(slug, str) else None
