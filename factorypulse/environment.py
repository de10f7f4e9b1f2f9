"""The one place that reads the environment; a missing or weak value stops the start with a sentence.

Every NAME may also come as NAME_FILE, the path of a file that holds the value (container secrets).
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import overload
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured

MINIMUM_SECRET_LENGTH = 50
_BY_TLS = frozenset({"rediss", "https", "smtp+tls", "smtp+ssl", "mqtts"})


@overload
def read(name: str) -> str | None: ...
@overload
def read(name: str, default: str) -> str: ...
def read(name: str, default: str | None = None) -> str | None:
    """The value of NAME, or of the file that NAME_FILE names, or the default."""
    value = os.environ.get(name)
    if value:
        return value
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names a file that can't be read: {error}") from error
    return default


def require(name: str) -> str:
    """The value of NAME. Raises ImproperlyConfigured when it is missing."""
    value = read(name)
    if not value:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE; .env.example says what it means.")
    return value


def require_secret(name: str) -> str:
    """A secret that is long and varied enough to be one. Raises ImproperlyConfigured otherwise."""
    value = require(name)
    _secret_check(name, value)
    return value


def _secret_check(name: str, value: str) -> None:
    if len(value) < MINIMUM_SECRET_LENGTH or len(set(value)) < 5 or value.startswith("django-insecure-"):
        raise ImproperlyConfigured(f"{name} is weak: use at least {MINIMUM_SECRET_LENGTH} random characters.")


def read_secrets(name: str) -> list[str]:
    """A comma-separated list of secrets, each as strong as `require_secret` asks; empty where there are none."""
    secrets = read_list(name)
    for secret in secrets:
        _secret_check(name, secret)
    return secrets


def read_path(name: str) -> str:
    """The path of a file that is there, or nothing. Raises ImproperlyConfigured."""
    path = read(name, "")
    if path and not Path(path).is_file():
        raise ImproperlyConfigured(f"{name} names no file: {path}")
    return path


def require_tls(*names: str) -> None:
    """Every service that is named is asked by TLS, and proves who it is. Raises ImproperlyConfigured.

    A service that is not set is not asked; one behind a socket of this machine's own needs no TLS.
    """
    for name in names:
        address = urlsplit(read(name, ""))
        given = dict(parse_qsl(address.query))
        if not address.scheme or (address.hostname or "").startswith(("%2f", "/")):
            continue
        open_ = address.scheme not in _BY_TLS and given.get("sslmode") != "verify-full"
        if open_ or given.get("ssl_cert_reqs", "required") != "required":
            raise ImproperlyConfigured(
                f"{name} leads to a service in the open, and TLS_BETWEEN_SERVICES is on: use sslmode=verify-full,"
                " rediss://, https://, smtp+tls://, smtp+ssl:// or mqtts://."
            )


def read_list(name: str, default: str = "") -> list[str]:
    """A comma-separated value."""
    return [part.strip() for part in read(name, default).split(",") if part.strip()]


def read_networks(name: str) -> list[IPv4Network | IPv6Network]:
    """A comma-separated list of address ranges (CIDR). Raises ImproperlyConfigured for anything else."""
    try:
        return [ip_network(part) for part in read_list(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} holds something that is no address range: {error}") from error


def read_choice(name: str, default: str, *, choices: tuple[str, ...]) -> str:
    """One of a few values. Raises ImproperlyConfigured for any other."""
    value = read(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is “{value}”; use one of {', '.join(choices)}.")
    return value
