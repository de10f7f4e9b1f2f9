"""A factory with two hours of a real-looking line, a pump whose bearing went bad, and the alert that says so."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from anomalies.models import Alert, AlertState, HealthStatus, MachineHealth
from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.line import faulty_run
from reports.models import Report
from reports.schedule import Period
from telemetry.equipment import machines_register, registry_forget
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WEEK = Period(NOW - timedelta(days=7), NOW)
SHOWN = ("M01-mixer", "M07-pump")


@pytest.fixture
def line(in_acme):
    """Readings in the store, machines registered, one alert open on the pump, one cleared on the mixer."""
    registry_forget(in_acme)
    fault = FaultSchedule(start_s=NOW.timestamp() - 1800)
    end_ms = int(NOW.timestamp() * 1000)
    recordings = faulty_run(from_ms=end_ms - 7_200_000, to_ms=end_ms, fault=fault)
    series = [
        Series(r.machine, name, r.t_ms[::10], np.asarray(values[::10], np.float64))
        for r in recordings
        if r.machine in SHOWN
        for name, values in r.columns.items()
    ]
    machines, batch = machines_register(ReadingBatch(series))
    reading_store().write(batch, machines=machines)
    Machine.objects.update(created_at=NOW - timedelta(hours=2))
    Machine.objects.filter(key="M07-pump").update(name="Brine pump Łódź")
    pump, mixer = Machine.objects.get(key="M07-pump"), Machine.objects.get(key="M01-mixer")
    MachineHealth.objects.update_or_create(
        machine=pump,
        defaults={"status": HealthStatus.ANOMALOUS, "health_percent": 31.0, "score": 9.1, "threshold": 5.0},
    )
    Alert.objects.create(
        machine=pump,
        cause="detector",
        title="Vibration left its normal band",
        summary="Vibration 7.2 mm/s ± 0.4, normally 1.6 to 1.9 mm/s",
        since_at=NOW - timedelta(minutes=24),
    )
    Alert.objects.create(
        machine=mixer,
        cause="rule:1",
        severity="medium",
        state=AlertState.NORMAL,
        title="Power above 16 kW",
        summary="Power was 16.3 kW; CO₂ and 21 °C are fine <b>& $x$</b>",
        since_at=NOW - timedelta(minutes=90),
        returned_at=NOW - timedelta(minutes=80),
    )
    yield in_acme
    # The rows roll back; what this process remembers of them must go too.
    registry_forget(in_acme)


@pytest.fixture
def waiting(line):
    """A report of the last seven days, waiting for the worker."""
    return Report.objects.create(period_from_at=WEEK.from_at, period_to_at=WEEK.to_at, time_zone=line.time_zone)
