"""What detectors cost a worker: 200 machines of 10 metrics, each with its own forest, a new second of all at once.

Embedded PostgreSQL, synced to disk at every commit, on this machine. A second of readings is written as the drain
writes it, then the worker's own evaluation runs over all machines: readings asked for, judged, states kept. Measured is
the evaluation, in processor time of this process and of PostgreSQL. Ten taught detectors stand for all.
Run: `make bench NAME=judging`; `--profile` prints where the time went.
"""

import argparse
import cProfile
import json
import os
import pstats
import time
from typing import Any

import numpy as np

from benchmarks.rules import METRICS, RESULT, _cpu_of, _key, _metric, _stage
from telemetry.readings import ReadingBatch

_RESULT = RESULT.with_name("judging.json")
MACHINES, TAUGHT = 200, 10
_HISTORY_S, _LOOKBACK_S, _WARM_UP = 3_600, 180, 3


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judging", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    with _stage() as postgres:
        found = _measure(postgres, asked.seconds, profile=asked.profile)
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, value in found.items():
        print(f"{name:<40}{value:>10.2f}")
    _RESULT.write_text(json.dumps(found, indent=2), encoding="utf-8")


def _measure(postgres: int, seconds: int, *, profile: bool) -> dict[str, float]:
    from anomalies.models import MachineHealth
    from anomalies.watch import machines_evaluate
    from common import clock
    from telemetry.models import Machine
    from telemetry.store import reading_store

    machines = list(Machine.objects.select_related("line__site").order_by("key")[:MACHINES])
    by_key = {machine.key: machine for machine in machines}
    begin_ms = int(time.time()) * 1000 - 1000 * (seconds + _WARM_UP)
    _teach(machines, begin_ms)
    reading_store().write(_readings(begin_ms - _LOOKBACK_S * 1000, _LOOKBACK_S), machines=by_key)
    took, cpu, postgres_cpu, profiler = [], 0.0, 0.0, cProfile.Profile()
    for second in range(seconds + _WARM_UP):
        at_ms = begin_ms + second * 1000
        reading_store().write(_readings(at_ms, 1), machines=by_key)
        if second == _WARM_UP and profile:
            profiler.enable()
        before, mine, theirs = time.perf_counter(), time.process_time(), _cpu_of(postgres)
        machines_evaluate(machines)
        if second < _WARM_UP:
            continue
        took.append((time.perf_counter() - before) * 1000)
        cpu += time.process_time() - mine
        postgres_cpu += _cpu_of(postgres) - theirs
    profiler.disable()
    behind = MachineHealth.objects.exclude(scored_to_ms__gte=at_ms).count()
    assert not behind, f"{behind} machines stand behind: what was not judged must not look cheap"
    assert clock.now_ms() > at_ms
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)
    return {
        "machines": MACHINES,
        "worker, ms of CPU a machine and second": 1000 * cpu / seconds / MACHINES,
        "PostgreSQL, ms of CPU a machine and second": 1000 * postgres_cpu / seconds / MACHINES,
        "a second of all, p50 ms": float(np.median(took)),
        "longest ms": max(took),
    }


def _teach(machines: list[Any], begin_ms: int) -> None:
    from anomalies.detection.detector import detector_fit
    from anomalies.detection.grid import cells_from_series, clock_for, grid_from_cells
    from anomalies.detection.registry import model_save

    detectors = []
    for number in range(TAUGHT):
        parts = list(_readings(begin_ms - _HISTORY_S * 1000, _HISTORY_S, machines=[number]))
        clock = clock_for({part.metric: 1000.0 for part in parts})
        cells = [cells_from_series(part, clock.step_ms) for part in parts]
        grid = grid_from_cells(cells, clock, from_ms=begin_ms - _HISTORY_S * 1000, to_ms=begin_ms)
        detectors.append(detector_fit(grid, clock, seed=number))
    for number, machine in enumerate(machines):
        model_save(
            machine,
            detectors[number % TAUGHT],
            from_ms=begin_ms - _HISTORY_S * 1000,
            to_ms=begin_ms - 1000,
            cells=_HISTORY_S,
            data_sha256="",
            seed=number,
        )


def _readings(begin_ms: int, seconds: int, *, machines: list[int] | None = None) -> ReadingBatch:
    """Noise around 50, once a second."""
    chosen = machines if machines is not None else list(range(MACHINES))
    keys = [(_key(machine), _metric(metric)) for machine in chosen for metric in range(METRICS)]
    codes = np.repeat(np.arange(len(keys), dtype=np.int32), seconds)
    t_ms = np.tile(begin_ms + 1000 * np.arange(seconds, dtype=np.int64), len(keys))
    return ReadingBatch.of_columns(keys, codes, t_ms, np.random.default_rng(begin_ms).normal(50.0, 1.0, len(codes)))


if __name__ == "__main__":
    main()
