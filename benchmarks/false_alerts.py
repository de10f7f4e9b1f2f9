"""Alerts of a week in which nothing is wrong: the trial's eight machines, taught and judged as the worker does it.

Each machine is taught by a day, then judged for a week in hours; at each midnight it is taught again by the day before
unless an event lasts. Every event is a false one. A run that was stopped goes on with the machine it had not finished.
Run: `make bench NAME=false_alerts`, fewer days with `--days 1`.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from anomalies.detection.calibrate import Change
from anomalies.detection.checks import FlatRun, flat_runs
from anomalies.detection.courses import Course
from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.explain import carriers_of
from anomalies.detection.grid import Clock, Grid, cells_from_series, clock_for, grid_from_cells
from anomalies.detection.stream import course_begin, stream_judge
from benchmarks.ingest import FOLDER
from benchmarks.tables import table_of
from factorypulse.dev.plant.line import PlantMachine, food_line, record
from telemetry.readings import Series

RESULT = FOLDER / "false_alerts.json"
BEGIN_MS = 1_795_255_200_000
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_SEED = 1


def main() -> int:
    """Count the events, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_alerts", description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7, help="another seed is another line")
    parser.add_argument("--machine", help="one machine alone, by the beginning of its key")
    parser.add_argument("--anew", action="store_true", help="forget the machines that a run that was stopped has done")
    asked = parser.parse_args()
    kept = FOLDER / f"false_alerts-{asked.seed}-{asked.days}.json"
    rows: list[dict[str, Any]] = [] if asked.anew or not kept.is_file() else json.loads(kept.read_text("utf-8"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for machine in food_line(seed=asked.seed):
        done = any(row["machine"] == machine.key for row in rows)
        if machine.key.startswith(asked.machine or "") and not done:
            events = list(machine_events(machine, days=asked.days))
            rows.append({"machine": machine.key, "false_alerts": len(events), "by": "; ".join(events)})
            print(rows[-1], flush=True)
            kept.write_text(json.dumps(rows), encoding="utf-8")
    kept.unlink(missing_ok=True)
    total = sum(row["false_alerts"] for row in rows)
    print(table_of(["machine", "false alerts", "by"], [list(row.values()) for row in rows]))
    print(f"\n{total} false alerts of {len(rows)} machines in {asked.days} days")
    RESULT.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0


def machine_events(machine: PlantMachine, *, days: int) -> Iterator[str]:
    """What each event was carried by, in the order in which they began."""
    clock, day = machine_clock(machine), machine_grid(machine, BEGIN_MS, BEGIN_MS + _DAY_MS)
    detector, flat = detector_fit(day, clock, seed=_SEED), dict[str, FlatRun]()
    course, before = course_begin(detector), day
    for hour in range(24 * days):
        begin_ms = BEGIN_MS + _DAY_MS + hour * _HOUR_MS
        grid = machine_grid(machine, begin_ms, begin_ms + _HOUR_MS)
        yield from _judged(detector, course, _joined(before, grid, detector), begin_ms)
        flat = flat_runs(grid, flat)
        for metric, run in flat.items():
            if run.lasted_ms >= detector.flat_limit_ms.get(metric, 1 << 62):
                yield f"{metric} stands still"
        before = grid
        if hour % 24 == 23 and not course.active:
            end_ms = begin_ms + _HOUR_MS
            detector = detector_fit(machine_grid(machine, end_ms - _DAY_MS, end_ms), clock, seed=_SEED)
            course = course_begin(detector)


def machine_clock(machine: PlantMachine) -> Clock:
    """The machine's clock, as its readings' distance would say."""
    names = record(machine, from_ms=BEGIN_MS, to_ms=BEGIN_MS + 10_000).columns
    return clock_for({name: float(machine.period_ms) for name in names if not name.endswith("_state")})


def machine_grid(machine: PlantMachine, from_ms: int, to_ms: int) -> Grid:
    """The machine's readings in cells, without its states."""
    recording, clock = record(machine, from_ms=from_ms, to_ms=to_ms), machine_clock(machine)
    parts = [Series(machine.key, name, recording.t_ms, recording.columns[name]) for name in clock.hold]
    cells = [cells_from_series(part, clock.step_ms) for part in parts]
    return grid_from_cells(cells, clock, from_ms=from_ms, to_ms=to_ms)


def _judged(detector: Detector, course: Course, grid: Grid, from_ms: int) -> Iterator[str]:
    watched = stream_judge(detector, course, grid, from_ms=from_ms)
    for decision in watched.decisions:
        if decision.change is Change.BEGAN:
            carriers = carriers_of(detector, watched, from_ms=decision.since_ms, to_ms=decision.t_ms)
            seen = [name for name, witness in watched.witnesses.items() if witness.active.any()]
            yield f"{carriers[0].metric if carriers else '?'} ({', '.join(seen) or 'bands'}, {decision.peak:.1f})"


def _joined(before: Grid, grid: Grid, detector: Detector) -> Grid:
    tail = slice(len(before) - detector.lookback_ms // grid.step_ms, len(before))
    names = ("level", "low", "high", "spread")
    parts = (np.concatenate([getattr(before, name)[tail], getattr(grid, name)]) for name in names)
    return Grid(grid.step_ms, grid.metrics, np.concatenate([before.t_ms[tail], grid.t_ms]), *parts)


if __name__ == "__main__":
    sys.exit(main())
