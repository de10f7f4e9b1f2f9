"""The peer: Node-RED with Mosquitto and InfluxDB, as a skilled user would tune them for this very load."""

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.journey.contender import LIMIT, VIEWERS, watched_by
from benchmarks.journey.influx import Influx, MissingToolError
from benchmarks.journey.load import Float64Array, Int64Array, machine_name
from benchmarks.journey.mqtt_link import MqttAddress
from benchmarks.journey.node_red import NodeRed, Plan, node_red_install
from benchmarks.journey.trial import MARKER
from benchmarks.journey.viewers import Viewer
from factorypulse.dev.ports import free_port, port_answers
from factorypulse.dev.processes import spawn, stop

_FACTORY, _DATABASE = "demo", "plant"
_READY_WITHIN_S = 60.0
_DURABLE = (
    "no: Mosquitto acknowledges what it holds in memory; its persistence writes at intervals, InfluxDB has it later"
)
_MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
max_queued_bytes 0
set_tcp_nodelay true
log_type error
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of tuning. processes: Node-RED instances that share the machines; qos: between Mosquitto and them."""

    name: str
    processes: int = 1
    node_options: tuple[str, ...] = ()
    write_every_ms: int = 100
    qos: int = 1


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("plain"),
        Variant("semi-space", node_options=("--max-semi-space-size=64",)),
        Variant("semi-space-500ms", node_options=("--max-semi-space-size=64",), write_every_ms=500),
        Variant("qos0-inside", node_options=("--max-semi-space-size=64",), qos=0),
        Variant("two-processes", processes=2, node_options=("--max-semi-space-size=64",)),
    )
}


class Peer:
    """Keeps `Contender`."""

    durable = _DURABLE

    def __init__(self, folder: Path, *, install: Path, variant: Variant, machines: int) -> None:
        """install: where Node-RED is kept between runs. machines: how many it will hear of."""
        self.name = f"Node-RED 4.1, Mosquitto, InfluxDB ({variant.name})"
        self._folder, self._install, self._variant = folder, install, variant
        self._machines = [machine_name(index) for index in range(machines)]
        self._influx = Influx(folder / "influx")
        self._port = free_port()
        self._mosquitto: subprocess.Popen[bytes] | None = None
        self._nodes: list[NodeRed] = []
        self.mqtt = MqttAddress(self._port, _FACTORY)

    # --- coming and going ---

    def start(self) -> None:
        """Everything runs and answers. Raises MissingToolError."""
        program = node_red_install(self._install)
        self._influx.start()
        self._query(f"CREATE DATABASE {_DATABASE}", method="POST")
        self._start_mosquitto()
        for number in range(self._variant.processes):
            home = self._folder / f"node-red-{number}"
            node = NodeRed(program, home, self._plan(number), node_options=self._variant.node_options)
            node.start()
            self._nodes.append(node)
        self._wait_ports([self._port, *(node.port for node in self._nodes)])
        # Its flow starts a moment after its port answers.
        time.sleep(3.0)

    def _start_mosquitto(self) -> None:
        binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if binary is None:
            raise MissingToolError("there is no mosquitto here; on Debian: apt-get install mosquitto")
        folder = self._folder / "mosquitto"
        folder.mkdir()
        # As root it gives itself the user “mosquitto”, who may not enter our folder.
        user = "user root\n" if os.geteuid() == 0 else ""
        (folder / "mosquitto.conf").write_text(
            _MOSQUITTO.format(port=self._port, folder=folder) + user, encoding="utf-8"
        )
        with (folder / "mosquitto.log").open("ab") as log:
            self._mosquitto = spawn([binary, "-c", folder / "mosquitto.conf"], log=log)

    def _plan(self, process: int) -> Plan:
        mine = [name for at, name in enumerate(self._machines) if self._process_of(at) == process]
        machines = ["+"] if self._variant.processes == 1 else [*mine, MARKER]
        return Plan(
            topics=[f"factories/{_FACTORY}/devices/{machine}/telemetry" for machine in machines],
            watched=[watched_by(number, self._machines) for number in range(VIEWERS)],
            limits={name: {"vibration": LIMIT, "temperature": LIMIT} for name in mine},
            write_url=f"{self._influx.url}/write?db={_DATABASE}&precision=ms",
            broker_port=self._port,
            write_every_ms=self._variant.write_every_ms,
            qos=self._variant.qos,
            tags=f",process={process}" if self._variant.processes > 1 else "",
        )

    def _process_of(self, machine: int) -> int:
        """The machines of one viewer are one process's."""
        return machine // 5 % self._variant.processes

    def _wait_ports(self, ports: Sequence[int]) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not all(port_answers(port) for port in ports):
            if time.monotonic() > deadline:
                raise MissingToolError(f"the peer did not start; {self._folder} has its logs")
            time.sleep(0.1)

    def stop(self) -> None:
        """Everything has ended and its data is gone."""
        for node in self._nodes:
            node.stop()
        if self._mosquitto is not None:
            stop(self._mosquitto, signals=[(15, 10)])
        self._influx.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- what is measured, and with what ---

    def roles(self) -> dict[str, list[int]]:
        """The three programs."""
        assert self._mosquitto is not None
        assert self._influx.process is not None
        nodes = [node.process.pid for node in self._nodes if node.process is not None]
        return {"node-red": nodes, "mosquitto": [self._mosquitto.pid], "influxd": [self._influx.process.pid]}

    def limits_set(self, machines: Sequence[str], metrics: Sequence[str]) -> None:
        """They stand in the flow from its start."""

    def viewers(self, machines: Sequence[str]) -> list[Viewer]:
        """Each at a path of its own, where the flow sends what it watches."""
        found = []
        for number in range(VIEWERS):
            watched = watched_by(number, machines)
            port = self._nodes[self._process_of(number * len(watched))].port
            found.append(Viewer(port, f"/ws/live{number}", f"127.0.0.1:{port}", watched))
        return found

    def stored(
        self, machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int
    ) -> list[tuple[Int64Array, Float64Array]]:
        """By InfluxQL. The marker stands once every process has written it."""
        columns = ", ".join(f'"{metric}"' for metric in metrics)
        where = f"machine = '{machine}' AND time >= {from_ms}ms AND time < {to_ms}ms"
        rows = self._query(f"SELECT {columns} FROM telemetry WHERE {where}")
        if not rows or (machine == MARKER and len(rows) < self._variant.processes):
            return []
        table = np.array(rows, dtype=np.float64)
        times = table[:, 0].astype(np.int64)
        return [(times[~np.isnan(column)], column[~np.isnan(column)]) for column in table[:, 1:].T]

    def alarms(self) -> int:
        """Entries that the flow's limit check has written."""
        rows = self._query('SELECT count("value") FROM alarms')
        return int(rows[0][1]) if rows else 0

    def _query(self, statement: str, *, method: str = "GET") -> list[list[float]]:
        words = urllib.parse.urlencode({"q": statement, "db": _DATABASE, "epoch": "ms"})
        request = urllib.request.Request(f"{self._influx.url}/query?{words}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            results = json.load(answer)["results"]
        series = results[0].get("series")
        return list(series[0]["values"]) if series else []
