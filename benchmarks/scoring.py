"""How long scoring takes: one new row of one machine, the same of 200 machines, and the forest against scikit-learn.

Bars: a row p99 <= 0.2 ms for the forest, 200 machines <= 15 ms a batch, scores equal within 1e-12.
Run: `make bench NAME=scoring`.
"""

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from anomalies.detection.forest import Forest, forest_fit, forest_score, forests_join, forests_score
from benchmarks.ingest import FOLDER
from benchmarks.tables import table_of
from telemetry.readings import Float64Array

RESULT = FOLDER / "scoring.json"
_FEATURES, _HISTORY, _MACHINES = 15, 3_600, 200
_ROWS, _BATCHES, _SLOW_ROWS, _TAUGHT = 2_000, 200, 100, 10


def main() -> int:
    """Measure, print the table, write the figures."""
    noise = np.random.default_rng(1)
    history = noise.normal(size=(_HISTORY, _FEATURES))
    rows = noise.normal(size=(_ROWS, _FEATURES)) * 1.5
    forest, trained = forest_fit(history, seed=1)
    apart = float(np.abs(forest_score(forest, rows) + trained.score_samples(rows)).max())
    found = [
        _figure("one row, this forest", _times(lambda at: forest_score(forest, rows[at : at + 1]), _ROWS), 0.2),
        _figure("one row, scikit-learn", _times(lambda at: trained.score_samples(rows[at : at + 1]), _SLOW_ROWS), None),
        _figure(f"{_MACHINES} machines, one row each", _fleet(noise), 15.0),
    ]
    print(table_of(["what", "p50, ms of CPU", "p99", "bar"], [list(figure.values()) for figure in found]))
    print(f"\nlargest difference from scikit-learn over {_ROWS:,} rows: {apart:.1e} (bar 1e-12)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"times": found, "difference": apart}, indent=2), encoding="utf-8")
    return 0


def _fleet(noise: np.random.Generator) -> Float64Array:
    taught = [forest_fit(noise.normal(size=(300, _FEATURES)), seed=at)[0] for at in range(_TAUGHT)]
    # Copies of a few forests stand for many: each has its own nodes in what is joined.
    forests: list[Forest] = [taught[machine % _TAUGHT] for machine in range(_MACHINES)]
    joined = forests_join(forests)
    rows = noise.normal(size=(_MACHINES, _FEATURES))
    alone = np.array([forest_score(forest, rows[at : at + 1])[0] for at, forest in enumerate(forests)])
    if not np.array_equal(forests_score(joined, rows), alone):
        raise SystemExit("a batch of machines scores other than machine by machine")
    return _times(lambda _at: forests_score(joined, rows), _BATCHES)


def _times(call: Callable[[int], object], count: int) -> Float64Array:
    """Milliseconds of processor time of each of `count` calls, after ten to warm up: others may share the machine."""
    for at in range(10):
        call(at)
    found = np.empty(count)
    for at in range(count):
        began = time.thread_time()
        call(at)
        found[at] = 1000.0 * (time.thread_time() - began)
    return found


def _figure(what: str, times: Float64Array, bar: float | None) -> dict[str, object]:
    p50, p99 = (round(float(np.quantile(times, share)), 3) for share in (0.5, 0.99))
    return {"what": what, "p50_ms": p50, "p99_ms": p99, "bar_ms": "" if bar is None else bar}


if __name__ == "__main__":
    sys.exit(main())
