"""Reading from runs and hours: what is not compacted yet is laid over what is.

Runs are read before hours, never after: what compaction moves from one to the other in between is seen twice and
merged, instead of not at all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telemetry.readings import Int64Array
from telemetry.store.aggregates import NO_AGGREGATES, Aggregates, aggregated, gathered
from telemetry.store.hour_format import HOUR_MS, MINUTE_MS, hours_decode, hours_touched, minutes_decode
from telemetry.store.pg_tables import rows_read, statement
from telemetry.store.run_format import decompress, runs_decode
from telemetry.store.strips import NOTHING, Strips, merged

_RUNS = statement("""
    SELECT array_agg(level), array_agg(length(body)), string_agg(body, '') FROM (
        SELECT level, body FROM {run}
        WHERE machine = ANY(%(machines)s) AND from_ms < %(to_ms)s AND to_ms >= %(from_ms)s ORDER BY seq
    ) AS runs
""")
_HOURS = statement("""
    SELECT series, hour, body FROM {hour}
    WHERE series = ANY(%(series)s) AND hour BETWEEN %(first)s AND %(last)s ORDER BY series, hour
""")
# The newest hours that hold `limit` readings; one that the window cuts may hold none of them.
_NEWEST_HOURS = statement("""
    SELECT series, hour, body FROM {hour} JOIN (
        SELECT series, hour, sum(n) FILTER (WHERE hour > %(first)s AND hour < %(cut)s)
            OVER (PARTITION BY series ORDER BY hour DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS newer
        FROM {hour} WHERE series = ANY(%(series)s) AND hour BETWEEN %(first)s AND %(last)s
    ) AS counted USING (series, hour) WHERE coalesce(newer, 0) < %(limit)s ORDER BY series, hour
""")
_MINUTES = statement("""
    SELECT series, hour, minutes, CASE WHEN minutes = '' THEN body END FROM {hour}
    WHERE series = ANY(%(series)s) AND hour BETWEEN %(first)s AND %(last)s
        AND NOT series::int8 << 32 | hour = ANY(%(whole)s::int8[]) ORDER BY series, hour
""")
_WHOLE_HOURS = statement("""
    SELECT h.series, h.hour, h.body FROM {hour} AS h
    JOIN unnest(%(series)s::int4[], %(hours)s::int4[]) AS k (series, hour) ON h.series = k.series AND h.hour = k.hour
    ORDER BY h.series, h.hour
""")
# From the index alone; gathered where the data is, because a year of a series is 8,760 rows.
_HOUR_STATISTICS = statement("""
    SELECT array_agg(series), array_agg(start), array_agg(n), array_agg(low), array_agg(high), array_agg(total) FROM (
        SELECT series, hour / %(width)s * %(width)s AS start, sum(n)::int8 AS n,
            min(minimum) AS low, max(maximum) AS high, sum(total) AS total
        FROM {hour} WHERE series = ANY(%(series)s) AND hour BETWEEN %(first)s AND %(last)s
            AND NOT series::int8 << 32 | hour = ANY(%(whole)s::int8[])
        GROUP BY 1, 2 ORDER BY 1, 2
    ) AS gathered
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """Series, ascending, their machines, and a window [from_ms, to_ms), never empty."""

    machines: list[int]
    series: Int64Array
    from_ms: int
    to_ms: int

    def inside(self, strips: Strips) -> Strips:
        """The readings within the window."""
        return strips.kept((strips.t_ms >= self.from_ms) & (strips.t_ms < self.to_ms))

    def hours(self) -> dict[str, Any]:
        """Parameters of a query over the hours the window touches."""
        first, last = self.from_ms // HOUR_MS, (self.to_ms - 1) // HOUR_MS
        return {"series": self.series.tolist(), "first": first, "last": last}


def readings_read(asked: Asked, *, limit: int | None = None) -> Strips:
    """Merged readings of the window; with a limit at least that many of the newest of each series, if there are."""
    hot = _runs(asked)
    if limit is None:
        rows = rows_read(_HOURS, **asked.hours())
    else:
        rows = rows_read(_NEWEST_HOURS, **asked.hours(), cut=asked.to_ms // HOUR_MS, limit=limit)
    return merged(Strips.joined([asked.inside(hours_decode(rows)), hot]))


def aggregates_read(asked: Asked, *, width_ms: int) -> Aggregates:
    """Readings by stretches of `width_ms`; from statistics of minutes or hours where they fit."""
    unit_ms = next((unit for unit in (HOUR_MS, MINUTE_MS) if width_ms % unit == 0), None)
    if unit_ms is None:
        return aggregated(readings_read(asked), width_ms)
    hot = _runs(asked)
    # Statistics don't tell what a run replaces, or what of a minute lies inside the window: these hours are read whole.
    whole = np.union1d(hours_touched(hot), _edges(asked, unit_ms))
    kept, few = _hour_statistics(asked, whole, width_ms) if unit_ms == HOUR_MS else _minute_statistics(asked, whole)
    cold = (
        rows_read(_WHOLE_HOURS, series=(whole >> 32).tolist(), hours=(whole & 0xFFFF_FFFF).tolist())
        if len(whole)
        else []
    )
    readings = merged(Strips.joined([asked.inside(hours_decode(cold)), asked.inside(few), hot]))
    return gathered([kept, aggregated(readings, width_ms)], width_ms)


def _runs(asked: Asked) -> Strips:
    [(levels, sizes, bodies)] = rows_read(_RUNS, machines=asked.machines, from_ms=asked.from_ms, to_ms=asked.to_ms)
    if bodies is None:
        return NOTHING
    _run, strips = runs_decode(*decompress(bodies, sizes, levels > 0), series=asked.series)
    return merged(asked.inside(strips))


def _edges(asked: Asked, unit_ms: int) -> Int64Array:
    """Keys (series, hour) of hours of which the window cuts a unit."""
    hours = [at_ms // HOUR_MS for at_ms in (asked.from_ms, asked.to_ms) if at_ms % unit_ms]
    return (asked.series[:, None] << 32 | np.array(hours, np.int64)[None, :]).ravel()


def _hour_statistics(asked: Asked, whole: Int64Array, width_ms: int) -> tuple[Aggregates, Strips]:
    width = width_ms // HOUR_MS
    [(series, start, *columns)] = rows_read(_HOUR_STATISTICS, **asked.hours(), whole=whole.tolist(), width=width)
    if series is None:
        return NO_AGGREGATES, NOTHING
    return Aggregates(series, start * HOUR_MS, *columns), NOTHING


def _minute_statistics(asked: Asked, whole: Int64Array) -> tuple[Aggregates, Strips]:
    """Of hours that keep minutes, those within the window; of the others, the readings."""
    found = rows_read(_MINUTES, **asked.hours(), whole=whole.tolist())
    few = hours_decode([(series, hour, body) for series, hour, _minutes, body in found if body is not None])
    many = [row for row in found if row[3] is None]
    if not many:
        return NO_AGGREGATES, few
    series, hours = np.array([row[0] for row in many], np.int64), np.array([row[1] for row in many], np.int64)
    minutes = minutes_decode(series, hours, [row[2] for row in many])
    inside: NDArray[np.bool_] = (minutes.t_ms >= asked.from_ms) & (minutes.t_ms < asked.to_ms)
    return minutes.rows(inside), few
