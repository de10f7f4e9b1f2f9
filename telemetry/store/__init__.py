"""Where readings are kept: one protocol, two real stores, chosen by the setting READING_STORE."""

from functools import cache

from django.conf import settings

from telemetry.store.base import ReadingStore


def reading_store() -> ReadingStore:
    """The store that settings.READING_STORE names; call it inside `factory_context`."""
    return reading_store_named(settings.READING_STORE)


@cache
def reading_store_named(name: str) -> ReadingStore:
    """One of the two, `postgres` or `influxdb`, whichever is in use."""
    if name == "influxdb":
        from telemetry.store.influx import InfluxReadingStore

        return InfluxReadingStore.from_settings()
    from telemetry.store.postgres import PostgresReadingStore

    return PostgresReadingStore()
