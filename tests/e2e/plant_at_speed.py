"""The simulated plant faster than the clock: gateways that bring what they measured hours ago, in order, until now.

Every reading keeps the time at which its sensor took it, so that whatever judges by the readings' time (detectors,
durations, ten minutes until it is another alert) sees a plant at its own pace; only waiting for it is cut short.
"""

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import httpx

from factorypulse.dev.plant import bodies
from factorypulse.dev.plant.config import PlantConfig
from factorypulse.dev.plant.delivery import deliver
from factorypulse.dev.plant.doors import HttpDoor
from factorypulse.dev.plant.fault import FaultSchedule
from factorypulse.dev.plant.faults import FAULTS
from factorypulse.dev.plant.line import PlantMachine, food_line, record
from tests.e2e.trial import Trial

_BODY_READINGS = 8_000
# What a machine's gateway uploads may be hours old by design: its silence says nothing.
_SILENT_AFTER_S = 86_400
MINUTE_MS = 60_000


def gateway_client(trial: Trial) -> httpx.Client:
    """The API with a key of its own, which sends readings and sets things up."""
    words = ("create_api_key", "demo", "--name", "gateways", "--scope", "ingest,read,write")
    key = trial.manage(*words).strip().splitlines()[-1]
    return httpx.Client(base_url=f"{trial.url}/api/v1", headers={"X-API-Key": key}, timeout=60)


class PlantAtSpeed:
    """Some machines of the food line, each with the fault that is its own, beginning at `faults_from_ms`."""

    def __init__(self, trial: Trial, keys: Sequence[str], *, faults_from_ms: int) -> None:
        self.client = gateway_client(trial)
        key = self.client.headers["X-API-Key"]
        self._door = HttpDoor(PlantConfig("demo", key, trial.url, "127.0.0.1", trial.mqtt_port))
        bearing = FaultSchedule(faults_from_ms / 1000, healthy_s=0.0, repeat_s=1e9)
        others = [fault(faults_from_ms / 1000) for fault in FAULTS.values()]
        self.machines = [machine for machine in food_line(fault=bearing, faults=others) if machine.key in keys]
        for machine in self.machines:
            body = {"key": machine.key, "silent_after_s": _SILENT_AFTER_S}
            assert self.client.post("/machines", json=body).status_code == 201

    def send(self, from_ms: int, to_ms: int) -> None:
        """Everything that the machines measured in [from_ms, to_ms), by the public door; on disk when this returns."""
        for machine in self.machines:
            for body in _bodies(machine, from_ms, to_ms):
                receipt = deliver(body, self._door, threading.Event(), name=machine.key)
                assert receipt is not None
                assert receipt.refused == 0, receipt.reason

    def learnt(self, from_ms: int) -> bool:
        """Whether each machine's detector has been taught by readings from `from_ms` on, too."""
        return all(self._taught_to_ms(machine.key) >= from_ms for machine in self.machines)

    def _taught_to_ms(self, key: str) -> float:
        versions = self.client.get(f"/detectors/{key}").json()["versions"]
        ends = [datetime.fromisoformat(each["to_at"]).timestamp() * 1000 for each in versions if each["active"]]
        return max(ends, default=0.0)

    def alerts(self) -> list[dict[str, Any]]:
        """All alerts there are, in the order in which they were raised."""
        return sorted(self.client.get("/alerts?limit=100").json()["results"], key=lambda alert: int(alert["id"]))


def _bodies(machine: PlantMachine, from_ms: int, to_ms: int) -> Iterator[bytes]:
    metrics = len(record(machine, from_ms=from_ms, to_ms=from_ms + machine.period_ms).columns)
    step_ms = _BODY_READINGS // metrics * machine.period_ms
    for begin_ms in range(from_ms, to_ms, step_ms):
        recording = record(machine, from_ms=begin_ms, to_ms=min(to_ms, begin_ms + step_ms))
        yield bodies.column_block(machine.key, recording.t_ms, recording.columns)
