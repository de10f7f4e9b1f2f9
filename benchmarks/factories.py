"""What many factories on one machine cost: sign-ups in a row, a thousand schemas, entering them, migrating them all.

Embedded PostgreSQL, synced to disk at every commit. A sign-up is what the form does: schema, role, owner, confirmation
mail (kept in memory), with Argon2 for the password. SIGNUPS=200 FACTORIES=1000 unless told. Entering is a query in one
factory after another on one connection, with and without database roles. Run: `make bench NAME=factories`.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")) / "bench" / "factories.json"
SIGNUPS = int(os.environ.get("SIGNUPS", "200"))
FACTORIES = int(os.environ.get("FACTORIES", "1000"))
ENTERED = 2_000
_STEP = 100
_ARGON = ["django.contrib.auth.hashers.Argon2PasswordHasher"]


def main() -> None:
    """Measure, print, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"signups": SIGNUPS, "factories": FACTORIES, "load_at_begin": os.getloadavg()[0]}
    with _stage() as postgres:
        figures["signup_s"] = _spread([_timed(partial(_sign_up, number)) for number in range(SIGNUPS)])
        figures["grown"] = [_grow(made, postgres) for made in range(SIGNUPS, FACTORIES, _STEP)]
        figures["entering_us"] = {"with roles": _entering(roles=True), "without": _entering(roles=False)}
        figures["nothing_to_migrate_s"] = _timed(_migrate_all)
        figures["one_migration_s"] = _timed(_add_column_everywhere)
        figures["postgres_mib"], figures["database_mib"] = _memory_mib(postgres), _database_mib()
    figures["load_at_end"] = os.getloadavg()[0]
    _print(figures)
    RESULT.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def _print(figures: dict[str, Any]) -> None:
    load = f"{figures['load_at_begin']:.1f} to {figures['load_at_end']:.1f}"
    print(f"Load of the machine: {load} on {os.cpu_count()} cores; more than 2 is not ours")
    print("Durable when a factory was made: yes, one PostgreSQL transaction, synced")
    spread = figures["signup_s"]
    print(f"{figures['signups']} sign-ups: p50 {spread['p50']:.3f} s, p99 {spread['p99']:.3f} s, "
          f"first tenth {spread['first']:.3f} s, last tenth {spread['last']:.3f} s")  # fmt: skip
    for row in figures["grown"]:
        held = f"PostgreSQL holds {row['postgres_mib']:,.0f} MiB"
        print(f"{row['factories']:>6} factories: {row['made_s']:.3f} s for one more, {held}")
    for kind, cost in figures["entering_us"].items():
        print(f"a query in one factory after another, {kind}: {cost:.0f} us")
    idle, changed = figures["nothing_to_migrate_s"], figures["one_migration_s"]
    print(f"migrate, nothing to do: {idle:.1f} s; one column in all: {changed:.1f} s")
    print(f"PostgreSQL {figures['postgres_mib']:,.0f} MiB, database {figures['database_mib']:,.0f} MiB on disk")


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

    elapsed_s = _timed(grow)
    return {"factories": made + wanted, "made_s": elapsed_s / wanted, "postgres_mib": _memory_mib(postgres)}


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


def _migrate_all() -> None:
    from django.core.management import call_command

    call_command("migrate_schemas", "--tenant", interactive=False, verbosity=0)


def _add_column_everywhere() -> None:
    """What the smallest migration asks of PostgreSQL, in every schema, each in a transaction of its own."""
    from django.db import connection
    from django_tenants.utils import quote_schema_name

    from tenants.context import factories_all

    with connection.cursor() as cursor:
        for factory in factories_all():
            schema = quote_schema_name(factory.schema_name)
            cursor.execute(f"ALTER TABLE {schema}.telemetry_machine ADD COLUMN benchmark integer NULL")


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
