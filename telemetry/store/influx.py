"""Readings in InfluxDB 1.x, 2.x or 3.x: a database (bucket) a factory, a field a metric, tagged with the machine."""

import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property

from django.conf import settings

from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import influxql, line_protocol
from telemetry.store.base import Buckets, StoreUnavailableError
from telemetry.store.influx_answers import ReadingsRefusedError
from telemetry.store.influx_buckets import BucketReader
from telemetry.store.influx_compaction import Compaction
from telemetry.store.influx_databases import Databases, databases_of
from telemetry.store.influx_names import kept_batch, kept_name, kept_names, own_buckets
from telemetry.store.influx_rollups import TOKEN_BITS, marks_body
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
        # Databases in which marks are known to tell of every slice with readings.
        self._marked: set[str] = set()
        self._compaction = Compaction(server)

    @classmethod
    def from_settings(cls) -> "InfluxReadingStore":
        return cls(InfluxServer(url=settings.INFLUXDB_URL, token=settings.INFLUXDB_TOKEN, org=settings.INFLUXDB_ORG))

    def write(self, batch: ReadingBatch, *, machines: Mapping[str, Machine]) -> None:
        """Raises also ReadingsRefusedError, when the server has what it could take and will never take the rest."""
        database = _database()
        batch = kept_batch(batch, machines)
        try:
            for body in line_protocol.bodies(batch):
                self._write_body(database, body)
        except ReadingsRefusedError:
            self._mark(database, batch)  # for what it could take
            raise
        self._mark(database, batch)

    def _mark(self, database: str, batch: ReadingBatch) -> None:
        """Say that rollups no longer hold: after the readings, or a rollup could miss them under the new mark.

        Killed in between we have not returned, and whoever called writes the readings again.
        """
        if not len(batch):
            return
        try:
            self._write_body(database, marks_body(batch, secrets.randbits(TOKEN_BITS)))
        except ReadingsRefusedError as error:  # a stranger's doing, and no fault of the readings
            raise StoreUnavailableError(f"InfluxDB refused marks: {error}") from error

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
            influxql.select_raw(machine.key, name, from_ms=from_ms, to_ms=to_ms, limit=limit)
            for name in kept_names(machine, metrics)
        ]
        tables = self._server.query(_database(), statements)
        return [influxql.raw_of(table, machine.key, metric) for metric, table in zip(metrics, tables, strict=True)]

    def together(self, wanted: Mapping[Machine, Sequence[str]], *, from_ms: int, to_ms: int) -> ReadingBatch:
        machines = [machine for machine, metrics in wanted.items() if metrics]
        statements = [
            influxql.select_together(machine.key, kept_names(machine, wanted[machine]), from_ms=from_ms, to_ms=to_ms)
            for machine in machines
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
        database = _database()
        names, rollups = kept_names(machine, metrics), self._is_marked(database)
        reader = BucketReader(self._server, database, machine.key, names, bucket_ms=bucket_ms, rollups=rollups)
        return own_buckets(reader.read(from_ms, to_ms), metrics)

    def _is_marked(self, database: str) -> bool:
        if database not in self._marked:
            [found] = self._server.query(database, [influxql.select_complete()])
            if not found.values:
                return False
            self._marked.add(database)
        return True

    def compact(self, *, within_s: float = 5.0) -> bool:
        return self._compaction.compact(_database(), _metrics_by_tag, within_s=within_s)

    def delete_machine(self, machine: Machine) -> None:
        """Raises also ReadingsKeptError, on servers of 3.x."""
        self._databases.delete_machine(_database(), machine.key)

    def delete_metric(self, machine: Machine, metric: str) -> None:
        machine.metrics_deleted = {**machine.metrics_deleted, metric: machine.metrics_deleted.get(metric, 0) + 1}
        machine.save(update_fields=["metrics_deleted"])

    def delete_before(self, before_ms: int) -> int:
        self._databases.delete_before(_database(), before_ms)
        return 0  # the server does not say

    def delete_all(self) -> None:
        self._seen.discard(_database())
        self._marked.discard(_database())
        self._compaction.forget(_database())
        self._databases.drop(_database())

    @cached_property
    def _databases(self) -> Databases:
        return databases_of(self._server)


def _database() -> str:
    """The current factory's database; safe in a URL."""
    return f"factorypulse_{factory_scope()}"


def _metrics_by_tag() -> Mapping[str, list[str]]:
    """The kept names of each machine's metrics, by what the server calls it."""
    found: dict[str, list[str]] = {}
    known = Metric.objects.order_by("machine", "name")
    for key, deleted, name in known.values_list("machine__key", "machine__metrics_deleted", "name"):
        found.setdefault(line_protocol.tag_of(key), []).append(kept_name(deleted, name))
    return {tag: list(dict.fromkeys(names)) for tag, names in found.items()}


def _kept_ms() -> int:
    factory = factory_current()
    plan = (factory.plan if factory is not None else None) or Plan()
    return plan.retention_days * _DAY_MS
