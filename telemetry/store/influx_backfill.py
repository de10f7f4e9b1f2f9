"""Marks for readings that InfluxDB holds from before there were marks."""

import secrets
from collections.abc import Iterator

from common import clock
from telemetry.store import influxql
from telemetry.store.influx_levels import DAY_MS, SLICE_MS
from telemetry.store.influx_rollups import TOKEN_BITS, marks_lines
from telemetry.store.influx_server import InfluxServer
from telemetry.store.line_protocol import MARKS, MEASUREMENT


def marks_missing(server: InfluxServer, database: str) -> Iterator[bytes]:
    """A body for each day of a machine with readings before its oldest mark, the newest day first.

    So whoever is stopped midway goes on from the oldest mark that there is then. Raises StoreUnavailableError.
    """
    marked = _oldest(server, database, MARKS)
    for machine, first_ms in _oldest(server, database, MEASUREMENT).items():
        end_ms = marked.get(machine, clock.now_ms() // SLICE_MS * SLICE_MS + SLICE_MS)
        while end_ms > first_ms:
            start_ms = (end_ms - 1) // DAY_MS * DAY_MS
            [table] = server.query(
                database, [influxql.select_slices(machine, from_ms=start_ms, to_ms=end_ms, slice_ms=SLICE_MS)]
            )
            starts = [int(t_ms) for t_ms in table.column("time").tolist()]
            if starts:
                yield marks_lines([(machine, start) for start in starts], secrets.randbits(TOKEN_BITS))
            end_ms = start_ms


def _oldest(server: InfluxServer, database: str, measurement: str) -> dict[str, int]:
    tables = server.query_groups(database, influxql.select_first(measurement))
    return {table.tags.get("machine", ""): int(table.column("time")[0]) for table in tables if table.values}
