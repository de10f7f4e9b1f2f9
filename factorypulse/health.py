"""Is this process alive, and can it do its work: for load balancers, containers and people on call."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django_tenants.utils import get_public_schema_name, schema_context

from accounts.permissions import public_page
from telemetry.ingest.journal_full import full_since

_log = structlog.get_logger(__name__)
_JOURNAL_RESERVE_BYTES = 64 * 1024 * 1024


@public_page
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """200 as long as this process answers at all."""
    return JsonResponse({"status": "live"})


@public_page
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when everything this process needs answers, else 503; each dependency is named with its state."""
    states = {name: _state(name, check) for name, check in _CHECKS.items()}
    good = all(state == "ok" for state in states.values())
    body = {"status": "ready" if good else "not_ready", "dependencies": states}
    return JsonResponse(body, status=200 if good else 503)


def _state(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001  # a probe's edge: whatever the client library raises means "away"
        _log.warning("dependency_away", dependency=name, error=str(error))
        return "away"
    return "ok"


def _database() -> None:
    with schema_context(get_public_schema_name()), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _valkey() -> None:
    cache.get("health")


def _reading_store() -> None:
    if settings.READING_STORE == "postgres":
        return _database()
    # Its client library is slow to load, and of no use where readings are in PostgreSQL.
    from telemetry.store.influx_server import InfluxServer

    server = InfluxServer(url=settings.INFLUXDB_URL, token=settings.INFLUXDB_TOKEN, org=settings.INFLUXDB_ORG)
    server.request("GET", "/ping", timeout=2)  # 3.x wants to know who asks
    return None


def _journal() -> None:
    directory = Path(settings.JOURNAL_DIR)
    directory.mkdir(parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK):
        raise PermissionError(f"{directory} can't be written")
    if shutil.disk_usage(directory).free < _JOURNAL_RESERVE_BYTES:
        raise OSError(f"{directory} is almost full")
    since = full_since(directory)
    if since is not None:
        raise OSError(f"the journal in {directory} has no room since {since:%Y-%m-%d %H:%M:%S} UTC")


_CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "valkey": _valkey,
    "reading_store": _reading_store,
    "journal": _journal,
}
