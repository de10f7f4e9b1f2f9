"""kill -9 of the real ingest process under MQTT and HTTP load: nothing acknowledged is lost, nothing is there twice."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from django.test import Client

from accounts.api_keys import api_key_create
from telemetry.ingest import http
from telemetry.ingest.journal import Journal
from telemetry.models import Machine
from telemetry.store import reading_store
from tenants.context import factory_context

ROOT = Path(__file__).resolve().parents[2]
KILLS = 3
# The newest reading must not be ahead of the accepted window, so the ledger's numbers count up from a while ago.
START_MS = int(time.time() * 1000) - 3_600_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Ingest:
    """`manage.py ingest` as a process that can be killed and started again."""

    def __init__(self, environment, log):
        self.port = free_port()
        self._environment, self._log = environment, log
        self.process = None

    def start(self):
        command = [sys.executable, "manage.py", "ingest", "--mqtt-port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "ingest ended by itself"
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        pytest.fail("ingest did not listen within a minute")

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class Sender(threading.Thread):
    """Publishes numbers one by one and keeps a ledger of those that were acknowledged."""

    def __init__(self):
        super().__init__(daemon=True)
        self.acknowledged: set[int] = set()
        self.sent = 0
        self.error: BaseException | None = None
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.send(self.sent)
                self.sent += 1
        except BaseException as error:
            self.error = error
            raise

    def send(self, number):
        raise NotImplementedError


class MqttSender(Sender):
    """paho, QoS 1; unacknowledged messages are sent again after a reconnect, as devices do."""

    def __init__(self, port, factory, key):
        super().__init__()
        self.topic = f"factories/{factory}/devices/mqtt/telemetry"
        self._numbers: dict[int, int] = {}
        self._room = threading.Semaphore(50)
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="ledger", clean_session=False)
        self.client.username_pw_set(factory, key)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_publish = self._published
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _published(self, _client, _userdata, mid, _reason, _properties):
        deadline = time.monotonic() + 5
        while mid not in self._numbers and time.monotonic() < deadline:
            time.sleep(0.001)  # the acknowledgement overtook publish()'s return
        self.acknowledged.add(self._numbers.pop(mid))
        self._room.release()

    def send(self, number):
        if self._room.acquire(timeout=0.2):
            body = f'{{"timestamp": {START_MS + number}, "metrics": {{"n": {number}}}}}'
            self._numbers[self.client.publish(self.topic, body, qos=1).mid] = number
        else:
            self.sent -= 1

    def finish(self):
        self.stopping.set()
        self.join()
        deadline = time.monotonic() + 30
        while self._numbers and time.monotonic() < deadline:
            time.sleep(0.05)
        self.client.disconnect()
        self.client.loop_stop()


class HttpSender(Sender):
    """The HTTP door in this process, a second writer of the same journal: it goes on while ingest is dead."""

    def __init__(self, host, key):
        super().__init__()
        self._client = Client(HTTP_HOST=host, HTTP_X_API_KEY=key)

    def send(self, number):
        body = {"machine": "http", "timestamp": START_MS + number, "metrics": {"n": number}}
        answer = self._client.post("/api/v1/telemetry/ingest", body, content_type="application/json")
        if answer.status_code == 201:
            self.acknowledged.add(number)

    def finish(self):
        self.stopping.set()
        self.join()


@pytest.fixture
def ledger_factory(live_factory, settings):
    """A factory whose plan never makes the senders wait."""
    plan = live_factory.plan
    before = plan.max_readings_per_s
    type(plan).objects.filter(pk=plan.pk).update(max_readings_per_s=1_000_000)
    yield live_factory
    type(plan).objects.filter(pk=plan.pk).update(max_readings_per_s=before)


def stored_numbers(factory, machine):
    with factory_context(factory):
        found = Machine.objects.filter(key=machine).first()
        if found is None:
            return []
        [series] = reading_store().raw(found, ["n"], from_ms=0, to_ms=START_MS * 2)
    assert (series.t_ms - START_MS).tolist() == series.values.astype(int).tolist()
    return series.values.astype(int).tolist()


@pytest.mark.timeout(300)
def test_no_acknowledged_reading_is_lost_or_doubled_by_kill_9(
    ledger_factory, process_environment, settings, tmp_path, monkeypatch
):
    factory, journal_directory = ledger_factory, tmp_path / "journal"
    with factory_context(factory):
        key = api_key_create(name="ledger", scopes=["ingest"])[1]
    journal = Journal(journal_directory)
    monkeypatch.setattr(http, "process_journal", lambda: journal)
    with (tmp_path / "ingest.log").open("wb") as log:
        ingest = Ingest({**process_environment, "JOURNAL_DIR": str(journal_directory)}, log)
        ingest.start()
        senders = [MqttSender(ingest.port, factory.slug, key), HttpSender(f"{factory.slug}.{settings.DOMAIN}", key)]
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            wait_for_more(senders, 100)
            ingest.kill()
            ingest.start()
            wait_for_more(senders[:1], 20)
        for sender in senders:
            sender.finish()
            assert sender.error is None
        deadline = time.monotonic() + 60
        while journal.factories() and time.monotonic() < deadline:
            time.sleep(0.1)
        left = journal.factories()
        assert ingest.stop() == 0
    journal.close()
    assert left == []
    for sender, machine in zip(senders, ("mqtt", "http"), strict=True):
        stored = stored_numbers(factory, machine)
        assert len(sender.acknowledged) > KILLS * 100
        assert sender.acknowledged <= set(stored), f"{len(sender.acknowledged - set(stored))} lost"
        assert len(stored) == len(set(stored))


def wait_for_more(senders, count):
    """Until each sender has this many more acknowledgements."""
    goals = [(sender, len(sender.acknowledged) + count) for sender in senders]
    deadline = time.monotonic() + 60
    while any(len(sender.acknowledged) < goal for sender, goal in goals):
        assert time.monotonic() < deadline, "acknowledgements stopped"
        assert all(sender.error is None for sender in senders)
        time.sleep(0.01)
