"""The journey of a reading, measured whole: from the device's socket to the store and ten browsers.

`make bench NAME=ingest` runs FactoryPulse on both stores, then Node-RED, Mosquitto and InfluxDB in several tunings, in
turn, each under the same sender, viewers, meter and checker; rates rise until a reading is lost or publish-to-browser
p99 passes 250 ms. A load of one's own: `python -m benchmarks.ingest --store postgres --rate 50000 --seconds 10`.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.journey.contender import Contender
from benchmarks.journey.influx import MissingToolError
from benchmarks.journey.load import SHAPES, Load
from benchmarks.journey.peer import VARIANTS, Peer
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.report import HEADINGS, line, roles
from benchmarks.journey.trial import Browsers, Outcome, browsers, load_run, running
from factorypulse.dev.processes import die_with_parent

FOLDER = Path(os.environ.get("STATE_DIR") or ".factorypulse").resolve() / "bench"
RESULT = FOLDER / "ingest.json"
STORES = ("postgres", "influxdb", "peer")
RATES = (5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 125_000, 150_000, 200_000, 250_000, 300_000)
# P4: messages a second of one reading each.
SINGLES = (1_000, 20_000)
BLOCKS = (100_000,)
_LIMITED = ("vibration", "temperature")
# How long a contender may take to stop after Ctrl-C.
_STOP_WITHIN_S = 120.0


def main() -> int:
    """Run what was asked for; 0 when no contender lost anything at its lowest rate."""
    asked = _asked()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if asked.store:
        return _contender_run(asked)
    runs = [["--store", "postgres"], ["--store", "influxdb"]]
    runs += [["--store", "peer", "--variant", name] for name in VARIANTS]
    for part in _parts():
        part.unlink()
    return max(_in_a_process([*words, "--seconds", str(asked.seconds)]) for words in runs)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--store", choices=STORES, help="one contender alone")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="semi-space", help="how the peer is tuned")
    parser.add_argument("--rate", type=float, nargs="+", help="readings a second, instead of all steps")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each load")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="metrics10", help="with --rate")
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--connections", type=int, default=10, help="each carries the machines of one gateway")
    parser.add_argument("--out", type=Path, help="where the figures go, instead of beside the others")
    return parser.parse_args()


# --- one contender ---


def _contender_run(asked: argparse.Namespace) -> int:
    die_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        contender, outcomes = _measure(asked)
    except MissingToolError as error:
        print(f"\n{asked.store}: {error}", file=sys.stderr)
        return 3
    content = {"name": contender.name, "durable": contender.durable, "loads": [o.as_json() for o in outcomes]}
    if asked.out:
        asked.out.write_text(json.dumps(content, indent=2), encoding="utf-8")
    elif not asked.rate:
        name = f"peer-{asked.variant}" if asked.store == "peer" else asked.store
        FOLDER.joinpath(f"ingest-{name}.json").write_text(json.dumps(content), encoding="utf-8")
        _merge()
    return 0 if outcomes[0].lossless else 1


def _measure(asked: argparse.Namespace) -> tuple[Contender, list[Outcome]]:
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=f"{asked.store}-") as name:
        folder = Path(name)
        # As root, PostgreSQL runs under an account of its own and passes through.
        folder.chmod(0o711)
        contender = _contender(asked, folder / "contender")
        with running(contender):
            first = Load(SHAPES["metrics10"], 1_000.0, 4.0, asked.machines, asked.connections)
            print(f"\n{contender.name}; durable at the acknowledgement: {contender.durable}\n{HEADINGS}", flush=True)
            load_run(first, contender, folder, limited=False)
            contender.limits_set(first.machine_names(), _LIMITED)
            with browsers(contender.viewers(first.machine_names())) as watching:
                outcomes = list(_loads(asked, contender, watching, folder))
    return contender, outcomes


def _contender(asked: argparse.Namespace, folder: Path) -> Contender:
    folder.mkdir(mode=0o711)
    if asked.store == "peer":
        return Peer(folder, install=FOLDER / "node-red", variant=VARIANTS[asked.variant], machines=asked.machines)
    return FactoryPulse(folder, store=asked.store)


def _loads(asked: argparse.Namespace, contender: Contender, watching: Browsers, folder: Path) -> Iterator[Outcome]:
    def run(shape: str, rate: float) -> Outcome:
        load = Load(SHAPES[shape], float(rate), asked.seconds, asked.machines, asked.connections)
        outcome = load_run(load, contender, folder, watching=watching)
        print(line(outcome), *roles(outcome), sep="\n", flush=True)
        return outcome

    if asked.rate:
        yield from (run(asked.shape, rate) for rate in asked.rate)
        return
    yield from (run("single", rate) for rate in SINGLES)
    yield from (run("block100", rate) for rate in BLOCKS)
    for rate in RATES:
        # A single stumble may be the machine's: a rate has failed when it fails twice.
        for _ in range(2):
            outcome = run("metrics10", rate)
            yield outcome
            if outcome.held:
                break
        else:
            return


# --- all of them ---


def _in_a_process(words: Sequence[str]) -> int:
    """Each contender in a process of its own, because Django is set up once in a process."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.ingest", *words])
    try:
        return process.wait()
    except KeyboardInterrupt:
        # The terminal has told it too: it stops its servers, and we wait for that.
        process.wait(_STOP_WITHIN_S)
        raise


def _parts() -> list[Path]:
    """What each contender's last full run has left."""
    return sorted(FOLDER.glob("ingest-*.json"))


def _merge() -> None:
    """The figures of all contenders in one file; one that is measured again alone takes its old place."""
    found = {part.stem.removeprefix("ingest-"): json.loads(part.read_text(encoding="utf-8")) for part in _parts()}
    ordered = dict(sorted(found.items(), key=lambda item: (item[0].startswith("peer"), item[0] != "postgres", item[0])))
    RESULT.write_text(json.dumps({"machine": _machine(), "contenders": ordered}, indent=2), encoding="utf-8")


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), "unknown")
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
