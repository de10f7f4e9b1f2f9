"""The subscription as the node's own processes make it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from common import clock
from telemetry.models import Machine
from telemetry.store import reading_store
from tenants.context import factory_context
from tests.telemetry.ingest.mosquitto import free_port, wait_until

ROOT = Path(__file__).resolve().parents[4]


class Node:
    """`manage.py ingest` and `manage.py drain`, as processes."""

    def __init__(self, environment, log):
        self._environment, self._log = environment, log
        self._processes = []

    def start(self):
        programs = [["ingest", "--mqtt-port", str(free_port())], ["drain"]]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "manage.py", *words],
                cwd=ROOT,
                env=self._environment,
                stdout=self._log,
                stderr=self._log,
            )
            for words in programs
        ]

    def kill(self):
        for process in self._processes:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self._processes = []

    def stop(self):
        """The exit code of each."""
        stopping, self._processes = self._processes, []
        for process in stopping:
            process.terminate()
        return [process.wait(timeout=30) for process in stopping]


def stored(factory):
    with factory_context(factory):
        machine = Machine.objects.filter(key="M01").first()
        if machine is None:
            return []
        [series] = reading_store().raw(machine, ["n"], from_ms=0, to_ms=clock.now_ms())
    return sorted(series.values.astype(int).tolist())


def test_the_process_subscribes_and_survives_a_kill_with_everything_stored_once(
    broker, live_factory, process_environment, tmp_path
):
    slug, start_ms = live_factory.slug, clock.now_ms() - 60_000

    def publish(first, last):
        topic = f"factories/{slug}/devices/M01/telemetry"
        bodies = (f'{{"timestamp": {start_ms + n}, "metrics": {{"n": {n}}}}}' for n in range(first, last))
        broker.publish([(topic, body) for body in bodies])

    url = f"mqtt://127.0.0.1:{broker.port}"
    environment = {**process_environment, "JOURNAL_DIR": str(tmp_path / "journal"), "MQTT_URL": url}
    with (tmp_path / "ingest.log").open("wb") as log:
        node = Node(environment, log)
        node.start()
        try:
            wait_until(lambda: publish(0, 1) or stored(live_factory) == [0], within_s=60)
            publish(1, 300)
            node.kill()
            publish(300, 400)
            node.start()
            publish(400, 500)
            wait_until(lambda: len(stored(live_factory)) >= 500, within_s=60)
            assert stored(live_factory) == list(range(500))
            assert node.stop() == [0, 0]
        finally:
            node.kill()
