"""Readings in InfluxDB 1.x, 2.x or 3.x: a database (bucket) a factory, a field a metric, tagged with the machine."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.conf import settings

from common.times import from_ms as instant_of
from common.times import rfc3339
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store import line_protocol
from telemetry.store.base import Buckets
from telemetry.store.influx_server import InfluxServer
from telemetry.store.scope import factory_scope

_END_OF_TIME = "2200-01-01T00:00:00Z"


class InfluxReadingStore:
    """The store of production. Keeps `telemetry.store.base.ReadingStore`."""

    outlives_schema = True

    def __init__(self, server: InfluxServer) -> None:
        self._server = server

    @classmethod
    def from_settings(cls) -> "InfluxReadingStore":
        return cls(InfluxServer(url=settings.INFLUXDB_URL, token=settings.INFLUXDB_TOKEN, org=settings.INFLUXDB_ORG))

    def write(self, batch: ReadingBatch, *, machines: Mapping[str, Machine]) -> None:
        for body in line_protocol.bodies(batch):
            self._server.write(_database(), body)

    def raw(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Series]:
        statements = line_protocol.select_raw(machine.key, metrics, from_ms=from_ms, to_ms=to_ms, limit=limit)
        return [
            Series(machine.key, metric, _column(rows[::-1], 0, np.int64), _column(rows[::-1], 1, np.float64))
            for metric, rows in zip(metrics, self._rows(statements, len(metrics)), strict=True)
        ]

    def buckets(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int
    ) -> list[Buckets]:
        statements = line_protocol.select_buckets(
            machine.key, metrics, from_ms=from_ms, to_ms=to_ms, bucket_ms=bucket_ms
        )
        return [
            Buckets(
                metric=metric,
                t_ms=_column(rows, 0, np.int64),
                minimum=_column(rows, 1, np.float64),
                maximum=_column(rows, 2, np.float64),
                mean=_column(rows, 3, np.float64),
                count=_column(rows, 4, np.int64),
            )
            for metric, rows in zip(metrics, self._rows(statements, len(metrics)), strict=True)
        ]

    def delete_machine(self, machine: Machine) -> None:
        if self._server.has_v2_management:
            escaped = machine.key.replace("\\", "\\\\").replace('"', '\\"')
            predicate = f'_measurement="{line_protocol.MEASUREMENT}" AND machine="{escaped}"'
            self._server.delete(_database(), predicate=predicate, before=_END_OF_TIME)
        else:
            self._server.execute(_database(), line_protocol.delete_machine(machine.key))

    def delete_before(self, before_ms: int) -> int:
        if self._server.has_v2_management:
            predicate = f'_measurement="{line_protocol.MEASUREMENT}"'
            self._server.delete(_database(), predicate=predicate, before=rfc3339(instant_of(before_ms)))
        else:
            self._server.execute(_database(), line_protocol.delete_before(before_ms))
        return 0  # the server does not say

    def delete_all(self) -> None:
        self._server.drop_database(_database())

    def _rows(self, statements: str, count: int) -> list[list[list[Any]]]:
        if not count:
            return []
        rows = self._server.query(_database(), statements)
        # A factory that has stored nothing yet has no database, and the server answers once for all statements.
        return rows + [[]] * (count - len(rows))


def _database() -> str:
    """The current factory's database; safe in a URL."""
    return f"factorypulse_{factory_scope()}"


def _column(rows: list[list[Any]], index: int, kind: type[np.generic]) -> Any:
    return np.array([row[index] for row in rows], dtype=kind)
