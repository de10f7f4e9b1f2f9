"""A machine made up for tests: seeded noise around levels, with whatever trouble a test wants added."""

from collections.abc import Mapping, Sequence

import numpy as np
from django.db import connection

from anomalies.detection.grid import Clock, Grid, cells_from_series, clock_for, grid_from_cells, interval_ms
from common.times import from_ms
from telemetry.equipment import registration_of, registry_forget
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from telemetry.store.series_ids import series_ids_forget
from tenants.context import factory_current

START_MS = 1_795_255_200_000
MINUTE_MS = 60_000

Columns = dict[str, np.ndarray]


def healthy(seconds: int, *, seed: int = 1) -> Columns:
    """Vibration, current and temperature, once a second: a load cycle of four minutes under noise."""
    noise = np.random.default_rng(seed)
    t = np.arange(seconds)
    load = 1.0 + 0.1 * np.sin(2 * np.pi * t / 240)
    return {
        "motor_current_a": 11.0 * load + noise.normal(0, 0.1, seconds),
        "bearing_temperature_c": 55.0 + 4.0 * load + noise.normal(0, 0.2, seconds),
        "vibration_mm_s": 2.0 * load + noise.normal(0, 0.1, seconds),
    }


def series_of(columns: Mapping[str, np.ndarray], *, machine: str = "M01", start_ms: int = START_MS) -> list[Series]:
    """Columns as series, one reading a second; NaN is left out."""
    parts = []
    for name, values in columns.items():
        known = np.isfinite(values)
        if not known.any():
            continue
        t_ms = start_ms + np.arange(len(values), dtype=np.int64) * 1000
        parts.append(Series(machine, name, t_ms[known], values[known]))
    return parts


def grid_of(columns: Mapping[str, np.ndarray], *, start_ms: int = START_MS) -> tuple[Grid, Clock]:
    """Columns on their machine's clock."""
    parts = series_of(columns, start_ms=start_ms)
    clock = clock_for({part.metric: interval_ms(part.t_ms) for part in parts})
    end_ms = start_ms + len(next(iter(columns.values()))) * 1000
    cells = [cells_from_series(part, clock.step_ms) for part in parts]
    return grid_from_cells(cells, clock, from_ms=start_ms, to_ms=end_ms), clock


def part_of(grid: Grid, rows: slice) -> Grid:
    """Some rows of a grid."""
    parts = (part[rows] for part in (grid.level, grid.low, grid.high, grid.spread))
    return Grid(grid.step_ms, grid.metrics, grid.t_ms[rows], *parts)


def stored(parts: Sequence[Series]) -> Machine:
    """Put readings into the current factory's store as the drain does; answers their machine, seen at the last one."""
    batch = ReadingBatch.merged([ReadingBatch(list(parts))])
    if not Machine.objects.filter(key=batch.series[0].machine).exists():
        # What this process remembers is of a test that was rolled back.
        registry_forget(factory_current())
        series_ids_forget(connection.schema_name)
    registered = registration_of(batch)
    reading_store().write(registered.batch, machines=registered.machines)
    for part in registered.batch:
        last_at = from_ms(int(part.t_ms[-1]))
        Metric.objects.filter(machine__key=part.machine, name=part.metric).update(
            last_at=last_at, last_value=float(part.values[-1])
        )
        Machine.objects.filter(key=part.machine).update(last_seen_at=last_at)
    return Machine.objects.prefetch_related("metrics").get(key=batch.series[0].machine)
