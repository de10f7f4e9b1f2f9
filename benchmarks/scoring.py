"""How long scoring takes: one new row of one machine, the same of 200 machines, and the forest against scikit-learn.

What is timed is what a worker calls (`anomalies.detection.live.machines_score`): the table in which the forests of
machines stand together, walked once for the new row of each; and all judges of the same machines, from cells in memory
to verdicts. Bars, for the forest: a row p99 <= 0.2 ms, 200 machines <= 15 ms a batch, scores equal within 1e-12.
Run: `make bench NAME=scoring`.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.detector_cache import DetectorCache
from anomalies.detection.forest import forest_fit, forest_score
from anomalies.detection.forest_table import ForestTable
from anomalies.detection.grid import Clock, Grid
from anomalies.detection.stream import Stretch, course_begin, stream_judge, streams_ready
from benchmarks.ingest import FOLDER
from benchmarks.tables import table_of
from telemetry.readings import Float64Array

RESULT = FOLDER / "scoring.json"
# Five metrics a machine have fifteen features.
_METRICS, _HISTORY, _MACHINES, _TAUGHT = 5, 3_600, 200, 10
_ROWS, _BATCHES, _SLOW_ROWS = 2_000, 200, 100

Times = Float64Array


def main() -> int:
    """Measure, print the table, write the figures."""
    noise = np.random.default_rng(1)
    detectors = [_taught(noise, seed) for seed in range(_TAUGHT)]
    features = len(detectors[0].features)
    rows = noise.normal(size=(_ROWS, features)) * 1.5
    forest, trained = forest_fit(noise.normal(size=(_HISTORY, features)), seed=1)
    apart = float(np.abs(forest_score(forest, rows) + trained.score_samples(rows)).max())
    machines, tables = _machines(detectors)
    found = [
        _figure("one row, this forest", _times(lambda at: forest_score(forest, rows[at : at + 1]), _ROWS), 0.2),
        _figure("one row, scikit-learn", _times(lambda at: trained.score_samples(rows[at : at + 1]), _SLOW_ROWS), None),
        _figure(f"{_MACHINES} machines, one row each: forests", _forests(machines, tables, rows), 15.0),
        _figure("the same, all judges together", _judges(machines, tables, noise), None),
        _figure("the same, machine by machine", _judges(machines, None, noise), None),
    ]
    print(table_of(["what", "p50, ms of CPU", "p99", "bar"], [list(figure.values()) for figure in found]))
    print(f"\nlargest difference from scikit-learn over {_ROWS:,} rows: {apart:.1e} (bar 1e-12)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"times": found, "difference": apart}, indent=2), encoding="utf-8")
    return 0


def _taught(noise: np.random.Generator, seed: int) -> Detector:
    clock = Clock(1_000, {f"metric_{at}": 3 for at in range(_METRICS)})
    return detector_fit(_grid(noise, _HISTORY), clock, seed=seed)


def _grid(noise: np.random.Generator, cells: int) -> Grid:
    level = noise.normal(50.0, 1.0, size=(cells, _METRICS))
    times = 1_795_255_200_000 + 1_000 * np.arange(cells, dtype=np.int64)
    names = tuple(f"metric_{at}" for at in range(_METRICS))
    return Grid(1_000, names, times, level, level, level, np.full(level.shape, np.nan))


def _machines(detectors: Sequence[Detector]) -> tuple[list[tuple[int, Detector]], dict[int, ForestTable]]:
    """Each machine's detector, in the tables that a worker would have them in; a few taught ones stand for all."""
    wanted = {machine: (machine, detectors[machine % _TAUGHT]) for machine in range(_MACHINES)}
    found = DetectorCache().gathered("bench", wanted)
    tables = {machine: table for machine, (_detector, table) in found.items() if table is not None}
    return [(machine, detector) for machine, (detector, _table) in found.items()], tables


def _forests(machines: Sequence[tuple[int, Detector]], tables: dict[int, ForestTable], rows: Float64Array) -> Times:
    asked: dict[int, tuple[ForestTable, list[tuple[int, Float64Array]]]] = {}
    for machine, _detector in machines:
        table = tables[machine]
        asked.setdefault(id(table), (table, []))[1].append((machine, rows[machine : machine + 1]))
    for table, some in asked.values():
        alone = [forest_score(table.forests[machine], row) for machine, row in some]
        if not all(np.array_equal(ours, one) for ours, one in zip(table.score(some), alone, strict=True)):
            raise SystemExit("a batch of machines scores other than machine by machine")
    return _times(lambda _at: [table.score(some) for table, some in asked.values()], _BATCHES)


def _judges(
    machines: Sequence[tuple[int, Detector]], tables: dict[int, ForestTable] | None, noise: np.random.Generator
) -> Times:
    """From cells to verdicts: each machine's window, of which the last cell is new."""
    cells = machines[0][1].lookback_ms // 1_000 + 1
    stretches = [
        Stretch(detector, course_begin(detector), grid := _grid(noise, cells), int(grid.t_ms[-1]))
        for _machine, detector in machines
    ]
    if tables is None:
        return _times(
            lambda _at: [stream_judge(s.detector, s.course, s.grid, from_ms=s.from_ms) for s in stretches], _BATCHES
        )
    placed = [
        replace(stretch, table=tables[machine], owner=machine)
        for (machine, _detector), stretch in zip(machines, stretches, strict=True)
    ]
    return _times(lambda _at: [ready.judge() for ready in streams_ready(placed)], _BATCHES)


def _times(call: Callable[[int], object], count: int) -> Times:
    """Milliseconds of processor time of each of `count` calls, after ten to warm up: others may share the machine."""
    for at in range(10):
        call(at)
    found = np.empty(count)
    for at in range(count):
        began = time.thread_time()
        call(at)
        found[at] = 1000.0 * (time.thread_time() - began)
    return found


def _figure(what: str, times: Times, bar: float | None) -> dict[str, object]:
    p50, p99 = (round(float(np.quantile(times, share)), 3) for share in (0.5, 0.99))
    return {"what": what, "p50_ms": p50, "p99_ms": p99, "bar_ms": "" if bar is None else bar}


if __name__ == "__main__":
    sys.exit(main())
