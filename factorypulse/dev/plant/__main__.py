"""`python -m factorypulse.dev.plant --config FILE`: the synthetic plant as a process of its own, without Django."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from factorypulse.dev.plant.backfill import HOUR_MS, BackfillPlan
from factorypulse.dev.plant.config import PlantConfig, PlantConfigError
from factorypulse.dev.plant.faults import FAULTS
from factorypulse.dev.plant.run import RunOptions, run_plant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `manage.py simulate` takes too."""
    parser.add_argument("--seed", type=int, default=7, help="another seed is another line")
    parser.add_argument("--healthy", action="store_true", help="nothing breaks")
    parser.add_argument(
        "--fault-after", type=float, default=240.0, metavar="S", help="seconds until the bearing begins to fail"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        choices=sorted(FAULTS),
        help="another fault, which begins when the bearing's does; may be given several times",
    )
    parser.add_argument("--no-backfill", action="store_true", help="no history before the start")
    parser.add_argument(
        "--history-hours", type=float, default=3.0, metavar="H", help="history at the sensors' own rate"
    )
    parser.add_argument("--backfill-rate", type=float, default=4000.0, metavar="N", help="readings a second at most")


def options_from(arguments: Mapping[str, Any]) -> RunOptions:
    """The run that the command line asks for."""
    plan = BackfillPlan(fine_ms=int(arguments["history_hours"] * HOUR_MS), readings_per_s=arguments["backfill_rate"])
    return RunOptions(
        seed=arguments["seed"],
        healthy_s=None if arguments["healthy"] else arguments["fault_after"],
        backfill=None if arguments["no_backfill"] else plan,
        faults=tuple((name, arguments["fault_after"]) for name in arguments["fault"]),
    )


def state_file_for(config_file: Path) -> Path:
    """The file beside the configuration that remembers how far history reaches."""
    return config_file.with_suffix(".progress.json")


def main() -> int:
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m factorypulse.dev.plant", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    add_arguments(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    try:
        config = PlantConfig.read(arguments.config)
    except PlantConfigError as error:
        parser.error(str(error))
    run_plant(config, state_file=state_file_for(arguments.config), stop=stop, options=options_from(vars(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
