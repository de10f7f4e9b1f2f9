"""FactoryPulse as a contender: the whole trial, every process and setting as `make demo` runs them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.journey.contender import LIMIT, VIEWERS, watched_by
from benchmarks.journey.influx import Influx
from benchmarks.journey.load import Float64Array, Int64Array
from benchmarks.journey.meter import children_by_parent
from benchmarks.journey.mqtt_link import MqttAddress
from benchmarks.journey.viewers import Viewer
from factorypulse.dev.clean import remove_state
from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import command_line, spawn

ROOT = Path(__file__).resolve().parents[2]
FACTORY = "demo"
_READY, _READY_WITHIN_S, _STOP_WITHIN_S = "FactoryPulse is ready: ", 600.0, 60.0
_DURABLE = "yes: the journal, written and synced (fdatasync) before PUBACK"
# What the trial chooses for itself.
_THEIR_OWN = ("DATABASE_URL", "REDIS_URL", "DOMAIN", "PORT", "MQTT_PORT")
# As much as the columns hold: a benchmark measures the machine, not a plan.
_NO_LIMIT = 2_000_000_000


class StartError(Exception):
    """A contender did not come up."""


class FactoryPulse:
    """The product with one of its stores. Keeps `Contender`; one of it in a process, because settings are."""

    durable = _DURABLE

    def __init__(self, folder: Path, *, store: str) -> None:
        """store: postgres or influxdb."""
        self.name = f"FactoryPulse, {'PostgreSQL' if store == 'postgres' else 'InfluxDB'}"
        self._store, self._folder, self._state = store, folder, folder / "state"
        self._port, self._mqtt_port = free_port(), free_port()
        self._influx = Influx(folder / "influx") if store == "influxdb" else None
        self._trial: subprocess.Popen[bytes] | None = None
        self._cookie = ""
        self.mqtt = MqttAddress(self._mqtt_port, FACTORY)

    # --- coming and going ---

    def start(self) -> None:
        """Everything runs and answers. Raises StartError."""
        if self._influx is not None:
            self._influx.start()
        self._launch()
        self._become_part()
        self._prepare()

    def _launch(self) -> None:
        ports = ["--port", str(self._port), "--mqtt-port", str(self._mqtt_port)]
        argv = [sys.executable, "-m", "factorypulse.dev.demo", "--simulator", "off", "--stop-with-parent", *ports]
        output = self._folder / "output"
        with output.open("ab") as log:
            self._trial = spawn(argv, log=log, env=self._environment(), cwd=ROOT, death_signal=signal.SIGTERM)
        deadline = time.monotonic() + _READY_WITHIN_S
        while _READY not in output.read_text(encoding="utf-8", errors="replace"):
            if self._trial.poll() is not None or time.monotonic() > deadline:
                raise StartError(output.read_text(encoding="utf-8", errors="replace")[-3000:])
            time.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _THEIR_OWN}
        influx = {"READING_STORE": self._store, "INFLUXDB_URL": self._influx.url if self._influx else ""}
        return {**kept, "STATE_DIR": str(self._state), **influx}

    def _become_part(self) -> None:
        """Set Django up in this process, beside the trial, as management commands are."""
        os.environ.update(self._environment(), DJANGO_SETTINGS_MODULE="factorypulse.settings.dev")
        import django

        django.setup()

    def _prepare(self) -> None:
        """A plan that holds nothing back, a key, and a person's session, before the first reading comes."""
        from django.test import Client

        from accounts.api_keys import api_key_create
        from accounts.models import User
        from tenants.context import factory_context, factory_get
        from tenants.models import Plan

        limits = {field.name: _NO_LIMIT for field in Plan._meta.get_fields() if field.name.startswith("max_")}
        factory = factory_get(FACTORY)
        factory.plan = Plan.objects.create(slug="benchmark", name="Benchmark", **limits)
        factory.save()
        with factory_context(factory):
            self.mqtt = MqttAddress(self._mqtt_port, FACTORY, api_key_create(name="bench", scopes=["ingest"])[1])
            client = Client()
            client.force_login(User.objects.earliest("pk"))
            self._cookie = f"sessionid={client.cookies['sessionid'].value}"

    def stop(self) -> None:
        """As Ctrl-C does; then everything it made is removed."""
        if self._trial is not None:
            if self._trial.poll() is None:
                self._trial.send_signal(signal.SIGINT)
            try:
                self._trial.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._trial.kill()
        if self._influx is not None:
            self._influx.stop()
        remove_state(self._state)
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- what is measured, and with what ---

    def roles(self) -> dict[str, list[int]]:
        """By what each child of the trial's supervisor was started as; the supervisor is no part of the product."""
        assert self._trial is not None
        found: dict[str, list[int]] = {}
        for pid in children_by_parent().get(self._trial.pid, []):
            found.setdefault(_role(command_line(pid)), []).append(pid)
        if self._influx is not None and self._influx.process is not None:
            found["influxd"] = [self._influx.process.pid]
        return found

    def limits_set(self, machines: Sequence[str], metrics: Sequence[str]) -> None:
        """One rule a metric, without a delay."""
        from anomalies.models import Rule
        from telemetry.models import Metric
        from tenants.context import factory_context

        with factory_context(FACTORY):
            wanted = Metric.objects.filter(machine__key__in=machines, name__in=metrics).select_related("machine")
            Rule.objects.bulk_create(
                Rule(
                    name=f"{metric.machine.key} {metric.name}",
                    machines=[metric.machine.key],
                    when={"all": [{"metric": metric.name, "op": "above", "value": LIMIT}]},
                )
                for metric in wanted
            )

    def viewers(self, machines: Sequence[str]) -> list[Viewer]:
        """The owner in ten browsers."""
        host = f"{FACTORY}.localhost:{self._port}"
        watched = [watched_by(number, machines) for number in range(VIEWERS)]
        return [Viewer(self._port, "/ws/live", host, mine, self._cookie, _hello(mine)) for mine in watched]

    def stored(
        self, machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int
    ) -> list[tuple[Int64Array, Float64Array]]:
        """By the product's own store."""
        from telemetry.models import Machine
        from telemetry.store import reading_store
        from tenants.context import factory_context

        with factory_context(FACTORY):
            found = Machine.objects.filter(key=machine).first()
            if found is None:
                return []
            known = set(found.metrics.values_list("name", flat=True))
            wanted = [metric for metric in metrics if metric in known]
            series = reading_store().raw(found, wanted, from_ms=from_ms, to_ms=to_ms)
        return [(part.t_ms, part.values) for part in series]

    def alarms(self) -> int:
        """Entries in the timelines of alerts that rules have raised: one that returned is not raised anew."""
        from anomalies.models import AlertEvent
        from tenants.context import factory_context

        with factory_context(FACTORY):
            return AlertEvent.objects.filter(alert__rule__isnull=False).count()


def _role(command: str) -> str:
    """What a command line is: a management command's name, or one of the servers.

    >>> _role("/venv/bin/python manage.py ingest --mqtt-port 1883"), _role("/venv/bin/python -m celery -A x beat")
    ('ingest', 'beat')
    """
    words = command.split()
    if "manage.py" in words:
        return words[words.index("manage.py") + 1]
    for role, word in (("web", "daphne"), ("worker", "worker"), ("beat", "beat")):
        if word in words:
            return role
    return next((role for role in ("postgres", "valkey") if role in command), "other")


def _hello(machines: Sequence[str]) -> str:
    watch: dict[str, Any] = {"machines": list(machines), "history_s": 0}
    return json.dumps({"watch": watch})
