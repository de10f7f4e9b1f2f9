"""What InfluxDB costs as the reading store: writes by the shape of the batch, and charts of a day under load.

Debian's InfluxDB 1.6.7 on this machine's disk, its write-ahead log synced before each answer. Readings are written as
the drain writes them, from one thread; making them is not counted. CPU is of this process while it writes, and of
influxd from /proc, with its compactions so far.
A chart is one machine over 24 h at 1 Hz to 1,000 buckets, from the store's call to numpy columns. Run:
`make bench NAME=influx`.
"""

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.journey.influx import Influx
from benchmarks.journey.meter import costs

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "influx.json"
READINGS = int(os.environ.get("READINGS", "3000000"))
QUERIES = int(os.environ.get("QUERIES", "200"))
LOAD_PER_S = 50_000
_T0 = 1_790_000_000_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Shape:
    """machines x metrics x rows readings a batch; together: whether a machine's metrics share their times."""

    name: str
    machines: int
    metrics: int
    rows: int
    together: bool = True


SHAPES = (
    Shape("100 machines x 10 metrics x 50 rows", 100, 10, 50),
    Shape("100 machines x 10 metrics x 5 rows", 100, 10, 5),
    Shape("1,000 machines x 10 metrics x 1 row", 1_000, 10, 1),
    Shape("100 machines x 1 metric x 500 rows", 100, 1, 500),
    Shape("100 machines x 10 metrics x 50 rows, each at its own times", 100, 10, 50, together=False),
)


@dataclass(frozen=True, slots=True)
class Written:
    """CPU in microseconds a reading."""

    shape: str
    readings_per_s: float
    python_us: float
    influxd_us: float
    disk_bytes: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Milliseconds."""

    query: str
    p50_ms: float
    p99_ms: float


def main() -> None:
    """Run, print the tables, write the figures."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factorypulse.settings.test")
    import django

    django.setup()
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    print("Durable when a write is answered: yes, InfluxDB syncs its write-ahead log first")
    print(f"{'batch':<60}{'readings/s':>12}{'python us':>11}{'influxd us':>12}{'bytes':>7}")
    writes = []
    for shape in SHAPES:
        row = write_measure(shape)
        writes.append(row)
        print(
            f"{row.shape:<60}{row.readings_per_s:>12,.0f}{row.python_us:>11.2f}{row.influxd_us:>12.2f}"
            f"{row.disk_bytes:>7.1f}",
            flush=True,
        )
    charts = charts_measure()
    figures = [asdict(row) for row in writes] + [asdict(row) for row in charts]
    RESULT.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def write_measure(shape: Shape) -> Written:
    """One shape of batch into a fresh server."""
    with tempfile.TemporaryDirectory(dir=RESULT.parent) as directory:
        influx = Influx(Path(directory) / "influxdb")
        influx.start()
        try:
            store = _store(influx)
            before = _influxd_cpu_s(influx)
            count, elapsed_s, python_s = 0, 0.0, 0.0
            for batch in _batches(shape):
                began, ours = time.perf_counter(), time.process_time()
                store.write(batch, machines={})
                elapsed_s += time.perf_counter() - began
                python_s += time.process_time() - ours
                count += len(batch)
                if count >= READINGS:
                    break
            influxd_s = _influxd_cpu_s(influx) - before
            disk = sum(file.stat().st_size for file in influx.root.rglob("*") if file.is_file())
        finally:
            influx.stop()
    return Written(shape.name, count / elapsed_s, python_s / count * 1e6, influxd_s / count * 1e6, disk / count)


def charts_measure() -> list[Chart]:
    """A day's chart of 1, 4 and 10 metrics, with nothing else to do and while readings come in."""
    found = []
    with tempfile.TemporaryDirectory(dir=RESULT.parent) as directory:
        influx = Influx(Path(directory) / "influxdb")
        influx.start()
        try:
            _day_write(influx)
            print(f"\n{'chart of 24 h at 1 Hz':<60}{'p50 ms':>12}{'p99 ms':>11}")
            for loaded in (False, True):
                stop = threading.Event()
                load = threading.Thread(target=_load, args=(influx, stop))
                if loaded:
                    load.start()
                for metrics in (1, 4, 10):
                    name = f"{metrics} metrics{f', while {LOAD_PER_S:,} readings/s come in' if loaded else ''}"
                    found.append(_chart(influx, name, metrics))
                    print(f"{found[-1].query:<60}{found[-1].p50_ms:>12.1f}{found[-1].p99_ms:>11.1f}", flush=True)
                stop.set()
                if loaded:
                    load.join()
        finally:
            influx.stop()
    return found


def _chart(influx: Influx, name: str, metrics: int) -> Chart:
    from telemetry.models import Machine

    store, machine = _store(influx), Machine(key="chart")
    names = [f"metric_{number}" for number in range(metrics)]
    took_ms = []
    for _ in range(QUERIES):
        began = time.perf_counter()
        parts = store.buckets(machine, names, from_ms=_T0, to_ms=_T0 + _DAY_MS, bucket_ms=86_400)
        took_ms.append((time.perf_counter() - began) * 1e3)
        if sum(int(part.count.sum()) for part in parts) != 86_400 * metrics:
            raise RuntimeError("the chart misses readings")
    return Chart(name, float(np.percentile(took_ms, 50)), float(np.percentile(took_ms, 99)))


def _day_write(influx: Influx) -> None:
    from telemetry.readings import ReadingBatch, Series

    t_ms, rng = np.arange(_T0, _T0 + _DAY_MS, 1_000), np.random.default_rng(1)
    values = [np.round(rng.normal(70, 5, len(t_ms)), 3) for _ in range(10)]
    parts = [Series("chart", f"metric_{number}", t_ms, column) for number, column in enumerate(values)]
    _store(influx).write(ReadingBatch(parts), machines={})


def _load(influx: Influx, stop: threading.Event) -> None:
    store, began, sent = _store(influx), time.perf_counter(), 0
    for batch in _batches(SHAPES[1]):
        store.write(batch, machines={})
        sent += len(batch)
        if stop.wait(max(0.0, sent / LOAD_PER_S - (time.perf_counter() - began))):
            return


def _store(influx: Influx):  # type: ignore[no-untyped-def]  # imported once Django is set up
    from telemetry.store.influx import InfluxReadingStore
    from telemetry.store.influx_server import InfluxServer
    from tenants.context import factory_enter
    from tenants.models import Factory

    factory_enter(Factory(slug="bench", schema_name="bench"))
    return InfluxReadingStore(InfluxServer(url=influx.url, token="", org=""))


def _batches(shape: Shape) -> Iterator:  # type: ignore[type-arg]  # of ReadingBatch, imported once Django is set up
    from telemetry.readings import ReadingBatch, Series

    rng, begin = np.random.default_rng(1), _T0
    machines = [f"M{number:04}" for number in range(shape.machines)]
    while True:
        t_ms = np.arange(begin, begin + 10 * shape.rows, 10)
        begin += 10 * shape.rows
        yield ReadingBatch(
            [
                Series(
                    machine,
                    f"metric_{number}",
                    t_ms if shape.together else t_ms + number % 10,
                    np.round(rng.normal(70, 5, shape.rows), 3),
                )
                for machine in machines
                for number in range(shape.metrics)
            ]
        )


def _influxd_cpu_s(influx: Influx) -> float:
    return costs({"influxd": [influx.process.pid] if influx.process else []})["influxd"].cpu_s


if __name__ == "__main__":
    main()
