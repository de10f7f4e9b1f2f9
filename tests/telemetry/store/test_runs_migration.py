"""Readings that a factory stored before runs and hours were there come along."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from django.apps import apps
from django.db import connection
from django_tenants.utils import schema_context

from telemetry.models import Machine, Metric
from telemetry.store.postgres import PostgresReadingStore
from tenants.models import Factory

T0 = 1_790_000_000_000
moving = import_module("telemetry.migrations.0003_runs_and_hours")


def test_readings_of_one_row_each_become_runs(in_acme: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "_READINGS_PER_RUN", 100)
    machine = Machine.objects.create(key="M01")
    numbers = [Metric.objects.create(machine=machine, name=name).pk for name in ("vibration", "temperature", "idle")]
    # As a migration runs: as whoever owns the tables, not as the factory.
    with schema_context(in_acme.schema_name), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE telemetry_reading (series int4, t_ms int8, value float8, PRIMARY KEY (series, t_ms))"
        )
        cursor.execute(
            "INSERT INTO telemetry_reading SELECT s, %s + n * 1000, s + n / 3.0::float8"
            " FROM generate_series(0, 249) AS n, unnest(%s::int4[]) AS s",
            [T0, numbers[:2]],
        )
        moving.readings_move(apps, SimpleNamespace(connection=connection))

    store, later = PostgresReadingStore(), T0 + 10_000_000
    for _ in range(2):
        found = store.raw(machine, ["vibration", "temperature", "idle"], from_ms=T0, to_ms=later)
        assert [len(part) for part in found] == [250, 250, 0]
        for part, number in zip(found, numbers, strict=False):
            np.testing.assert_array_equal(part.t_ms, T0 + np.arange(len(part)) * 1000)
            np.testing.assert_array_equal(part.values, number + np.arange(len(part)) / 3.0)
        assert store.compact()
