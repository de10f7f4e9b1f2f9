"""What is special about the PostgreSQL store: its connection breaks, its numbers change."""

import numpy as np
import psycopg
import pytest
from django.db import connection

from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store.base import StoreUnavailableError
from telemetry.store.postgres import PostgresReadingStore
from tenants.context import factory_context
from tenants.models import Factory

T0 = 1_790_000_000_000


def batch(*times: int) -> ReadingBatch:
    return ReadingBatch([Series("M01", "vibration", np.array(times), np.array([1.0] * len(times)))])


def machine_make() -> Machine:
    machine = Machine.objects.create(key="M01")
    Metric.objects.create(machine=machine, name="vibration")
    return machine


def test_a_cut_connection_is_reported_and_replaced(live_factory: Factory) -> None:
    with factory_context(live_factory):
        machine = machine_make()
        store = PostgresReadingStore()
        store.write(batch(T0), machines={"M01": machine})
        _cut(connection.connection.info.backend_pid)

        with pytest.raises(StoreUnavailableError):
            store.write(batch(T0, T0 + 1), machines={"M01": machine})
        store.write(batch(T0, T0 + 1), machines={"M01": machine})

        assert len(store.raw(machine, ["vibration"], from_ms=T0, to_ms=T0 + 10)[0]) == 2


def _cut(pid: int) -> None:
    info = connection.connection.info
    with psycopg.connect(
        host=info.host, port=info.port, user=info.user, password=info.password, dbname=info.dbname, autocommit=True
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_a_metric_that_was_never_registered_is_refused_for_now(in_acme: Factory) -> None:
    machine = Machine.objects.create(key="M01")

    with pytest.raises(StoreUnavailableError, match="vibration"):
        PostgresReadingStore().write(batch(T0), machines={"M01": machine})


def test_a_machine_that_comes_back_does_not_write_to_its_old_numbers(in_acme: Factory) -> None:
    store = PostgresReadingStore()
    first = machine_make()
    store.write(batch(T0), machines={"M01": first})
    store.delete_machine(first)
    first.delete()

    second = machine_make()
    store.write(batch(T0 + 1), machines={"M01": second})

    assert store.raw(second, ["vibration"], from_ms=T0, to_ms=T0 + 10)[0].t_ms.tolist() == [T0 + 1]


def test_retention_also_removes_readings_of_metrics_deleted_since(in_acme: Factory) -> None:
    store = PostgresReadingStore()
    machine = machine_make()
    store.write(batch(T0), machines={"M01": machine})
    machine.delete()

    assert store.delete_before(T0 + 1) == 1
