"""Readings in InfluxDB 1.x, 2.x or 3.x: a database (bucket) a factory, a field a metric, tagged with the machine."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from django.conf import settings

from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store import influxql, line_protocol
from telemetry.store.base import Buckets, StoreUnavailableError
from telemetry.store.influx_databases import Databases, databases_of
from telemetry.store.influx_server import InfluxServer
from telemetry.store.scope import factory_scope
from tenants.context import factory_current
from tenants.models import Plan

_DAY_MS = 86_400_000


class InfluxReadingStore:
    """The store of production. Keeps `telemetry.store.base.ReadingStore`."""

    outlives_schema = True

    def __init__(self, server: InfluxServer) -> None:
        self._server = server
        self._seen: set[str] = set()

    @classmethod
    def from_settings(cls) -> "InfluxReadingStore":
        return cls(InfluxServer(url=settings.INFLUXDB_URL, token=settings.INFLUXDB_TOKEN, org=settings.INFLUXDB_ORG))

    def write(self, batch: ReadingBatch, *, machines: Mapping[str, Machine]) -> None:
        """Raises also ReadingsRefusedError, when the server has what it could take and will never take the rest."""
        database = _database()
        for body in line_protocol.bodies(batch):
            self._write_body(database, body)

    def _write_body(self, database: str, body: bytes) -> None:
        ready = database in self._seen or not self._databases.prepared_first
        if ready and self._server.write(database, body):
            return
        self._databases.create(database, keep_ms=_kept_ms())
        self._seen.add(database)
        if not self._server.write(database, body):
            raise StoreUnavailableError(f"InfluxDB does not know {database}, which it has just made")

    def raw(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Series]:
        statements = [
            influxql.select_raw(machine.key, metric, from_ms=from_ms, to_ms=to_ms, limit=limit) for metric in metrics
        ]
        tables = self._server.query(_database(), statements)
        return [influxql.raw_of(table, machine.key, metric) for metric, table in zip(metrics, tables, strict=True)]

    def together(self, wanted: Mapping[Machine, Sequence[str]], *, from_ms: int, to_ms: int) -> ReadingBatch:
        machines = [machine for machine, metrics in wanted.items() if metrics]
        statements = [
            influxql.select_together(machine.key, wanted[machine], from_ms=from_ms, to_ms=to_ms) for machine in machines
        ]
        tables = self._server.query(_database(), statements)
        return ReadingBatch(
            series
            for machine, table in zip(machines, tables, strict=True)
            for series in influxql.together_of(table, machine.key, wanted[machine])
        )

    def buckets(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int
    ) -> list[Buckets]:
        statements = influxql.select_buckets(machine.key, metrics, from_ms=from_ms, to_ms=to_ms, bucket_ms=bucket_ms)
        tables = self._server.query(_database(), list(statements))
        together = influxql.metrics_together(metrics)
        return [
            found for table, names in zip(tables, together, strict=True) for found in influxql.buckets_of(table, names)
        ]

    def compact(self, *, within_s: float = 5.0) -> bool:
        return True  # the server does so by itself

    def delete_machine(self, machine: Machine) -> None:
        """Raises also ReadingsKeptError, on servers of 3.x."""
        self._databases.delete_machine(_database(), machine.key)

    def delete_before(self, before_ms: int) -> int:
        self._databases.delete_before(_database(), before_ms)
        return 0  # the server does not say

    def delete_all(self) -> None:
        self._seen.discard(_database())
        self._databases.drop(_database())

    @cached_property
    def _databases(self) -> Databases:
        return databases_of(self._server)


def _database() -> str:
    """The current factory's database; safe in a URL."""
    return f"factorypulse_{factory_scope()}"


def _kept_ms() -> int:
    factory = factory_current()
    plan = (factory.plan if factory is not None else None) or Plan()
    return plan.retention_days * _DAY_MS
