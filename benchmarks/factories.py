"""What many factories on one machine cost: sign-ups in a row, their schemas, entering them, migrating them all.

Embedded PostgreSQL, synced to disk at every commit. A sign-up is what the form does: schema, role, owner, confirmation
mail (kept in memory), with Argon2 for the password. SIGNUPS=50 FACTORIES=200 unless told. STAGE=folder keeps the
database there, and a run that was stopped goes on with the factories it has: figures of sign-ups and of growth are then
of what this run made. Entering is a query in one factory after another on one connection, with and without database
roles. Migrating is what accounts has got since its third migration, taken back and made again in a sample of the
schemas, by one process and by one a core. Beside each time stands what it cost in seconds of CPU, PostgreSQL's
included, which hardly depends on what else the machine does. Figures are written as they come. Run: `make bench
NAME=factories`.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "factories.json"
SIGNUPS = int(os.environ.get("SIGNUPS", "50"))
FACTORIES = int(os.environ.get("FACTORIES", "200"))
STAGE = os.environ.get("STAGE", "")
ENTERED = 2_000
SAMPLE = 20
_STEP = 100
# Everything after it is made again: tables and columns, as ordinary updates bring them.
_MIGRATION = ("accounts", "0003")
_ARGON = ["django.contrib.auth.hashers.Argon2PasswordHasher"]


def main() -> None:
    """Measure, print, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"wanted": FACTORIES, "load_at_begin": os.getloadavg()[0], "grown": []}
    with _stage() as postgres:
        begun = _made()
        print(f"Load of the machine: {figures['load_at_begin']:.1f} on {os.cpu_count()} cores; {begun} factories here")
        print("Durable when a factory was made: yes, one PostgreSQL transaction, synced")
        _sign_ups(figures, begun, postgres)
        while (made := _made()) < FACTORIES:
            _note(figures, grown=[*figures["grown"], _grow(made, postgres)])
        _note(figures, entering_us={"with roles": _entering(roles=True), "without": _entering(roles=False)})
        for kind, cost in figures["entering_us"].items():
            print(f"a query in one factory after another, {kind}: {cost:.0f} us")
        _migrations(figures, postgres)
        _note(figures, postgres_mib=_memory_mib(postgres), database_mib=_database_mib())
    held, on_disk = figures["postgres_mib"], figures["database_mib"]
    print(f"PostgreSQL {held:,.0f} MiB, database {on_disk:,.0f} MiB on disk with {FACTORIES} factories")
    _note(figures, load_at_end=os.getloadavg()[0])


def _note(figures: dict[str, Any], **more: Any) -> None:
    """Written at once, so that a run that is stopped leaves what it has measured."""
    figures |= more
    RESULT.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def _made() -> int:
    from tenants.context import factories_all

    return len(factories_all())


def _sign_ups(figures: dict[str, Any], begun: int, postgres: int) -> None:
    wanted = min(SIGNUPS, FACTORIES - begun)
    if wanted <= 0:
        return
    spent = _cpu_s(postgres)
    spread = _spread([_timed(partial(_sign_up, begun + number)) for number in range(wanted)])
    cpu_s = (_cpu_s(postgres) - spent) / wanted
    _note(figures, signups=wanted, signup_s=spread, signup_cpu_s=cpu_s)
    print(
        f"{wanted} sign-ups: p50 {spread['p50']:.3f} s, p99 {spread['p99']:.3f} s, "
        f"first tenth {spread['first']:.3f} s, last tenth {spread['last']:.3f} s; {cpu_s:.3f} s of CPU each",
        flush=True,
    )


def _migrations(figures: dict[str, Any], postgres: int) -> None:
    """Finding nothing to do in all, and one migration made anew in a sample of them."""
    from tenants.context import factories_all
    from tenants.migrating import schemas_behind

    _note(figures, nothing_to_migrate_s=_timed(schemas_behind))
    print(f"migrate {FACTORIES} factories, nothing to do: {figures['nothing_to_migrate_s']:.2f} s")
    sample = [factory.schema_name for factory in factories_all()[:SAMPLE]]
    taken, cpu = {}, {}
    for jobs in (1, os.cpu_count() or 1):
        _take_back(sample)
        assert len(schemas_behind()) == len(sample)
        spent = _cpu_s(postgres)
        taken[jobs] = _timed(partial(_all_migrated, sample, jobs)) / len(sample)
        cpu[jobs] = (_cpu_s(postgres) - spent) / len(sample)
        print(f"an update of some migrations, {jobs} at once: {taken[jobs]:.3f} s a factory; {cpu[jobs]:.3f} s of CPU")
    assert schemas_behind() == []
    _note(figures, migration_s_a_factory=taken, migration_cpu_s_a_factory=cpu, sample=len(sample))


def _all_migrated(schemas: list[str], jobs: int) -> None:
    from tenants.migrating import schemas_migrate

    failed = [done for done in schemas_migrate(schemas, jobs=jobs) if done.error]
    assert failed == [], failed


def _take_back(schemas: list[str]) -> None:
    from django.core.management import call_command

    for schema in schemas:
        call_command("migrate_schemas", *_MIGRATION, schema_name=schema, tenant=True, interactive=False, verbosity=0)


def _sign_up(number: int) -> None:
    from accounts.signup import factory_signup

    factory_signup(
        name=f"Plant {number}",
        slug=f"plant-{number}",
        email=f"owner{number}@plant.example",
        password="correct horse battery",
        time_zone="UTC",
    )


def _grow(made: int, postgres: int) -> dict[str, float]:
    """One step more; what one factory took on average, and what PostgreSQL holds then."""
    from tenants.provisioning import factory_create

    wanted = min(_STEP, FACTORIES - made)

    def grow() -> None:
        for number in range(made, made + wanted):
            factory_create(slug=f"plant-{number}", name="Plant")

    spent, took_s = _cpu_s(postgres), _timed(grow)
    row = {
        "factories": made + wanted,
        "made_s": took_s / wanted,
        "made_cpu_s": (_cpu_s(postgres) - spent) / wanted,
        "postgres_mib": _memory_mib(postgres),
        "database_mib": _database_mib(),
    }
    held = f"PostgreSQL holds {row['postgres_mib']:,.0f} MiB, {row['database_mib']:,.0f} MiB on disk"
    cost = f"{row['made_s']:.3f} s for one more ({row['made_cpu_s']:.3f} s of CPU)"
    print(f"{row['factories']:>6.0f} factories: {cost}, {held}", flush=True)
    return row


def _entering(*, roles: bool) -> float:
    """Microseconds for entering a factory and asking one small thing."""
    from django.conf import settings

    from accounts.models import User
    from tenants.context import factories_all, factory_context

    factories, before = factories_all()[:50], settings.FACTORY_ROLES
    settings.FACTORY_ROLES = roles

    def enter() -> None:
        for number in range(ENTERED):
            with factory_context(factories[number % len(factories)]):
                User.objects.order_by().values_list("pk").first()

    try:
        return _timed(enter) / ENTERED * 1e6
    finally:
        settings.FACTORY_ROLES = before


def _timed(act: Callable[[], Any]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _spread(seconds: list[float]) -> dict[str, float]:
    tenth, ordered = max(1, len(seconds) // 10), sorted(seconds)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "first": statistics.median(seconds[:tenth]),
        "last": statistics.median(seconds[-tenth:]),
    }


def _cpu_s(postgres: int) -> float:
    """Seconds of CPU so far: of this process and its children that ended, and of all of PostgreSQL's."""
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, fields = int(status.parent.name), status.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if postgres in {pid, int(fields[1])}:
            # A server process that has ended is counted with its parent.
            ticks += sum(int(field) for field in fields[11:15])
    ours = os.times()
    return ticks / os.sysconf("SC_CLK_TCK") + ours.user + ours.system + ours.children_user + ours.children_system


def _memory_mib(postgres: int) -> float:
    """What PostgreSQL holds for itself, all processes together, shared memory counted once (PSS)."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, parent = status.parent.name, int(status.read_text().rsplit(")", 1)[1].split()[1])
            if int(pid) == postgres or parent == postgres:
                rollup = (status.parent / "smaps_rollup").read_text()
                total += int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration):
            continue
    return total / 1024


def _database_mib() -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return float(cursor.fetchone()[0]) / 1024 / 1024


@contextmanager
def _stage() -> Iterator[int]:
    from factorypulse.dev.choices import ServiceChoices
    from factorypulse.dev.services import Services

    with ExitStack() as stack:
        directory = STAGE or stack.enter_context(tempfile.TemporaryDirectory(prefix="factorypulse-bench-"))
        Path(directory).mkdir(parents=True, exist_ok=True)
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
            _public_site()
            assert services.postgres.process is not None
            yield services.postgres.process.pid
            from django.db import connections

            connections.close_all()
        finally:
            services.stop()


def _public_site() -> None:
    import logging

    import django

    django.setup()
    logging.disable(logging.WARNING)
    from django.conf import settings
    from django.core.management import call_command

    from tenants.provisioning import public_ensure

    settings.PASSWORD_HASHERS = _ARGON
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    call_command("migrate_schemas", "--shared", verbosity=0)
    public_ensure()


if __name__ == "__main__":
    main()
