"""Key figures over a window: what is counted, and over which part of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from common import clock
from common.times import to_ms
from telemetry.history.kpis import kpis_window
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from telemetry.tasks import apply_retention_in_factory
from tenants.models import Factory

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW_MS = to_ms(NOW)
HOUR_MS = 3_600_000


@pytest.fixture
def mixer(in_acme: Factory, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(clock, "now_ms", lambda: NOW_MS)
    machine = Machine.objects.create(key="M01")
    Machine.objects.update(created_at=NOW - timedelta(days=30))
    machine.refresh_from_db()
    Metric.objects.create(machine=machine, name="vibration", unit="mm/s", label="Vibration")
    return machine


def store(machine: Machine, t_ms: Any, values: Any) -> None:
    part = Series("M01", "vibration", np.asarray(t_ms, np.int64), np.asarray(values, np.float64))
    reading_store().write(ReadingBatch([part]), machines={"M01": machine})


def test_a_window_s_figures_are_those_of_its_readings(mixer: Machine) -> None:
    times = NOW_MS - HOUR_MS + np.arange(3600) * 1000
    values = np.sin(np.arange(3600) / 100) + 5
    store(mixer, times, values)
    (found,) = kpis_window(mixer, from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS)
    assert (found.metric, found.label, found.unit, found.count) == ("vibration", "Vibration", "mm/s", 3600)
    assert (found.minimum, found.maximum, found.last) == (values.min(), values.max(), values[-1])
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.availability == 1.0


def test_availability_is_the_share_of_minutes_with_readings(mixer: Machine) -> None:
    store(mixer, NOW_MS - HOUR_MS + np.arange(15) * 60_000, np.ones(15))
    (found,) = kpis_window(mixer, from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS)
    assert found.availability == 0.25


def test_the_future_of_a_window_counts_for_nothing(mixer: Machine) -> None:
    store(mixer, NOW_MS - HOUR_MS + np.arange(60) * 60_000, np.ones(60))
    (found,) = kpis_window(mixer, from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS + HOUR_MS)
    assert found.availability == 1.0


def test_the_time_before_a_machine_was_known_counts_for_nothing(mixer: Machine) -> None:
    mixer.created_at = NOW - timedelta(hours=1)
    store(mixer, NOW_MS - HOUR_MS + np.arange(60) * 60_000, np.ones(60))
    (found,) = kpis_window(mixer, from_ms=NOW_MS - 10 * HOUR_MS, to_ms=NOW_MS)
    assert found.availability == 1.0


def test_a_silent_window_has_no_figures(mixer: Machine) -> None:
    (found,) = kpis_window(mixer, from_ms=NOW_MS - HOUR_MS, to_ms=NOW_MS)
    assert (found.count, found.minimum, found.mean, found.last, found.availability) == (0, None, None, None, 0.0)


def test_retention_keeps_as_many_days_as_the_plan_says(mixer: Machine, in_acme: Factory) -> None:
    assert in_acme.plan is not None
    day_ms = 24 * HOUR_MS
    oldest = NOW_MS - in_acme.plan.retention_days * day_ms
    store(mixer, [oldest - 1, oldest, NOW_MS], [1.0, 2.0, 3.0])
    apply_retention_in_factory(factory_slug=in_acme.slug)
    kept = reading_store().raw(mixer, ["vibration"], from_ms=0, to_ms=NOW_MS + 1)[0]
    assert kept.t_ms.tolist() == [oldest, NOW_MS]
