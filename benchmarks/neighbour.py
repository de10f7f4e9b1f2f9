"""What a noisy factory costs the others: a quiet one's acknowledgements and live charts, alone and beside it, in turns.

The whole trial runs, as `make demo` runs it. The quiet factory sends 500 messages of 10 readings a second by MQTT, ten
browsers watch it. The noisy one stays on the plan of a new factory and sends 50 times what that allows, over ten MQTT
connections and by HTTP, whatever it is answered. Rounds alternate, so that what else happens on the machine meets both;
the generators share the cores. The bar: the 99th percentiles rise by at most 20 %. Run: `make bench NAME=neighbour`.
"""

import argparse
import http.client
import json
import math
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.ingest import FOLDER
from benchmarks.journey.load import SHAPES, Load
from benchmarks.journey.mqtt_link import MqttAddress, link_open
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.trial import Browsers, browsers, load_run, running
from factorypulse.dev.processes import die_with_parent

RESULT = FOLDER / "neighbour.json"
QUIET_PER_S, TIMES_ITS_QUOTA, BAR = 5_000.0, 50, 1.2
_NOISY, _CONNECTIONS, _READINGS = "noisy", 10, 10
_POSTS_PER_S, _POSTED = 20.0, 100
_TICK_S = 0.01


@dataclass(frozen=True, slots=True)
class Round:
    """One load of the quiet factory. noisy_sent, noisy_taken: messages and bodies of the other one, and what of it
    was acknowledged; 0 when it was silent.
    """

    beside: str
    ack_p50_ms: float
    ack_p99_ms: float
    seen_p99_ms: float
    stored_once: bool
    noisy_sent: int = 0
    noisy_taken: int = 0


def main() -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbour", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    FOLDER.mkdir(parents=True, exist_ok=True)
    rounds = _measure(asked.rounds, asked.seconds)
    ratios = {name: _ratio(rounds, name) for name in ("ack_p50_ms", "ack_p99_ms", "seen_p99_ms")}
    for name, ratio in ratios.items():
        bar = "" if "p50" in name else f", bar {BAR:g}: {'met' if ratio <= BAR else 'missed'}"
        print(f"{name}: median beside the noisy one / median alone = {ratio:.2f}{bar}")
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    figures = {"rounds": [asdict(row) for row in rounds], "ratios": ratios, "bar": BAR}
    RESULT.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return 0


def _ratio(rounds: list[Round], name: str) -> float:
    alone, beside = (
        statistics.median(getattr(row, name) for row in rounds if bool(row.noisy_sent) is noisy)
        for noisy in (False, True)
    )
    return float(beside / alone)


def _measure(rounds: int, seconds: float) -> list[Round]:
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="neighbour-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "contender").mkdir(mode=0o711)
        contender = FactoryPulse(folder / "contender", store="postgres")
        with running(contender):
            quota, noisy = _noisy_make(contender)
            load = Load(SHAPES["metrics10"], QUIET_PER_S, seconds)
            load_run(Load(SHAPES["metrics10"], 100.0, 5.0), contender, folder, limited=False)
            print(
                f"The noisy factory's plan: {quota:,} readings/s; it sends {TIMES_ITS_QUOTA} times as many", flush=True
            )
            print(f"{'beside':<10}{'ack p50 ms':>12}{'p99 ms':>9}{'seen p99 ms':>13}{'sent':>10}{'taken':>9}")
            with browsers(contender.viewers(load.machine_names())) as watching:
                found = []
                for number in range(2 * rounds):
                    beside = (quota, noisy) if number % 2 else None
                    found.append(_round(load, contender, folder, watching, beside))
                return found


def _round(
    load: Load, contender: FactoryPulse, folder: Path, watching: Browsers, beside: tuple[int, MqttAddress] | None
) -> Round:
    sent = taken = 0
    if beside is None:
        outcome = load_run(load, contender, folder, watching=watching, limited=False)
    else:
        ours, theirs = multiprocessing.Pipe()
        web = next(viewer for viewer in contender.viewers(["M0000"])).port
        flood = multiprocessing.get_context("spawn").Process(target=_flood, args=(*beside, web, theirs), daemon=True)
        flood.start()
        ours.recv()
        outcome = load_run(load, contender, folder, watching=watching, limited=False)
        ours.send("stop")
        sent, taken = ours.recv()
        flood.join()
    row = Round(
        "noise" if beside else "nobody",
        outcome.sent.ack_p50_ms,
        outcome.sent.ack_p99_ms,
        outcome.seen.p99_ms,
        outcome.lossless and not math.isnan(outcome.drain_s),
        sent,
        taken,
    )
    print(
        f"{row.beside:<10}{row.ack_p50_ms:>12.2f}{row.ack_p99_ms:>9.2f}{row.seen_p99_ms:>13.1f}{sent:>10,}{taken:>9,}"
        f"  {'all stored once' if row.stored_once else 'NOT all stored once'}",
        flush=True,
    )
    return row


def _noisy_make(contender: FactoryPulse) -> tuple[int, MqttAddress]:
    """A second factory on a new one's plan: how many readings a second that allows, and where it sends."""
    from accounts.api_keys import api_key_create
    from tenants.context import factory_context
    from tenants.limits import limits_of
    from tenants.provisioning import factory_create

    factory = factory_create(slug=_NOISY, name="Noisy")
    with factory_context(factory):
        key = api_key_create(name="noise", scopes=["ingest"])[1]
        return round(limits_of(factory).readings_per_s), MqttAddress(contender.mqtt.port, _NOISY, key)


# --- the noisy factory's devices, in a process of their own ---


class _Device:
    """One MQTT connection that sends on, whatever comes back."""

    def __init__(self, address: MqttAddress, number: int) -> None:
        self._link = link_open(address, f"noise-{number}")
        self._link.setblocking(False)
        topic = f"factories/{address.factory}/devices/N{number:02}/telemetry".encode()
        metrics = ",".join(f'"metric{at}":{number + at}.5' for at in range(_READINGS)).encode()
        self._start = len(topic).to_bytes(2, "big") + topic
        self._payload = b'{"metrics":{' + metrics + b"}}"
        self._rest = b""
        self.sent = self.acknowledged = 0

    def turn(self, due: int) -> None:
        """Send up to the message that is due, as far as the socket takes it, and read what came."""
        while self.sent < due and not self._rest:
            body = self._start + (self.sent % 65_535 + 1).to_bytes(2, "big") + self._payload
            self._rest = b"\x32" + bytes((len(body) % 128 | 0x80, len(body) // 128)) + body
            self.sent += 1
            self._push()
        self._push()
        try:
            self.acknowledged += len(self._link.recv(65_536)) // 4
        except BlockingIOError:
            return

    def _push(self) -> None:
        try:
            self._rest = self._rest[self._link.send(self._rest) :] if self._rest else b""
        except BlockingIOError:
            return


def _flood(quota: int, address: MqttAddress, web: int, parent: Connection) -> None:
    die_with_parent()
    devices = [_Device(address, number) for number in range(_CONNECTIONS)]
    per_device = quota * TIMES_ITS_QUOTA / _READINGS / _CONNECTIONS
    posts, posted, accepted = http.client.HTTPConnection("127.0.0.1", web, timeout=30), 0, 0
    body = json.dumps([{"machine": "H01", "metrics": {"level": at}} for at in range(_POSTED)])
    headers = {"Host": f"{_NOISY}.localhost:{web}", "X-API-Key": address.password, "Content-Type": "application/json"}
    parent.send("ready")
    began_s = time.monotonic()
    while not parent.poll(_TICK_S):
        elapsed_s = time.monotonic() - began_s
        for device in devices:
            device.turn(int(elapsed_s * per_device))
        if posted < elapsed_s * _POSTS_PER_S:
            try:
                posts.request("POST", "/api/v1/telemetry/ingest", body, headers)
                answer = posts.getresponse()
                answer.read()
                accepted += answer.status == http.client.CREATED
            except (TimeoutError, OSError, http.client.HTTPException):
                posts.close()
            posted += 1
    parent.recv()
    parent.send((sum(d.sent for d in devices) + posted, sum(d.acknowledged for d in devices) + accepted))


if __name__ == "__main__":
    sys.exit(main())
