"""The peer's Node-RED: installed from npm into the state folder, and the flow that does the journey."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.journey.influx import MissingToolError
from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import spawn, stop

_SOURCES = Path(__file__).resolve().parents[1] / "peer"
_TICK_S = 0.02
Node = dict[str, Any]


def node_red_install(folder: Path) -> Path:
    """Node-RED as the lock names it; the program to run. Raises MissingToolError."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingToolError("there is no npm here: the peer needs Node.js 18 or newer")
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "node_modules" / "node-red" / "red.js"
    lock = _SOURCES / "package-lock.json"
    kept = folder / "package-lock.json"
    if not program.exists() or kept.read_bytes() != lock.read_bytes():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_SOURCES / name, folder / name)
        words = [npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]
        if subprocess.run(words, cwd=folder, check=False).returncode:
            raise MissingToolError("npm could not install Node-RED; its words stand above")
    return program


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process does. watched: machines of each viewer; topics: what it subscribes to."""

    topics: Sequence[str]
    watched: Sequence[Sequence[str]]
    limits: Mapping[str, Mapping[str, float]]
    write_url: str
    broker_port: int
    write_every_ms: int = 100
    qos: int = 1
    tags: str = ""


class NodeRed:
    """One process with one flow."""

    def __init__(self, program: Path, home: Path, plan: Plan, *, node_options: Sequence[str]) -> None:
        self._program, self._home, self._plan, self._options = program, home, plan, node_options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its viewers' paths answer a moment later."""
        self._home.mkdir(parents=True)
        (self._home / "flows.json").write_text(json.dumps(_flow(self._plan)), encoding="utf-8")
        plan = {
            "limits": self._plan.limits,
            "watched": self._plan.watched,
            "writeEveryMs": self._plan.write_every_ms,
            "tags": self._plan.tags,
        }
        added = {"PEER_PORT": str(self.port), "PEER_HOME": str(self._home), "PEER_PLAN": json.dumps(plan)}
        node = shutil.which("node") or "node"
        argv: list[str | Path] = [node, *self._options, self._program, "--settings", _SOURCES / "settings.js"]
        with (self._home / "node-red.log").open("ab") as log:
            environment = {**os.environ, "NODE_ENV": "production", **added}
            self.process = spawn(argv, log=log, env=environment, cwd=self._home)

    def stop(self) -> None:
        """Cleanly, or at once when it takes long."""
        if self.process is not None:
            stop(self.process, signals=[(15, 10)])


def _flow(plan: Plan) -> list[Node]:
    """MQTT in -> function -> HTTP request (InfluxDB) and a WebSocket for each viewer; a clock ticks the function."""
    viewers = range(len(plan.watched))
    return [
        {"id": "tab", "type": "tab", "label": "journey"},
        _broker(plan.broker_port),
        *[_mqtt_in(number, topic, plan.qos) for number, topic in enumerate(plan.topics)],
        _clock(),
        _function(viewers),
        _http_request(plan.write_url),
        *[
            {"id": f"listener{n}", "type": "websocket-listener", "path": f"/ws/live{n}", "wholemsg": "false"}
            for n in viewers
        ],
        *[_placed(f"out{n}", "websocket out", server=f"listener{n}", client="", wires=[]) for n in viewers],
    ]


def _placed(name: str, kind: str, **properties: Any) -> Node:
    return {"id": name, "type": kind, "z": "tab", "name": name, "x": 0, "y": 0, **properties}


def _listener(viewer: int) -> Node:
    return {"id": f"listener{viewer}", "type": "websocket-listener", "path": f"/ws/live{viewer}", "wholemsg": "false"}


def _broker(port: int) -> Node:
    return {
        "id": "broker",
        "type": "mqtt-broker",
        "broker": "127.0.0.1",
        "port": str(port),
        "clientid": "",
        "autoConnect": True,
        "usetls": False,
        "protocolVersion": "4",
        "keepalive": "60",
        "cleansession": True,
    }


def _mqtt_in(number: int, topic: str, qos: int) -> Node:
    wires = [["journey"]]
    name, kind = f"in{number}", "mqtt in"
    return _placed(name, kind, topic=topic, qos=str(qos), datatype="json", broker="broker", inputs=0, wires=wires)


def _clock() -> Node:
    tick = [{"p": "tick", "v": "true", "vt": "bool"}]
    return _placed("clock", "inject", props=tick, repeat=str(_TICK_S), crontab="", once=False, wires=[["journey"]])


def _function(viewers: range) -> Node:
    return _placed(
        "journey",
        "function",
        func=(_SOURCES / "journey.js").read_text(encoding="utf-8"),
        initialize=(_SOURCES / "journey_start.js").read_text(encoding="utf-8"),
        finalize="",
        libs=[],
        timeout=0,
        outputs=1 + len(viewers),
        wires=[["write"], *[[f"out{n}"] for n in viewers]],
    )


def _http_request(url: str) -> Node:
    return _placed(
        "write", "http request", method="POST", ret="txt", paytoqs="ignore", url=url, persist=True, wires=[["journey"]]
    )
