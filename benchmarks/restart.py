"""How soon a killed MQTT door acknowledges again: kill -9 of ingest, which the trial's supervisor starts anew.

The device tries to connect every 10 ms and publishes one reading with QoS 1; the time is from the kill to PUBACK, which
means on disk. CPU is what the new process had used by then: on a quiet machine it is most of the time. The bar: within
2 s of the restart. Run: `make bench NAME=restart`.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.ingest import FOLDER
from benchmarks.journey.load import SHAPES, Load
from benchmarks.journey.meter import costs
from benchmarks.journey.mqtt_link import LinkError, publish
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.trial import load_run, running

RESULT = FOLDER / "restart.json"
BAR_S = 2.0
_EVERY_S, _WITHIN_S, _CALM_S = 0.01, 60.0, 3.0


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds from the kill: until a new process was there, and until it acknowledged; cpu_s: what it had used then."""

    started_s: float
    acknowledged_s: float
    cpu_s: float


def main() -> int:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restart", description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = _measure(asked.times)
    longest_s = max(row.acknowledged_s - row.started_s for row in found)
    verdict = "met" if longest_s <= BAR_S else "missed"
    print(f"longest from restart to acknowledgement: {longest_s:.2f} s, bar {BAR_S:g} s: {verdict}")
    print(f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    RESULT.write_text(json.dumps([asdict(row) for row in found], indent=2), encoding="utf-8")
    return 0


def _measure(times: int) -> list[Restart]:
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="restart-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "contender").mkdir(mode=0o711)
        contender = FactoryPulse(folder / "contender", store="postgres")
        found = []
        with running(contender):
            # Something for it to find again: its journal, its keys.
            load_run(Load(SHAPES["metrics10"], 1_000.0, 5.0), contender, folder, limited=False)
            print(f"{'new process after s':>20}{'acknowledged after s':>22}{'its CPU s':>12}")
            for _ in range(times):
                found.append(_restarted(contender))
                row = found[-1]
                print(f"{row.started_s:>20.2f}{row.acknowledged_s:>22.2f}{row.cpu_s:>12.2f}", flush=True)
                time.sleep(_CALM_S)
        return found


def _restarted(contender: FactoryPulse) -> Restart:
    [old] = contender.roles()["ingest"]
    os.kill(old, signal.SIGKILL)
    killed_s, started_s = time.monotonic(), 0.0
    while time.monotonic() - killed_s < _WITHIN_S:
        new = [pid for pid in contender.roles().get("ingest", []) if pid != old]
        if new and not started_s:
            started_s = time.monotonic() - killed_s
        if new and _acknowledged(contender):
            elapsed_s = time.monotonic() - killed_s
            return Restart(started_s, elapsed_s, costs({"ingest": new})["ingest"].cpu_s)
        time.sleep(_EVERY_S)
    raise RuntimeError("ingest did not come back")


def _acknowledged(contender: FactoryPulse) -> bool:
    reading = b'{"timestamp":%d,"metrics":{"vibration":1.0}}' % int(time.time() * 1000)
    try:
        publish(contender.mqtt, "M0000", reading)
    except (LinkError, OSError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
