"""What InfluxDB costs as the reading store: writes by the shape of the batch, and charts of a day under load.

Debian's InfluxDB 1.6.7 on this machine's disk, its write-ahead log synced before each answer. Readings are written as
the drain writes them, from one thread; making them is not counted. CPU is of this process while it writes, and of
influxd from /proc, with its compactions so far.
A chart is one machine over the last 24 h at 1 Hz to 1,000 buckets, from the store's call to numpy columns, after a turn
of compaction; `from the readings alone` is what it costs without rollups. The load is a process of its own, and so are
the turns of compaction every 10 s beside it. Run: `make bench NAME=influx`.
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.journey.influx import Influx
from benchmarks.journey.meter import costs

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "influx.json"
READINGS = int(os.environ.get("READINGS", "3000000"))
QUERIES = int(os.environ.get("QUERIES", "200"))
LOAD_PER_S = 50_000
COMPACT_EVERY_S = 10.0
_NOW_MS = int(os.environ.get("NOW_MS", "0")) or int(time.time() * 1000)
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
_T0 = _NOW_MS - _DAY_MS
_BUCKET_MS = 120_000  # what a day of at most 1,000 buckets gets: telemetry/history/downsample.py
_DATABASE, _METRICS = "factorypulse_bench", [f"metric_{number}" for number in range(10)]
_SPAWN = multiprocessing.get_context("spawn")


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
    """Milliseconds; influxd_ms is its CPU, with that of whatever else it does."""

    query: str
    p50_ms: float
    p99_ms: float
    influxd_ms: float


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
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
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
    """A day's chart of 1, 4 and 10 metrics, with nothing else to do and while readings come in; then long ranges."""
    found = []
    with tempfile.TemporaryDirectory(dir=RESULT.parent) as directory:
        influx = Influx(Path(directory) / "influxdb")
        influx.start()
        try:
            _history_write(influx)
            print(f"\n{'chart of 24 h at 1 Hz':<60}{'p50 ms':>12}{'p99 ms':>11}{'influxd ms':>13}")
            found.append(_chart(influx, "4 metrics, from the readings alone", 4, queries=10))
            _compaction(influx).compact(_DATABASE, lambda: {"chart": _METRICS}, within_s=600)
            found += [_chart(influx, f"{metrics} metrics", metrics) for metrics in (1, 4, 10)]
            found += [_chart(influx, f"{days} days of 10 metrics", 10, days=days, queries=50) for days in (7, 30, 365)]
            with _loaded(influx):
                load = f"while {LOAD_PER_S:,} readings/s come in"
                found += [_chart(influx, f"{metrics} metrics, {load}", metrics) for metrics in (1, 4, 10)]
        finally:
            influx.stop()
    return found


def _chart(influx: Influx, name: str, metrics: int, *, days: int = 1, queries: int = QUERIES) -> Chart:
    from telemetry.history.downsample import bucket_width
    from telemetry.history.series import chart_from
    from telemetry.models import Machine

    store, machine = _store(influx), Machine(key="chart")
    names, from_ms = _METRICS[:metrics], chart_from(_NOW_MS - days * _DAY_MS, _NOW_MS)
    bucket_ms = bucket_width(from_ms=from_ms, to_ms=_NOW_MS, points=1_000)
    if days == 1 and bucket_ms != _BUCKET_MS:
        raise RuntimeError("a day's buckets have another width than the bar is about")
    took_ms, cpu_s = [], _influxd_cpu_s(influx)
    for _ in range(queries):
        began = time.perf_counter()
        parts = store.buckets(machine, names, from_ms=from_ms, to_ms=_NOW_MS, bucket_ms=bucket_ms)
        took_ms.append((time.perf_counter() - began) * 1e3)
        if days == 1 and any(abs(int(part.count.sum()) - 86_430) > 30 for part in parts):
            raise RuntimeError("the chart misses readings")
        time.sleep(0.02)
    cpu_ms = (_influxd_cpu_s(influx) - cpu_s) / queries * 1e3
    found = Chart(name, float(np.percentile(took_ms, 50)), float(np.percentile(took_ms, 99)), cpu_ms)
    print(f"{found.query:<60}{found.p50_ms:>12.1f}{found.p99_ms:>11.1f}{found.influxd_ms:>13.1f}", flush=True)
    return found


def _history_write(influx: Influx) -> None:
    """A day of every metric at 1 Hz; before it a year, a reading a minute."""
    rng = np.random.default_rng(1)
    year = np.arange(_NOW_MS - 365 * _DAY_MS, _T0, 60_000)
    for t_ms in (*np.array_split(year, 20), np.arange(_T0, _NOW_MS, 1_000)):
        _tell(influx, t_ms, rng)


def _tell(influx: Influx, t_ms: np.ndarray, rng: np.random.Generator) -> None:
    from telemetry.readings import ReadingBatch, Series

    values = [np.round(rng.normal(70, 5, len(t_ms)), 3) for _ in _METRICS]
    parts = [Series("chart", name, t_ms, column) for name, column in zip(_METRICS, values, strict=True)]
    _store(influx).write(ReadingBatch(parts), machines={})


@contextmanager
def _loaded(influx: Influx) -> Iterator[None]:
    os.environ["NOW_MS"] = str(_NOW_MS)
    processes = [_SPAWN.Process(target=act, args=(influx.url,), daemon=True) for act in (_load, _compact)]
    for process in processes:
        process.start()
    time.sleep(5.0)  # until they are at their work
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _load(url: str) -> None:
    import django

    django.setup()
    store, began, sent = _store_at(url), time.perf_counter(), 0
    for batch in _batches(SHAPES[1], begin=_NOW_MS - _HOUR_MS):
        store.write(batch, machines={})
        sent += len(batch)
        time.sleep(max(0.0, sent / LOAD_PER_S - (time.perf_counter() - began)))


def _compact(url: str) -> None:
    import django

    django.setup()
    metrics = {f"M{number:04}": _METRICS for number in range(SHAPES[1].machines)} | {"chart": _METRICS}
    compaction = _compaction_at(url)
    while True:
        compaction.compact(_DATABASE, lambda: metrics, within_s=1.0)
        time.sleep(COMPACT_EVERY_S)


def _compaction(influx: Influx):  # type: ignore[no-untyped-def]  # imported once Django is set up
    return _compaction_at(influx.url)


def _compaction_at(url: str):  # type: ignore[no-untyped-def]
    from telemetry.store.influx_compaction import Compaction
    from telemetry.store.influx_server import InfluxServer

    return Compaction(InfluxServer(url=url, token="", org=""))


def _store(influx: Influx):  # type: ignore[no-untyped-def]
    return _store_at(influx.url)


def _store_at(url: str):  # type: ignore[no-untyped-def]
    from telemetry.store.influx import InfluxReadingStore
    from telemetry.store.influx_server import InfluxServer
    from tenants.context import factory_enter
    from tenants.models import Factory

    factory_enter(Factory(slug="bench", schema_name="bench"))
    return InfluxReadingStore(InfluxServer(url=url, token="", org=""))


def _batches(shape: Shape, begin: int = _T0) -> Iterator:  # type: ignore[type-arg]  # of ReadingBatch, imported once Django is set up
    from telemetry.readings import ReadingBatch, Series

    rng = np.random.default_rng(1)
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
