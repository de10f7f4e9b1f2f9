"""When a factory goes, so do its readings, also those that are not in its schema."""

from typing import Any

import structlog
from django.conf import settings
from django.db.models.signals import pre_delete

from telemetry.store import reading_store_named
from tenants.context import factory_context
from tenants.models import Factory

_log = structlog.get_logger(__name__)


def connect() -> None:
    """Called once, when Django is ready."""
    pre_delete.connect(_factory_going, sender=Factory, dispatch_uid="telemetry.store.farewell")


def _factory_going(instance: Factory, **_: Any) -> None:
    """Its address may be given to somebody else, who must not find them.

    Raises StoreUnavailableError, and then the factory stays: whoever deletes it tries again.
    """
    for name in _stores_known():
        store = reading_store_named(name)
        if store.outlives_schema:
            with factory_context(instance):
                store.delete_all()
            _log.info("readings_removed_with_factory", factory=instance.slug, store=name)


def _stores_known() -> set[str]:
    """The store in use, and InfluxDB wherever we know one: what was moved away from it may still lie there."""
    return {settings.READING_STORE, *(["influxdb"] if settings.INFLUXDB_URL else [])}
