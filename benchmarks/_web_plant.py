"""A web process as in production on services of its own, and a factory with a day of history to show."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import spawn, stop
from factorypulse.dev.services import Services

DOMAIN = "plant.localhost"
SLUG = "bench"
MACHINES, METRICS = 8, 10
HOURS, EVERY_MS = 24, 10_000
_READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Plant:
    """How to reach the web process and what to show it: a raw key of all scopes, and a signed-in browser's cookie."""

    port: int
    pid: int
    key: str
    cookie: str

    @property
    def host(self) -> str:
        """The factory's host name."""
        return f"{SLUG}.{DOMAIN}"


@contextmanager
def services(folder: Path) -> Iterator[dict[str, str]]:
    """PostgreSQL and Valkey, migrated and furnished; gives the environment of processes that work on them."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        Path(root).chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get in
        embedded = Services(Path(root), ServiceChoices.fresh())
        embedded.start()
        try:
            yield {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "factorypulse.settings.production",
                "SECRET_KEY": secrets.token_urlsafe(60),
                "DATABASE_URL": embedded.postgres.url,
                "REDIS_URL": embedded.valkey.url(0),
                "EMAIL_URL": "consolemail://",
                "DOMAIN": DOMAIN,
                "STATE_DIR": root,
            }
        finally:
            embedded.stop()


def furnish(environment: Mapping[str, str]) -> dict[str, str]:
    """Make the factory, its history, a key and a session, in a process of their own; gives key and cookie."""
    for arguments in (["manage.py", "collectstatic", "--noinput"], ["manage.py", "migrate_schemas"]):
        _run(arguments, environment)
    found = _run(["-m", "benchmarks._web_plant"], environment)
    answer: dict[str, str] = json.loads(found.splitlines()[-1])
    return answer


def _run(arguments: list[str], environment: Mapping[str, str]) -> str:
    command = [sys.executable, *arguments]
    ended = subprocess.run(command, check=False, env=dict(environment), capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{ended.stderr[-2_000:]}")
    return ended.stdout


@contextmanager
def web(environment: Mapping[str, str], shown: Mapping[str, str], *, threads: int, log: Path) -> Iterator[Plant]:
    """The web command of production with one worker."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--blocking-threads", str(threads), "factorypulse.wsgi:application"),
    ]
    with log.open("ab") as output:
        process = spawn(command, log=output, env=environment)
        try:
            plant = Plant(port, process.pid, shown["key"], shown["cookie"])
            _wait_ready(plant)
            yield plant
        finally:
            stop(process, signals=[(15, 10.0)])


def _wait_ready(plant: Plant) -> None:
    deadline_s = time.monotonic() + _READY_WITHIN_S
    request = urllib.request.Request(f"http://127.0.0.1:{plant.port}/health/live", headers={"Host": DOMAIN})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)


# --- the process that furnishes ---


def _furnish() -> dict[str, str]:
    import django

    django.setup()
    from accounts.api_keys import api_key_create
    from tenants.context import factory_context
    from tenants.models import Plan
    from tenants.provisioning import factory_create, public_ensure

    public_ensure()
    factory = factory_create(slug=SLUG, name="Bench")
    factory.plan = Plan.objects.create(slug="bench", name="Bench", max_machines=1_000, max_readings_per_s=10**9)
    factory.save()
    with factory_context(factory):
        _history_write()
        return {"key": api_key_create(name="bench", scopes=["ingest", "read"])[1], "cookie": _signed_in()}


def _history_write() -> None:
    import numpy as np

    from telemetry.equipment import machines_register
    from telemetry.readings import ReadingBatch, Series
    from telemetry.store import reading_store

    now_ms = time.time_ns() // 1_000_000
    t_ms = np.arange(now_ms - HOURS * 3_600_000, now_ms, EVERY_MS)
    drawn = np.random.default_rng(1)
    for machine in range(MACHINES):
        values = np.round(drawn.normal(70, 2, (METRICS, len(t_ms))), 2)
        batch = ReadingBatch([Series(f"M{machine:02}", f"metric{at}", t_ms, values[at]) for at in range(METRICS)])
        machines, batch = machines_register(batch)
        reading_store().write(batch, machines=machines)


def _signed_in() -> str:
    from django.conf import settings
    from django.test import Client

    from accounts.models import Role, User

    client = Client(HTTP_HOST=f"{SLUG}.{DOMAIN}")
    user = User.objects.create_user(email="owner@plant.example", password=secrets.token_urlsafe(), role=Role.OWNER)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


if __name__ == "__main__":
    print(json.dumps(_furnish()))
