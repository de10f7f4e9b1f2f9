"""Runs the product's detectors over a public set as a stream, or, without a set, over all visible ones as a table.

python -m benchmarks.detection SET --inputs PATH --out FILE [--train PATH] writes predictions as the sets' scorer takes
them; inputs alone are read. Without arguments (`make bench NAME=detection`) the folder of sets is named by
DETECTION_DATA and the scorer's definitions (a Python file) by DETECTION_METRICS.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.detection.recordings import RecordingError
from benchmarks.detection.sets import SETS
from benchmarks.detection.table import MissingDataError, table_make
from benchmarks.ingest import FOLDER
from benchmarks.tables import table_of

RESULT = FOLDER / "detection.json"


def main() -> int:
    """Run what was asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("set", nargs="?", choices=sorted(SETS), help="without one: the table over all visible sets")
    parser.add_argument("--inputs", type=Path, help="a folder of recordings, or one file")
    parser.add_argument("--out", type=Path, help="where the predictions go")
    parser.add_argument("--train", type=Path, help="normal or labelled data, for sets that have it")
    parser.add_argument("--data", type=Path, default=_from_environment("DETECTION_DATA"), help="the folder of sets")
    parser.add_argument("--metrics", type=Path, default=_from_environment("DETECTION_METRICS"), help="the scorer")
    asked = parser.parse_args()
    if asked.set is None:
        return _print_table(asked.data, asked.metrics)
    if asked.inputs is None or asked.out is None:
        parser.error("--inputs and --out are needed")
    try:
        SETS[asked.set](asked.inputs, asked.train).write(asked.out)
    except (RecordingError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _from_environment(name: str) -> Path | None:
    return Path(os.environ[name]) if os.environ.get(name) else None


def _print_table(data: Path | None, metrics: Path | None) -> int:
    began = time.monotonic()
    try:
        rows = table_make(data, metrics)
    except MissingDataError as error:
        print(f"Detection: skipped. {error}")
        return 0
    print(table_of(["set", "figure", "measured", "bar"], [[r["set"], r["figure"], r["value"], r["bar"]] for r in rows]))
    print(f"\n{time.monotonic() - began:.0f} s")
    FOLDER.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
