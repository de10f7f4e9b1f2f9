"""A factory's history changes stores while devices go on sending: both real stores, and a real process to kill."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from common import clock
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store_named
from telemetry.store.base import ReadingStore
from tenants.context import factory_context
from tenants.models import Factory

ROOT = Path(__file__).resolve().parents[3]
DAY_MS = 86_400_000
NOW_MS = clock.now_ms() // 1000 * 1000
# The copy, killed as a write has just been done: on a busy machine a kill from outside may come after the last one.
_DIES_AFTER_A_WRITE = """
import os, signal, sys
import django
from django.core.management import execute_from_command_line
django.setup()
from telemetry.store.influx import InfluxReadingStore
write, written = InfluxReadingStore.write, []
def write_and_die(*arguments, **named):
    write(*arguments, **named)
    written.append(1)
    if len(written) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
InfluxReadingStore.write = write_and_die
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


@pytest.fixture
def stores(influx_url: str, settings: Any) -> Iterator[dict[str, ReadingStore]]:
    """Both stores as the settings name them, PostgreSQL in use."""
    settings.INFLUXDB_URL, settings.READING_STORE = influx_url, "postgres"
    reading_store_named.cache_clear()
    yield {name: reading_store_named(name) for name in ("postgres", "influxdb")}
    reading_store_named.cache_clear()


@pytest.fixture
def history(stores: dict[str, ReadingStore], in_acme: Factory) -> Iterator[Machine]:
    """A mixer with ten days in PostgreSQL: two metrics read together every minute, one on its own."""
    mixer = machine_make("Mixer 1", "vibration", "temperature", "flow")
    t_ms = np.arange(NOW_MS - 10 * DAY_MS, NOW_MS, 60_000)
    write(stores["postgres"], mixer, "vibration", t_ms, np.sin(t_ms / 7e6))
    write(stores["postgres"], mixer, "temperature", t_ms, 70 + np.cos(t_ms / 9e6))
    write(stores["postgres"], mixer, "flow", t_ms[::7] + 13, t_ms[::7] / 3e9)
    yield mixer
    stores["influxdb"].delete_all()


def machine_make(key: str, *metrics: str) -> Machine:
    machine = Machine.objects.create(key=key)
    Metric.objects.bulk_create([Metric(machine=machine, name=name) for name in metrics])
    return machine


def write(store: ReadingStore, machine: Machine, metric: str, t_ms: np.ndarray, values: np.ndarray) -> None:
    store.write(ReadingBatch([Series(machine.key, metric, t_ms, values)]), machines={machine.key: machine})


def everything(store: ReadingStore, machine: Machine) -> dict[str, list[tuple[int, float]]]:
    metrics = list(machine.metrics.values_list("name", flat=True))
    return {
        part.metric: list(zip(part.t_ms.tolist(), part.values.tolist(), strict=True))
        for part in store.raw(machine, metrics, from_ms=0, to_ms=NOW_MS + DAY_MS)
    }


def move(*words: str, source: str = "postgres", target: str = "influxdb") -> str:
    said = StringIO()
    call_command("move_readings", "acme", "--from", source, "--to", target, *words, stdout=said, stderr=said)
    return said.getvalue()


def test_the_whole_history_arrives_bit_by_bit_and_the_next_step_is_told(
    stores: dict[str, ReadingStore], history: Machine
) -> None:
    said = move()

    assert everything(stores["influxdb"], history) == everything(stores["postgres"], history)
    assert "30,858 copied, 0 there already" in said
    assert "set READING_STORE=influxdb" in said
    assert "--since" in said


def test_it_goes_back_as_it_came(stores: dict[str, ReadingStore], history: Machine) -> None:
    before = everything(stores["postgres"], history)
    move()
    stores["postgres"].delete_all()

    move(source="influxdb", target="postgres")

    assert everything(stores["postgres"], history) == before


def test_days_that_are_there_are_not_copied_again(stores: dict[str, ReadingStore], history: Machine) -> None:
    move()

    assert "0 copied, 30,858 there already" in move()


def test_large_days_travel_in_several_steps(
    stores: dict[str, ReadingStore], history: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.store.moving.READINGS_PER_STEP", 500)

    move()

    assert everything(stores["influxdb"], history) == everything(stores["postgres"], history)


def test_what_arrives_before_the_switch_is_taken_over_after_it(
    stores: dict[str, ReadingStore], history: Machine, settings: Any
) -> None:
    said = move()
    late, fresh = np.array([NOW_MS - 3 * DAY_MS + 1]), np.array([NOW_MS + 10])
    write(stores["postgres"], history, "vibration", late, np.array([1.0]))
    write(stores["postgres"], history, "vibration", fresh, np.array([2.0]))
    settings.READING_STORE = "influxdb"
    # A device corrected a reading after the switch; the old store's must not come back over it.
    write(stores["influxdb"], history, "vibration", np.array([NOW_MS - 60_000]), np.array([9.0]))

    again = move("--since", said.rsplit("--since ", 1)[1].strip())

    found = dict(everything(stores["influxdb"], history)["vibration"])
    assert (found[int(late[0])], found[int(fresh[0])], found[NOW_MS - 60_000]) == (1.0, 2.0, 9.0)
    assert len(found) == 14_402
    assert "2 copied" in again
    assert "READING_STORE is influxdb already" in again


def test_the_same_store_twice_is_refused() -> None:
    with pytest.raises(CommandError, match="the same store"):
        call_command("move_readings", "acme", "--from", "postgres", "--to", "postgres")


def test_a_time_that_is_none_is_refused(stores: dict[str, ReadingStore], history: Machine) -> None:
    with pytest.raises(CommandError, match="--since"):
        move("--since", "yesterday")


def test_an_unknown_factory_is_named(stores: dict[str, ReadingStore], acme: Factory) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("move_readings", "nowhere", "--from", "postgres", "--to", "influxdb")


def test_a_copy_that_was_killed_goes_on_where_it_stood(
    stores: dict[str, ReadingStore], live_factory: Factory, process_environment: dict[str, str], influx_url: str
) -> None:
    t_ms = np.arange(NOW_MS - 20_000_000, NOW_MS, 1_000)
    with factory_context(live_factory):
        machines = [machine_make(f"M{number:02}", "vibration", "flow") for number in range(12)]
        for machine in machines:
            write(stores["postgres"], machine, "vibration", t_ms, t_ms / 7.0)
            write(stores["postgres"], machine, "flow", t_ms + 1, t_ms / 3.0)
    words = ["move_readings", live_factory.slug, "--from", "postgres", "--to", "influxdb"]
    environment = {**process_environment, "INFLUXDB_URL": influx_url, "PYTHONUNBUFFERED": "1"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    killed = run("-c", _DIES_AFTER_A_WRITE)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "M00: 40,000 copied, 0 there already" in killed.stdout

    done = run("manage.py")

    assert done.returncode == 0, done.stderr
    assert "M00: 0 copied, 40,000 there already" in done.stdout
    assert "M11: 40,000 copied" in done.stdout
    with factory_context(live_factory):
        for machine in machines:
            assert everything(stores["influxdb"], machine) == everything(stores["postgres"], machine)
        stores["influxdb"].delete_all()
