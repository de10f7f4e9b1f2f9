"""The journey of a reading, measured whole: from the device's socket to the store and ten browsers.

`make bench NAME=ingest` runs FactoryPulse on both stores and a tuned Node-RED, Mosquitto and InfluxDB, in turn, each
under the same sender, viewers, meter and checker; rates rise until a reading is lost or publish-to-browser p99 passes
250 ms. A single load, for tuning: `python -m benchmarks.ingest --store postgres --rate 50000 --seconds 10`.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.journey.contender import Contender
from benchmarks.journey.load import SHAPES, Load
from benchmarks.journey.peer import VARIANTS, Peer
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.report import HEADINGS, line, roles
from benchmarks.journey.trial import Browsers, Outcome, browsers, load_run
from factorypulse.dev.processes import die_with_parent

STATE_DIR = Path(os.environ.get("STATE_DIR") or ".factorypulse").resolve()
RESULT = STATE_DIR / "bench" / "ingest.json"
CONTENDERS = ("postgres", "influxdb", "peer")
RATES = (5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000)
# P4: single readings, messages a second.
ACK_RATES = (1_000, 20_000)
_TOO_LATE_MS = 250.0
_WARM_UP_S = 6.0
_LIMITED = ("vibration", "temperature")


def main() -> int:
    """Run what was asked for; 0 when nothing was lost at the first of each contender's rates."""
    asked = _asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if asked.store:
        return _single(asked)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    codes = [_in_a_process(name, asked) for name in CONTENDERS]
    RESULT.write_text(json.dumps({name: _read(_part(name)) for name in CONTENDERS}, indent=2), encoding="utf-8")
    return max(codes)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--store", choices=CONTENDERS, help="one contender alone")
    parser.add_argument("--rate", type=float, nargs="+", help="readings a second; all steps unless given")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each load")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="metrics10")
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--connections", type=int, default=10, help="each carries the machines of one gateway")
    parser.add_argument("--keep-going", action="store_true", help="go on to higher rates after a failure")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="semi-space", help="how the peer is tuned")
    parser.add_argument("--out", type=Path, help="where the figures go")
    parser.add_argument("--quick", action="store_true", help="shorter loads at fewer rates")
    return parser.parse_args()


# --- one contender ---


def _single(asked: argparse.Namespace) -> int:
    die_with_parent(signal.SIGTERM)
    with _running(asked) as contender, tempfile.TemporaryDirectory(dir=RESULT.parent) as folder:
        shape = SHAPES[asked.shape]
        first = Load(shape, 1_000.0, 4.0, asked.machines, asked.connections)
        print(f"\n{contender.name}; durable at the acknowledgement: {contender.durable}\n{HEADINGS}", flush=True)
        load_run(first, contender, None, Path(folder))
        contender.limits_set(first.machine_names(), _LIMITED)
        with browsers(contender.viewers(first.machine_names())) as watching:
            outcomes = list(_steps(asked, contender, watching, Path(folder)))
    if asked.out:
        content = {"name": contender.name, "durable": contender.durable, "loads": [o.as_json() for o in outcomes]}
        asked.out.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return 0 if outcomes[0].lossless else 1


def _steps(asked: argparse.Namespace, contender: Contender, watching: Browsers, folder: Path) -> Iterator[Outcome]:
    for rate in asked.rate or RATES:
        load = Load(SHAPES[asked.shape], float(rate), asked.seconds, asked.machines, asked.connections)
        outcome = load_run(load, contender, watching, folder)
        print(line(outcome), *roles(outcome), sep="\n", flush=True)
        yield outcome
        if not asked.keep_going and not _held(outcome):
            break


def _held(outcome: Outcome) -> bool:
    return outcome.lossless and not math.isnan(outcome.drain_s) and outcome.seen.p99_ms <= _TOO_LATE_MS


@contextmanager
def _running(asked: argparse.Namespace) -> Iterator[Contender]:
    """A contender that is gone afterwards, whatever happens."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=RESULT.parent, prefix=f"{asked.store}-"))
    # As root, PostgreSQL runs under an account of its own and passes through.
    folder.chmod(0o711)
    contender = _contender(asked, folder)
    try:
        contender.start()
        yield contender
    finally:
        contender.stop()


def _contender(asked: argparse.Namespace, folder: Path) -> Contender:
    if asked.store == "peer":
        variant = VARIANTS[asked.variant]
        return Peer(folder, install=RESULT.parent / "node-red", variant=variant, machines=asked.machines)
    return FactoryPulse(folder, store=asked.store)


# --- all of them ---


def _in_a_process(name: str, asked: argparse.Namespace) -> int:
    """Each in a process of its own, because Django is set up once in a process."""
    words = ["--store", name, "--out", str(_part(name)), "--seconds", str(asked.seconds)]
    return subprocess.run([sys.executable, "-m", "benchmarks.ingest", *words], check=False).returncode


def _part(name: str) -> Path:
    return RESULT.with_name(f"ingest-{name}.json")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
