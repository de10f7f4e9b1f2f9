"""`manage.py replay FILE.csv --factory demo --machine M01`: a recording as live data, by the public doors."""

import argparse
import heapq
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.clock import now_ms
from factorypulse.dev.plant.config import PlantConfig
from factorypulse.dev.plant.doors import Door, HttpDoor, MqttDoor
from factorypulse.management.sender import sender_arguments, sender_config, stop_on_signals
from factorypulse.replay.errors import ReplayError
from factorypulse.replay.recording import rows_in_order, rows_together, tables_of
from factorypulse.replay.run import Replayed, replay
from factorypulse.replay.tables import Row, Table, TableOptions


class Command(BaseCommand):
    help = (
        "Streams a recording (CSV, also ;-separated or .gz, or a folder of such files) as live data. "
        "Columns with numbers become metrics; rows get the time at which they are sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("recording", type=Path, metavar="FILE", help="a table, or a folder of tables")
        sender_arguments(parser)
        parser.add_argument("--machine", default="", metavar="KEY", help="the machine's key; the file's name otherwise")
        parser.add_argument(
            "--speed", type=_speed, default=1.0, metavar="N",
            help="seconds of the recording in one second; 0: as fast as it is taken, ending now (default: 1)",
        )  # fmt: skip
        parser.add_argument("--keep-times", action="store_true", help="keep the recording's own times (UTC)")
        parser.add_argument(
            "--every", type=float, metavar="S", help="rows are so far apart; the time column is ignored"
        )
        parser.add_argument("--repeat", action="store_true", help="begin again at the end, until Ctrl-C")
        parser.add_argument("--mqtt", action="store_true", help="send by MQTT rather than HTTP")
        columns = parser.add_argument_group("columns, where they can't be guessed")
        columns.add_argument("--time", default="", metavar="COLUMN")
        columns.add_argument(
            "--time-format", default="", metavar="FORM", help="as strptime has it: '%%d.%%m.%%y %%H:%%M'"
        )
        columns.add_argument("--columns", default="", metavar="A,B", help="only these are metrics")
        columns.add_argument("--machine-column", default="", metavar="COLUMN", help="many machines in one table")
        columns.add_argument("--metric-column", default="", metavar="COLUMN", help="one reading a row: its metric")
        columns.add_argument("--value-column", default="", metavar="COLUMN", help="one reading a row: its value")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["every"] is not None and options["every"] <= 0:
            raise CommandError("--every is a number of seconds above 0.")
        if options["keep_times"] and options["every"] is not None:
            raise CommandError("--keep-times needs the times that --every ignores.")
        try:
            tables = tables_of(options["recording"], machine=options["machine"], options=_table_options(options))
            self._check(tables)
            self._replay(tables, options)
        except ReplayError as error:
            raise CommandError(f"{error}.") from error

    def _check(self, tables: list[Table]) -> None:
        """Fail before the first reading is sent."""
        for table in tables:
            first = next(iter(table), None)
            if first is None:
                raise ReplayError(f"{table.path} has no row that can be read")
            names = ", ".join(list(first.metrics)[:8])
            self.stdout.write(f"{table.path.name}: {first.machine}, {len(first.metrics)} metrics ({names})")

    def _replay(self, tables: list[Table], options: dict[str, Any]) -> None:
        config, _file = sender_config(options, name="replay", key_name="Replay")
        stop = stop_on_signals()
        door_of = _doors(config, mqtt=options["mqtt"])
        speed, kept = options["speed"], options["keep_times"]
        while True:
            done = replay(_rows(tables, speed, kept), door_of, speed=speed, kept_times=kept or not speed, stop=stop)
            self._tell(done, tables, stopped=stop.is_set())
            if stop.is_set() or not options["repeat"]:
                return

    def _tell(self, done: Replayed, tables: list[Table], *, stopped: bool) -> None:
        unreadable = sum(table.unreadable for table in tables)
        self.stdout.write(
            f"{'Stopped' if stopped else 'Done'}: {done.readings:,} readings sent"
            + (f", {done.refused:,} of them refused ({done.reason})" if done.refused else "")
            + (f", {unreadable:,} rows could not be read" if unreadable else "")
        )


def _rows(tables: list[Table], speed: float, kept: bool) -> Iterator[Row]:
    if kept:
        return heapq.merge(*map(rows_in_order, tables), key=lambda row: row.t_ms)
    if speed:
        return rows_together(tables)
    # As fast as it goes, so that the recording ends now: its length has to be known first.
    length_ms = max((row.t_ms for row in rows_together(tables)), default=0)
    end_ms = now_ms()
    return (row._replace(t_ms=end_ms - length_ms + row.t_ms) for row in rows_together(tables))


def _doors(config: PlantConfig, *, mqtt: bool) -> Callable[[str], Door]:
    http = HttpDoor(config)

    @cache
    def door_of(machine: str) -> Door:
        return MqttDoor(config, machine) if mqtt else http

    return door_of


def _table_options(options: dict[str, Any]) -> TableOptions:
    return TableOptions(
        time=options["time"],
        time_format=options["time_format"],
        every_s=options["every"],
        columns=tuple(filter(None, options["columns"].split(","))),
        machine_column=options["machine_column"],
        metric_column=options["metric_column"],
        value_column=options["value_column"],
    )


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 <= speed < 1e6:
        raise argparse.ArgumentTypeError("a number of 0 or more")
    return speed
