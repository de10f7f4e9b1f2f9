"""When a factory goes, so do its readings, also those that are not in its schema."""

from typing import Any

import structlog
from django.db.models.signals import pre_delete

from telemetry.store import reading_store
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
    store = reading_store()
    if store.outlives_schema:
        with factory_context(instance):
            store.delete_all()
        _log.info("readings_removed_with_factory", factory=instance.slug)
