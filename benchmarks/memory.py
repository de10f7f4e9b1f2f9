"""What a large plant costs in memory (PSS of all processes): at rest, and with 10 and 1,000 machines of 10 metrics.

Every load carries the same 10,000 readings a second for a minute. The ten machines send twice before they are measured,
so that PostgreSQL's shared buffers are full by then, as they get with any volume, and the difference is the machines'.
Nobody watches. Run: `make bench NAME=memory`.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ingest import FOLDER
from benchmarks.journey.load import SHAPES, Load
from benchmarks.journey.meter import costs
from benchmarks.journey.product import FactoryPulse
from benchmarks.journey.report import verdict
from benchmarks.journey.trial import load_run, running

RESULT = FOLDER / "memory.json"
_READINGS_PER_S, _CALM_S = 10_000.0, 5.0
_FEW, _MANY = 10, 1_000


def main() -> int:
    """Measure one store, print the table, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--store", choices=("postgres", "influxdb"), default="postgres")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = _measure(asked.store, asked.seconds)
    _print(found)
    RESULT.write_text(json.dumps({"store": asked.store, "pss_mib": found}, indent=2), encoding="utf-8")
    return 0


def _measure(store: str, seconds: float) -> dict[str, dict[str, float]]:
    """MiB by state and role."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="memory-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "contender").mkdir(mode=0o711)
        contender = FactoryPulse(folder / "contender", store=store)
        with running(contender):
            # Every process has met a reading once, so that what it loads at the first is not the machines'.
            load_run(Load(SHAPES["metrics10"], 100.0, 5.0, 1, 1), contender, folder, limited=False)
            found = {"at rest": _memory(contender)}
            for machines in (_FEW, _FEW, _MANY):
                load = Load(SHAPES["metrics10"], _READINGS_PER_S, seconds, machines, 10)
                outcome = load_run(load, contender, folder, limited=False)
                print(f"{machines:,} machines: {verdict(outcome)}", flush=True)
                found[f"{machines:,} machines"] = _memory(contender)
    return found


def _memory(contender: FactoryPulse) -> dict[str, float]:
    time.sleep(_CALM_S)
    return {role: cost.pss_mib for role, cost in costs(contender.roles()).items()}


def _print(found: dict[str, dict[str, float]]) -> None:
    states = list(found)
    print(f"{'MiB (PSS)':<14}" + "".join(f"{state:>18}" for state in states) + f"{'more than at rest':>20}")
    for role in sorted({role for costs_ in found.values() for role in costs_}):
        row = [found[state].get(role, 0.0) for state in states]
        print(f"{role:<14}" + "".join(f"{mib:>18.1f}" for mib in row) + f"{row[-1] - row[0]:>20.1f}")
    sums = [sum(found[state].values()) for state in states]
    print(f"{'all':<14}" + "".join(f"{mib:>18.1f}" for mib in sums) + f"{sums[-1] - sums[0]:>20.1f}")


if __name__ == "__main__":
    sys.exit(main())
