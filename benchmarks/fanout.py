"""How fast news reaches browsers: 1,000 sockets on one web process, ten frames a second each.

The web process is daphne with the whole application, as in the trial, on embedded PostgreSQL and Valkey; the publisher
is the ingest process's own. Latency is from `LivePublisher.add` to the message in the browser; everything shares the
machine. Nothing here is durable or has to be. Run: `make bench NAME=fanout`.
"""

import json
import multiprocessing
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _browsers

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "fanout.json"
SOCKETS = int(os.environ.get("SOCKETS", "1000"))
MACHINES = 100
METRICS = ("sent", "n", "vibration", "temperature", "current")
PER_S = 10
SETTLE_S = 3.0
SECONDS = 10.0
SLUG = "bench"
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; back_s and gaps are of 1,000 reconnects within a second."""

    load: str
    sockets: int
    frames_per_s: float
    expected_per_s: float
    p50_ms: float
    p99_ms: float
    web_kib_per_socket: float
    web_cpu: float
    publisher_cpu: float
    generator_cpu: float
    back_s: float
    back_median_s: float
    gaps: int


def main() -> None:
    """Run both loads, print the table, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    loads = {
        "all watch one machine": ["M000"] * SOCKETS,
        f"each of {MACHINES} machines watched by {SOCKETS // MACHINES}": [
            f"M{n % MACHINES:03}" for n in range(SOCKETS)
        ],
    }
    rows = []
    with _stage() as (port, cookie):
        for load, machines in loads.items():
            with _web(port) as web:  # a fresh one each, so that memory let go of is not taken again unseen
                rows.append(_measure(load, machines, web, port, cookie))
    print(f"{SOCKETS} sockets on one web process, {MACHINES} machines of {len(METRICS)} metrics {PER_S} times a second")
    print(f"{'':<42}{'frames/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'KiB/socket':>12}", end="")
    print(f"{'web':>6}{'publisher':>11}{'browsers':>10}   back after reconnecting (median), gaps")
    for row in rows:
        print(f"{row.load:<42}{row.frames_per_s:>9,.0f}{row.p50_ms:>8.1f}{row.p99_ms:>8.1f}", end="")
        print(f"{row.web_kib_per_socket:>12.1f}{row.web_cpu:>6.0%}{row.publisher_cpu:>11.0%}", end="")
        print(f"{row.generator_cpu:>10.0%}   {row.back_s:.1f} s ({row.back_median_s:.1f} s), {row.gaps}")
    RESULT.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")


def _measure(load: str, machines: list[str], web: int, port: int, cookie: str) -> Row:
    publisher, publishing = _process(_publish)
    crowd = _browsers.Crowd(port, f"{SLUG}.localhost:{port}", cookie, history_s=60)
    browsers, crowding = _process(_browsers.run, crowd)
    try:
        _ask(browsers, "open", machines[:10])
        _ask(browsers, "close")
        time.sleep(SETTLE_S)
        empty_kib = _pss_kib(web)
        _ask(browsers, "open", machines)
        time.sleep(SETTLE_S)
        cpu_s = _cpu_s(web), _cpu_s(publishing.pid)
        latencies_s, frames, generator_cpu_s = _ask(browsers, "measure", SECONDS)
        used_s = _cpu_s(web) - cpu_s[0], _cpu_s(publishing.pid) - cpu_s[1]
        full_kib = _pss_kib(web)
        back_s, back_median_s, gaps = _ask(browsers, "reconnect")
    finally:
        for process in (crowding, publishing):
            process.terminate()
            process.join()
        publisher.close()
    return Row(
        load=load,
        sockets=len(machines),
        frames_per_s=frames / SECONDS,
        expected_per_s=len(machines) * PER_S,
        p50_ms=float(np.percentile(latencies_s, 50)) * 1e3,
        p99_ms=float(np.percentile(latencies_s, 99)) * 1e3,
        web_kib_per_socket=(full_kib - empty_kib) / len(machines),
        web_cpu=used_s[0] / SECONDS,
        publisher_cpu=used_s[1] / SECONDS,
        generator_cpu=generator_cpu_s / SECONDS,
        back_s=back_s,
        back_median_s=back_median_s,
        gaps=gaps,
    )


def _process(target: Any, *arguments: Any) -> tuple[Connection, Any]:
    ours, theirs = multiprocessing.Pipe()
    process = _SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    return ours, process


def _ask(pipe: Connection, order: str, argument: Any = None) -> Any:
    pipe.send((order, argument))
    return pipe.recv()


def _pss_kib(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- the stage: services, a factory, a person's cookie, the web process ---


@contextmanager
def _stage() -> Iterator[tuple[int, str]]:
    from factorypulse.dev.choices import ServiceChoices
    from factorypulse.dev.ports import free_port
    from factorypulse.dev.services import Services

    with tempfile.TemporaryDirectory(prefix="factorypulse-bench-") as directory:
        Path(directory).chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get in
        services = Services(Path(directory), ServiceChoices.fresh(), durable=False)
        port = free_port()
        services.start()
        try:
            os.environ |= {
                "DATABASE_URL": services.postgres.url,
                "REDIS_URL": services.valkey.url(0),
                "STATE_DIR": directory,
                "DOMAIN": f"localhost:{port}",
                "DJANGO_SETTINGS_MODULE": "factorypulse.settings.dev",
                "MALLOC_ARENA_MAX": "2",
            }
            yield port, _factory_make()
        finally:
            services.stop()


def _factory_make() -> str:
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command
    from django.db import connections

    from accounts.models import Role, User
    from telemetry.models import Machine, Metric
    from tenants.context import factory_context
    from tenants.provisioning import factory_create, public_ensure

    call_command("migrate_schemas", "--shared", verbosity=0)
    public_ensure()
    with factory_context(factory_create(slug=SLUG, name="Bench")):
        machines = Machine.objects.bulk_create(Machine(key=f"M{number:03}") for number in range(MACHINES))
        Metric.objects.bulk_create(Metric(machine=machine, name=name) for machine in machines for name in METRICS)
        person = User.objects.create_user(email="vera@bench.example", password=None, role=Role.VIEWER)
        session = SessionStore()
        session[SESSION_KEY] = str(person.pk)
        session[BACKEND_SESSION_KEY] = "accounts.permissions.RoleBackend"
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.save()
    connections.close_all()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


@contextmanager
def _web(port: int) -> Iterator[int]:
    words = ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), "factorypulse.asgi:application"]
    profile = os.environ.get("PROFILE")  # where cProfile writes what the web process spent its time on
    if profile:
        words = ["-m", "cProfile", "-o", profile, *words]
    log = Path(os.environ["STATE_DIR"]) / "web.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, *words], stdout=out, stderr=out)
        try:
            _wait_for(port)
            yield process.pid
        finally:
            process.terminate()
            process.wait()
    if b"Traceback" in log.read_bytes():
        print(log.read_text(encoding="utf-8")[-3000:], file=sys.stderr)


def _wait_for(port: int) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.05)
        else:
            return


# --- the publisher's process: ingest without devices ---


def _publish(_pipe: Connection) -> None:
    import django

    django.setup()
    from telemetry.ingest.live_tail import TICK_S
    from telemetry.live.hub import LivePublisher

    publisher, to_store = LivePublisher(), queue.SimpleQueue[Any]()
    threading.Thread(target=_store, args=(to_store,), daemon=True).start()
    machines = [f"M{number:03}" for number in range(MACHINES)]
    began_s, count = time.monotonic(), 0
    while True:
        batch = _batch(machines, count)
        publisher.add(SLUG, batch)
        publisher.flush()
        to_store.put(batch)
        count += 1
        while (left_s := began_s + count / PER_S - time.monotonic()) > 0:
            time.sleep(min(TICK_S, left_s))
            publisher.flush()


def _store(batches: Any) -> None:
    """What the drain does, in a thread as it does: history for those who come later."""
    from telemetry.models import Machine
    from telemetry.store import reading_store
    from tenants.context import factory_context, factory_get

    store = reading_store()
    with factory_context(factory_get(SLUG)):
        machines = {machine.key: machine for machine in Machine.objects.all()}
        while True:
            store.write(batches.get(), machines=machines)


def _batch(machines: list[str], count: int) -> Any:
    from telemetry.readings import ReadingBatch, Series

    now_ms = np.array([time.time_ns() // 1_000_000])
    values = {"sent": time.monotonic(), "n": float(count), "vibration": 2.125, "temperature": 71.3, "current": 12.7}
    return ReadingBatch([Series(key, name, now_ms, np.array([values[name]])) for key in machines for name in METRICS])


if __name__ == "__main__":
    main()
