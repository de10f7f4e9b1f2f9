"""PostgreSQL and Valkey of the fault tests' own, which may be killed, and what the product tells browsers meanwhile."""

import os
import shutil
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import redis
from django.core.management import call_command
from django.db import connection, connections

from factorypulse.dev.choices import ServiceChoices
from factorypulse.dev.ports import free_port
from factorypulse.dev.services import Services
from telemetry.live.valkey import valkey, watch_renew
from tenants.hosts import hosts_forget
from tenants.provisioning import public_ensure
from tests.faults.processes import Process, answers, wait_until


class World:
    """Services of its own with an empty, migrated database. Durable: what is committed survives a kill."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="factorypulse-faults-"))
        self.folder.chmod(0o711)  # as root, PostgreSQL runs as `nobody` and has to get in
        self.services = Services(self.folder, ServiceChoices.fresh())
        self.services.start()
        self.web_port = free_port()

    @property
    def environment(self):
        """For processes of the product as in the trial, with its mailbox."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FACTORYPULSE")}
        return {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "factorypulse.settings.dev",
            "DATABASE_URL": self.services.postgres.url,
            "REDIS_URL": self.services.valkey.url(),
            "STATE_DIR": str(self.folder / "state"),
            "DOMAIN": f"localhost:{self.web_port}",
        }

    def mails(self):
        """What was mailed, one file each."""
        return [path.read_text() for path in sorted((self.folder / "state" / "mailbox").glob("*.eml"))]

    def web(self, environment):
        words = (
            "-m",
            "daphne",
            "-v",
            "0",
            "-b",
            "127.0.0.1",
            "-p",
            str(self.web_port),
            "factorypulse.asgi:application",
        )
        return Process(*words, environment=environment, log=self.folder / "web.log")

    def worker(self, environment):
        words = ("-m", "celery", "--quiet", "-A", "factorypulse.celery", "worker", "--pool=threads", "--concurrency=2")
        quick = ("--loglevel=INFO", "--without-mingle", "--without-gossip")
        return Process(*words, *quick, environment=environment, log=self.folder / "worker.log")

    def postgres_kill(self):
        """SIGKILL for the server and every backend."""
        self._kill(self.services.postgres)
        connections.close_all()

    def postgres_stop(self):
        """As an administrator does: whoever is connected is cut off."""
        self.services.postgres.stop()
        connections.close_all()

    def postgres_start(self):
        self.services.postgres.launch()
        self.services.postgres.wait_ready()

    def valkey_kill(self):
        self._kill(self.services.valkey)

    def valkey_start(self):
        self.services.valkey.launch()
        self.services.valkey.wait_ready()

    def _kill(self, service):
        os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()

    def close(self):
        self.services.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def as_database(self):
        """This process's ORM works on this world's database meanwhile."""
        mine, postgres = connections.settings["default"], self.services.postgres
        before = dict(mine)
        connections.close_all()
        mine.update(HOST="127.0.0.1", PORT=postgres.port, USER="factorypulse", PASSWORD=postgres.password)
        mine["NAME"] = "factorypulse"
        hosts_forget()
        try:
            yield
        finally:
            connections.close_all()
            mine.update(before)
            hosts_forget()

    def migrate(self):
        """Tables and the public site."""
        connection.set_schema_to_public()
        call_command("migrate_schemas", schema_name="public", verbosity=0)
        public_ensure()


class Viewer(threading.Thread):
    """Watches one machine as an open page does, and keeps what the product published for it."""

    def __init__(self, url, factory_slug, machine):
        super().__init__(daemon=True)
        self.factory_slug, self.machine = factory_slug, machine
        self.heard = []
        self._done = threading.Event()
        self._line = redis.Redis.from_url(url).pubsub()
        self._line.psubscribe(f"*{factory_slug}*")

    def run(self):
        renewed_s = 0.0
        while not self._done.is_set():
            if time.monotonic() - renewed_s > 2:
                watch_renew(self.factory_slug, [self.machine], now_s=time.time())
                renewed_s = time.monotonic()
            message = self._line.get_message(timeout=0.2)
            if message and message["type"] == "pmessage":
                self.heard.append(message["data"])

    def count(self, words):
        """How many messages hold these bytes."""
        return sum(words in message for message in self.heard)

    def close(self):
        self._done.set()
        self.join(5)
        self._line.close()


def forget_valkey():
    """Connections of this process are made anew, to where the settings say."""
    valkey.cache_clear()


def wait_web(world, process):
    """Until the web process answers."""

    def up():
        assert process.running, process.said()[-3000:]
        return answers(world.web_port)

    wait_until(up, what=lambda: process.said()[-3000:])


def wait_worker(process):
    """Until the worker takes tasks."""
    before = process.said().count(" ready.")

    def up():
        assert process.running, process.said()[-3000:]
        return process.said().count(" ready.") > before

    return up
