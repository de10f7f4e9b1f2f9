"""What history costs: charts of a day while 50,000 readings a second come in, and what keeping a reading takes.

Embedded PostgreSQL, synced to disk at every commit, on this machine. Readings are written as the drain writes them
(1,000 series a batch), and compaction runs every 10 s as the scheduler has it run. A query is the API's answer to a
chart of one machine: its key checked, 10 metrics over 24 h at 1 Hz, to at most 1,000 buckets, as JSON; without a
socket. CPU is from /proc, of the writing process and of all of PostgreSQL. Run: `make bench NAME=query`.
"""

import json
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.journey.meter import costs

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "query.json"
QUERIES = int(os.environ.get("QUERIES", "300"))
METRICS, MACHINES = 10, 100
LOAD_PER_S = 50_000
# Several rounds of compaction happen in this time.
LOADED_S = float(os.environ.get("LOADED_S", "70"))
COMPACT_EVERY_S = 10.0
COST_READINGS = 3_000_000
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
_SLUG, _CHART = "bench", "chart"
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Latency:
    """Charts under one load; cpu_ms is what one costs in this process, which other work on the machine changes less."""

    load: str
    queries: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    cpu_ms: float
    written_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one step costs, in microseconds of CPU per reading."""

    step: str
    python_us: float
    postgres_us: float
    readings_per_s: float


def main() -> None:
    """Measure, print the tables, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    with _stage() as postgres:
        now_ms = time.time() * 1000
        written = [_write_cost(postgres, 0.1, start_ms=now_ms), _write_cost(postgres, 1.0, start_ms=now_ms + _HOUR_MS)]
        run_bytes = _size("telemetry_readingrun") / (2 * COST_READINGS)
        merged = _compaction_cost(postgres, "runs merged", closed_ms=0)
        folded = _compaction_cost(postgres, "hours made", closed_ms=1 << 60)
        hour_bytes = _size("telemetry_readinghour") / (2 * COST_READINGS)
        key = _history_make()
        latencies = [_charts("idle", key), _charts_loaded(key, 0.1), _charts_loaded(key, 1.0), *_long_ranges(key)]
    costs_found = [*written, merged, folded]
    _print(latencies, costs_found, run_bytes, hour_bytes)
    figures = {
        "latencies": [asdict(row) for row in latencies],
        "costs": [asdict(row) for row in costs_found],
        "bytes_per_reading": {"runs": run_bytes, "hours": hour_bytes},
    }
    RESULT.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def _print(latencies: list[Latency], found: list[Cost], run_bytes: float, hour_bytes: float) -> None:
    print(
        f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; more than 2 is not ours"
    )
    print("Durable when a write returned: yes, PostgreSQL with synchronous_commit and fsync")
    print(f"{'chart':<52}{'p50 ms':>9}{'p99 ms':>9}{'longest':>9}{'CPU ms':>9}{'written/s':>12}")
    for row in latencies:
        print(f"{row.load:<52}{row.p50_ms:>9.1f}{row.p99_ms:>9.1f}{row.longest_ms:>9.1f}", end="")
        print(f"{row.cpu_ms:>9.1f}{row.written_per_s:>12,.0f}")
    print(f"{'step':<52}{'Python':>9}{'Postgres':>9}   CPU us per reading{'readings/s':>14}")
    for cost in found:
        print(f"{cost.step:<52}{cost.python_us:>9.3f}{cost.postgres_us:>9.3f}{cost.readings_per_s:>33,.0f}")
    print(f"bytes on disk per reading: {run_bytes:.1f} as written, {hour_bytes:.1f} in hours, indexes included")


# --- what writing and compacting costs ---


def _write_cost(postgres: int, interval_s: float, *, start_ms: float) -> Cost:
    from telemetry.store import reading_store

    machines, batches = _plant(), _Batches(interval_s)
    prepared = [batches.at(start_ms + n * interval_s * 1000) for n in range(batches.for_readings())]

    def write() -> None:
        for batch in prepared:
            reading_store().write(batch, machines=machines)

    return _measured(f"written, a batch of {len(prepared[0]):,} every {interval_s:g} s", postgres, write)


def _compaction_cost(postgres: int, step: str, *, closed_ms: int) -> Cost:
    from telemetry.store.compaction import compact

    return _measured(
        step, postgres, lambda: compact(closed_ms=closed_ms, within_s=float("inf")), readings=2 * COST_READINGS
    )


def _measured(step: str, postgres: int, act: Callable[[], Any], readings: int = COST_READINGS) -> Cost:
    roles = {"python": [os.getpid()], "postgres": [postgres]}
    before, python_s, began = costs(roles), time.process_time(), time.perf_counter()
    act()
    elapsed_s, python_s = time.perf_counter() - began, time.process_time() - python_s
    postgres_s = costs(roles)["postgres"].cpu_s - before["postgres"].cpu_s
    return Cost(step, python_s / readings * 1e6, postgres_s / readings * 1e6, readings / elapsed_s)


def _size(table: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [table])
        return int(cursor.fetchone()[0])


class _Batches:
    """What the drain would write every `interval_s`: the metrics of a machine share their timestamps."""

    def __init__(self, interval_s: float) -> None:
        self.interval_ms = interval_s * 1000
        self._each = round(LOAD_PER_S * interval_s / (MACHINES * METRICS))
        self._rng = np.random.default_rng(1)

    def for_readings(self) -> int:
        return COST_READINGS // (self._each * MACHINES * METRICS)

    def at(self, start_ms: float) -> Any:
        from telemetry.readings import ReadingBatch

        series = MACHINES * METRICS
        keys = [(f"M{machine:03}", f"metric{metric}") for machine in range(MACHINES) for metric in range(METRICS)]
        t_ms = (start_ms + np.arange(self._each) * self.interval_ms / self._each).astype(np.int64)
        values = np.round(self._rng.normal(70, 2, series * self._each), 2)
        codes = np.repeat(np.arange(series, dtype=np.int32), self._each)
        return ReadingBatch.of_columns(keys, codes, np.tile(t_ms, series), values)


# --- charts ---


def _charts(load: str, key: str, *, span_ms: int = _DAY_MS, queries: int = QUERIES) -> Latency:
    import structlog
    from django.test import Client

    client = Client(HTTP_HOST=f"{_SLUG}.localhost", HTTP_X_API_KEY=key)
    took: list[float] = []
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    cpu_s = 0.0
    for number in range(queries + 5):
        if number == 5:
            cpu_s = time.process_time()
        to_ms = int(time.time() * 1000)
        address = f"/api/v1/telemetry/{_CHART}?from={to_ms - span_ms}&to={to_ms}&points=1000"
        began = time.perf_counter()
        answer = client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.content
        assert len(answer.content) > 1000
        time.sleep(0.02)
    cpu_ms = (time.process_time() - cpu_s) / queries * 1000
    p50, p99 = np.percentile(took[5:], [50, 99])
    return Latency(load, queries, float(p50), float(p99), max(took[5:]), cpu_ms)


def _charts_loaded(key: str, interval_s: float) -> Latency:
    ours, theirs = multiprocessing.Pipe()
    processes = [
        _SPAWN.Process(target=_ingest, args=(theirs, interval_s), daemon=True),
        _SPAWN.Process(target=_compact, daemon=True),
    ]
    for process in processes:
        process.start()
    ours.recv()
    load = f"while {LOAD_PER_S:,} readings/s come in, every {interval_s:g} s"
    began, before = time.perf_counter(), _readings_sent(ours)
    try:
        found = _charts(load, key, queries=round(LOADED_S / 0.04))
        written = (_readings_sent(ours) - before) / (time.perf_counter() - began)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return replace(found, written_per_s=written)


def _readings_sent(pipe: Connection) -> int:
    pipe.send("?")
    return int(pipe.recv())


def _long_ranges(key: str) -> Iterator[Latency]:
    for days in (7, 30, 365):
        yield _charts(
            f"{days} days, 1 metric in 10 with {days} days of history", key, span_ms=days * _DAY_MS, queries=50
        )


def _ingest(pipe: Connection, interval_s: float) -> None:
    import django

    django.setup()
    from telemetry.store import reading_store
    from tenants.context import factory_context

    batches, sent = _Batches(interval_s), 0
    with factory_context(_SLUG):
        machines = _plant()
        due_s = time.time()
        pipe.send("ready")
        while True:
            while pipe.poll():
                pipe.recv()
                pipe.send(sent)
            batch = batches.at(due_s * 1000)
            reading_store().write(batch, machines=machines)
            sent += len(batch)
            due_s += interval_s
            time.sleep(max(0.0, due_s - time.time()))


def _compact() -> None:
    import django

    django.setup()
    from telemetry.store import reading_store
    from tenants.context import factory_context

    with factory_context(_SLUG):
        while True:
            time.sleep(COMPACT_EVERY_S)
            reading_store().compact(within_s=1.0)


# --- the stage: services, a factory, its plant and its history ---


@contextmanager
def _stage() -> Iterator[int]:
    from factorypulse.dev.choices import ServiceChoices
    from factorypulse.dev.services import Services

    with tempfile.TemporaryDirectory(prefix="factorypulse-bench-") as directory:
        Path(directory).chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get in
        services = Services(Path(directory), ServiceChoices.fresh())
        services.start()
        os.environ |= {
            "DATABASE_URL": services.postgres.url,
            "REDIS_URL": services.valkey.url(0),
            "STATE_DIR": directory,
            "DOMAIN": "localhost",
            "DJANGO_SETTINGS_MODULE": "factorypulse.settings.test",
        }
        try:
            with _factory():
                assert services.postgres.process is not None
                yield services.postgres.process.pid
        finally:
            services.stop()


@contextmanager
def _factory() -> Iterator[None]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from tenants.context import factory_context
    from tenants.provisioning import factory_create, public_ensure

    call_command("migrate_schemas", "--shared", verbosity=0)
    public_ensure()
    with factory_context(factory_create(slug=_SLUG, name="Bench")):
        yield
    connections.close_all()


def _plant() -> dict[str, Any]:
    from telemetry.models import Machine, Metric

    if not Machine.objects.filter(key="M000").exists():
        Machine.objects.bulk_create(Machine(key=f"M{number:03}") for number in range(MACHINES))
        Metric.objects.bulk_create(
            Metric(machine=machine, name=f"metric{number}")
            for machine in Machine.objects.all()
            for number in range(METRICS)
        )
    return {machine.key: machine for machine in Machine.objects.all()}


def _history_make() -> str:
    """A day at 1 Hz of every metric, a year at one a minute of the first; the key to read them with.

    The last hour came second by second and is merged only as far as compaction merges an hour that is not over.
    """
    from accounts.api_keys import api_key_create
    from telemetry.models import Machine, Metric
    from telemetry.store import reading_store
    from telemetry.store.compaction import compact

    machine = Machine.objects.create(key=_CHART)
    names = [f"metric{number}" for number in range(METRICS)]
    Metric.objects.bulk_create(Metric(machine=machine, name=name) for name in names)
    rng, now_ms = np.random.default_rng(2), int(time.time() * 1000)
    year = np.arange(now_ms - 365 * _DAY_MS, now_ms - _DAY_MS, 60_000)
    for part in np.array_split(year, 100):
        _tell(machine, names[:1], part, rng)
    for start in range(now_ms - _DAY_MS, now_ms - _HOUR_MS, _HOUR_MS):
        _tell(machine, names, np.arange(start, start + _HOUR_MS, 1000), rng)
    reading_store().compact(within_s=600.0)
    for number, second in enumerate(range(now_ms - _HOUR_MS, now_ms, 1000)):
        _tell(machine, names, np.array([second]), rng)
        if number % 20 == 19:
            compact(closed_ms=0)
    return api_key_create(name="bench", scopes=["read"])[1]


def _tell(machine: Any, names: list[str], times: Any, rng: np.random.Generator) -> None:
    from telemetry.readings import ReadingBatch, Series
    from telemetry.store import reading_store

    walks = [np.round(70 + np.cumsum(rng.normal(0, 0.05, len(times))), 2) for _ in names]
    parts = [Series(machine.key, name, times, walk) for name, walk in zip(names, walks, strict=True)]
    reading_store().write(ReadingBatch(parts), machines={machine.key: machine})


if __name__ == "__main__":
    main()
