"""A Node-RED flow, as plants have them, publishes to the real MQTT door: inject -> function -> mqtt out with QoS 1.

In the long run alone, because it installs Node-RED from npm into the state folder.
"""

import json
import os
import shutil
from collections import Counter

import pytest

from benchmarks.checker import stored_read
from benchmarks.journey.influx import MissingToolError
from benchmarks.journey.node_red import node_red_install
from benchmarks.ledger import Stream
from common import clock
from factorypulse.dev.ports import free_port
from factorypulse.dev.processes import spawn, stop
from tests.faults.conftest import LONG
from tests.faults.processes import ROOT, wait_until

pytestmark = [
    pytest.mark.skipif(not LONG, reason="installs Node-RED from npm: the long run does (make faults)"),
    pytest.mark.timeout(600),
]
MESSAGES = 60
# Node-RED drops what is published while its broker's connection is not made yet.
CONNECTED = 'flow.set("connected", msg.status.fill === "green");'
NUMBER = """
if (!flow.get("connected")) return null;
const n = context.get("n") || 0;
if (n >= %d) return null;
context.set("n", n + 1);
return { payload: { metrics: { n } } };
"""


def flow(plant, port, version):
    """Ten messages a second without a time of their own: one that is stored twice would be seen twice."""
    topic = f"factories/{plant.factory.slug}/devices/M01/telemetry"
    broker = {"id": "broker", "type": "mqtt-broker", "broker": "127.0.0.1", "port": str(port), "autoConnect": True}
    broker |= {"protocolVersion": version, "clientid": "plc-gateway", "keepalive": "60", "cleansession": True}
    placed = {"z": "tab", "x": 0, "y": 0}
    tick = {"id": "tick", "type": "inject", "props": [], "repeat": "0.1", "once": True, "wires": [["number"]]}
    number = {"id": "number", "type": "function", "func": NUMBER % MESSAGES, "outputs": 1, "wires": [["out"]]}
    state = {"id": "state", "type": "status", "scope": ["out"], "wires": [["connected"]]}
    connected = {"id": "connected", "type": "function", "func": CONNECTED, "outputs": 0, "wires": []}
    out = {"id": "out", "type": "mqtt out", "topic": topic, "qos": "1", "broker": "broker", "wires": []}
    nodes = [placed | node for node in (tick, number, state, connected, out)]
    return [{"id": "tab", "type": "tab", "label": "line 1"}, broker, *nodes]


@pytest.fixture(scope="module")
def program():
    try:
        return node_red_install(ROOT / ".factorypulse" / "bench" / "node-red")
    except MissingToolError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def node_red(program, plant, tmp_path):
    """`node_red(port, version)` starts the flow; it ends with the test."""
    started = []

    def start(port, version):
        home = tmp_path / "node-red"
        home.mkdir()
        (home / "flows.json").write_text(json.dumps(flow(plant, port, version)))
        secrets = {"broker": {"user": plant.factory.slug, "password": plant.key}}
        (home / "flows_cred.json").write_text(json.dumps(secrets))
        plan = json.dumps({"limits": {}, "watched": []})
        added = {"PEER_PORT": str(free_port()), "PEER_HOME": str(home), "PEER_PLAN": plan}
        words = [shutil.which("node"), program, "--settings", ROOT / "benchmarks" / "peer" / "settings.js"]
        with (home / "log").open("ab") as log:
            started.append(spawn(words, log=log, env={**os.environ, **added}, cwd=home))

    yield start
    for process in started:
        stop(process, signals=[(15, 10)])


@pytest.mark.parametrize("version", ["4", "5"], ids=["mqtt_3_1_1", "mqtt_5"])
def test_what_a_node_red_flow_publishes_is_stored_once(plant, running, node_red, tmp_path, version):
    stream = Stream("M01", "n", start_ms=clock.now_ms())
    node_red(running().port, version)

    def stored():
        return Counter(stored_read(stream, factory=plant.factory).values.tolist())

    told = (tmp_path / "node-red" / "log").read_text
    wait_until(lambda: stored()[MESSAGES - 1], what=lambda: f"the last message is not stored:\n{told()}")
    plant.drained()
    assert stored() == Counter(range(MESSAGES))
