"""What rules cost: 1,000 rules of two conditions over 1,000 machines that send 10,000 readings a second.

Embedded PostgreSQL, synced to disk at every commit, on this machine. Readings are written as the drain writes them, a
second's worth at a time, each of 10,000 metrics once; then the worker's own evaluation runs: rules looked up, states
locked, readings asked for, conditions judged, states kept. Only the evaluation is measured, its process and all of
PostgreSQL. A second of readings is written as soon as the one before was evaluated, so that a core that is used by half
is seen as half a second of CPU a second of readings. Run: `make bench NAME=rules`.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.journey.meter import costs
from telemetry.readings import ReadingBatch

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "rules.json"
SECONDS = int(os.environ.get("SECONDS_RUN", "30"))
MACHINES, METRICS, RULES = 1_000, 10, 1_000
_LIMIT = 1e6
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A second of readings: CPU seconds it takes to evaluate, and how long that lasts."""

    rules: str
    pairs: int
    conditions: int
    readings_per_s: int
    worker_cores: float
    postgres_cores: float
    p50_ms: float
    longest_ms: float


def main() -> None:
    """Measure, print the table, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    with _stage() as postgres:
        found = [
            _measure(postgres, "each on one machine", machines_each=1),
            _measure(postgres, "each on ten machines", machines_each=10),
        ]
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"Durable when states were kept: yes, PostgreSQL with fsync. {SECONDS} seconds of readings each")
    print(f"{'1,000 rules of two conditions':<34}{'pairs':>8}{'worker':>9}{'Postgres':>10} cores", end="")
    print(f"{'p50 ms':>9}{'longest':>9}")
    for row in found:
        print(f"{row.rules:<34}{row.pairs:>8,}{row.worker_cores:>9.2f}{row.postgres_cores:>10.2f}      ", end="")
        print(f"{row.p50_ms:>9.0f}{row.longest_ms:>9.0f}")
    RESULT.write_text(json.dumps({"rows": [asdict(row) for row in found]}, indent=2), encoding="utf-8")


def _measure(postgres: int, name: str, *, machines_each: int) -> Evaluation:
    from anomalies.models import MachineHealth, Rule
    from anomalies.rules.watch import rules_watch
    from telemetry.models import Machine
    from telemetry.store import reading_store

    Rule.objects.all().delete()
    MachineHealth.objects.all().delete()
    _rules_make(machines_each)
    machines = list(Machine.objects.select_related("line__site").order_by("key"))
    by_key = {machine.key: machine for machine in machines}
    begin_ms = int(time.time() * 1000) - 1000 * (SECONDS + _WARM_UP)
    took, cpu, postgres_cpu = [], 0.0, 0.0
    for second in range(SECONDS + _WARM_UP):
        reading_store().write(_second_of_readings(begin_ms + second * 1000), machines=by_key)
        before, mine, theirs = time.perf_counter(), time.process_time(), _cpu_of(postgres)
        looked_at = rules_watch(machines)
        if second < _WARM_UP:
            continue
        took.append((time.perf_counter() - before) * 1000)
        cpu += time.process_time() - mine
        postgres_cpu += _cpu_of(postgres) - theirs
        assert looked_at == MACHINES
    _check(begin_ms + (SECONDS + _WARM_UP - 1) * 1000)
    return Evaluation(
        rules=name,
        pairs=RULES * machines_each,
        conditions=2 * RULES * machines_each,
        readings_per_s=MACHINES * METRICS,
        worker_cores=cpu / SECONDS,
        postgres_cores=postgres_cpu / SECONDS,
        p50_ms=float(np.median(took)),
        longest_ms=max(took),
    )


def _rules_make(machines_each: int) -> None:
    from anomalies.models import Rule

    Rule.objects.bulk_create(
        Rule(
            name=f"rule {number}",
            machines=[_key((number * machines_each + step) % MACHINES) for step in range(machines_each)],
            when={
                "all": [
                    {"metric": _metric(number), "op": "above", "value": _LIMIT, "for_s": 10, "clear": _LIMIT * 0.9},
                    {"metric": _metric(number + 1), "op": "outside", "value": [-_LIMIT, _LIMIT]},
                ]
            },
        )
        for number in range(RULES)
    )


def _second_of_readings(t_ms: int) -> ReadingBatch:
    keys = [(_key(machine), _metric(metric)) for machine in range(MACHINES) for metric in range(METRICS)]
    count = len(keys)
    values = np.random.default_rng(t_ms).normal(50.0, 5.0, count)
    return ReadingBatch.of_columns(keys, np.arange(count, dtype=np.int32), np.full(count, t_ms, np.int64), values)


def _check(newest_ms: int) -> None:
    """Every condition has seen the newest reading: what was not evaluated must not look cheap."""
    from anomalies.models import MachineHealth

    behind = [
        leaf
        for health in MachineHealth.objects.all()
        for state in health.state["rules"].values()
        for leaf in state[1]
        if leaf[0] != newest_ms
    ]
    assert not behind, f"{len(behind)} conditions stand behind"


def _cpu_of(postgres: int) -> float:
    found = costs({"postgres": [postgres]})["postgres"]
    return found.cpu_s


def _key(number: int) -> str:
    return f"M{number:04}"


def _metric(number: int) -> str:
    return f"metric_{number % METRICS}"


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

    from telemetry.models import Machine, Metric
    from tenants.context import factory_context
    from tenants.provisioning import factory_create, public_ensure

    call_command("migrate_schemas", "--shared", verbosity=0)
    public_ensure()
    with factory_context(factory_create(slug="bench", name="Bench")):
        machines = Machine.objects.bulk_create(Machine(key=_key(number)) for number in range(MACHINES))
        Metric.objects.bulk_create(
            Metric(machine=machine, name=_metric(number)) for machine in machines for number in range(METRICS)
        )
        yield
    connections.close_all()


if __name__ == "__main__":
    main()
