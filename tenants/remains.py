"""What of a factory stands outside its schema, and the proof that nothing is left of one that is gone."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
import structlog
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django_tenants.utils import get_public_schema_name, schema_context

from tenants.database.names import role_name
from tenants.models import Domain, Factory, schema_name_for

_log = structlog.get_logger(__name__)
# Floors above add what they keep elsewhere: each names what is left of a slug.
witnesses: list[Callable[[str], list[str]]] = []


def files_remove(slug: str) -> None:
    """Remove every file of a factory: all lie under its address."""
    if isinstance(default_storage, FileSystemStorage):
        shutil.rmtree(Path(default_storage.path(slug)), ignore_errors=True)
        return
    for path in files_of(slug):
        default_storage.delete(path)


def cache_remove(slug: str) -> None:
    """Remove everything that the shared cache holds of a factory. While Valkey is away there is nothing to be read."""
    try:
        keys = list(_cache_keys(slug))
        if keys:
            _valkey().delete(*keys)
    except redis.RedisError as error:
        _log.warning("cache_not_cleared", factory=slug, error=str(error))


def factory_remains(slug: str) -> list[str]:
    """What is left of a factory that was deleted, in words; empty when nothing is."""
    schema = schema_name_for(slug)
    role = role_name(str(connection.settings_dict["NAME"]), schema)
    left = []
    with schema_context(get_public_schema_name()), connection.cursor() as cursor:
        if Factory.objects.filter(slug=slug).exists() or Domain.objects.filter(domain__startswith=f"{slug}.").exists():
            left.append("rows of the public site")
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", [f'"{schema}"'])
        if cursor.fetchone()[0]:
            left.append(f"schema {schema}")
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [role])
        if cursor.fetchone()[0]:
            left.append(f"database role {role}")
    left += [f"file {path}" for path in files_of(slug)]
    left += [f"cache key {key.decode()}" for key in _cache_keys(slug)]
    return left + [thing for witness in witnesses for thing in witness(slug)]


def files_of(slug: str) -> Iterator[str]:
    """Every file below a folder, whatever the storage."""
    waiting = [slug]
    while waiting:
        folder = waiting.pop()
        try:
            folders, files = default_storage.listdir(folder)
        except FileNotFoundError:
            continue
        yield from (f"{folder}/{name}" for name in files)
        waiting += [f"{folder}/{name}" for name in folders]


def _cache_keys(slug: str) -> Iterator[bytes]:
    # As django_tenants.cache.make_key writes them; no schema's name is the beginning of another with a colon behind.
    yield from _valkey().scan_iter(match=f"{schema_name_for(slug)}:*", count=1_000)


def _valkey() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL)
