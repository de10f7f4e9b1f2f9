"""Buckets from InfluxDB: from its rollups where they hold, from the readings where they do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from telemetry.store import influxql
from telemetry.store.aggregates import Aggregates, aggregated, gathered
from telemetry.store.base import Buckets
from telemetry.store.influx_levels import DAY_MS, MINUTES, Level, levels_for
from telemetry.store.influx_rollups import Stretch, rolled_up
from telemetry.store.influx_server import InfluxServer
from telemetry.store.influxql import Table
from telemetry.store.strips import Strips

# A state a step is held for the whole window.
_LONGEST_MS = 20 * 366 * DAY_MS
# Up to so many rows are summed up faster here than by the server, which passes over them four times a metric.
_ROWS_TAKEN, _TAKEN_MS = 2_000, 3_600_000


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the metrics asked for, by their places, over [from_ms, to_ms)."""

    places: tuple[int, ...]
    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        return self.to_ms - self.from_ms


class BucketReader:
    """Minimum, maximum, mean and count of one machine's metrics, in buckets of bucket_ms.

    rollups: whether marks tell of every slice with readings, so that rollups can be asked.
    """

    def __init__(
        self,
        server: InfluxServer,
        database: str,
        machine: str,
        metrics: Sequence[str],
        *,
        bucket_ms: int,
        rollups: bool,
    ) -> None:
        self._server, self._database = server, database
        self._machine, self._metrics = machine, metrics
        self._bucket_ms, self._rollups = bucket_ms, rollups
        self._found: list[Aggregates] = []

    def read(self, from_ms: int, to_ms: int) -> list[Buckets]:
        """One a metric, in their order. Raises StoreUnavailableError."""
        if not self._metrics or to_ms <= from_ms:
            return [_of(metric, gathered([], self._bucket_ms)) for metric in self._metrics]
        wanted = [_Part(tuple(range(len(self._metrics))), from_ms, to_ms)]
        if self._rollups and to_ms - from_ms <= _LONGEST_MS:
            for level in levels_for(self._bucket_ms):
                worth = [part for part in wanted if part.length_ms >= level.worth_ms]
                wanted = [part for part in wanted if part.length_ms < level.worth_ms]
                wanted += [rest for part in worth for rest in self._from_level(level, part)]
        self._from_readings(wanted)
        return self._buckets()

    def _buckets(self) -> list[Buckets]:
        found = gathered(self._found, self._bucket_ms)
        bounds = np.searchsorted(found.series, np.arange(len(self._metrics) + 1)).tolist()
        return [
            _of(metric, found.rows(slice(begin, end)))
            for metric, begin, end in zip(self._metrics, bounds[:-1], bounds[1:], strict=True)
        ]

    # --- from rollups ---

    def _from_level(self, level: Level, part: _Part) -> list[_Part]:
        """Take what the level has; what it has not."""
        begin_ms, end_ms = (
            part.from_ms // level.span_ms * level.span_ms,
            -(-part.to_ms // level.span_ms) * level.span_ms,
        )
        marked = influxql.select_marks if level is MINUTES else influxql.select_mark_sums
        together = list(_in_statements(part.places))
        statements = [
            influxql.select_rolled(level.measurement, self._machine, self._named(some), from_ms=begin_ms, to_ms=end_ms)
            for some in together
        ]
        # Marks first: what is rolled up in between has a newer one than we know, and is not believed.
        marks, *tables = self._server.query(
            self._database, [marked(self._machine, from_ms=begin_ms, to_ms=end_ms), *statements]
        )
        tokens = {t_ms: int(token) for t_ms, token in _by_time(marks, "token").items()}
        left: dict[tuple[Stretch, ...], list[int]] = {}
        for some, table in zip(together, tables, strict=True):
            for at, place in enumerate(some):
                texts = {t_ms: text for t_ms, text in _by_time(table, f"r{at}").items() if isinstance(text, str)}
                rolled = rolled_up(level, tokens, texts, series=place, from_ms=part.from_ms, to_ms=part.to_ms)
                self._found.append(rolled.steps)
                left.setdefault(rolled.stretches, []).append(place)
        # Metrics that miss the same stretches are asked for together.
        return [_Part(tuple(places), *stretch) for stretches, places in left.items() for stretch in stretches]

    # --- from readings ---

    def _from_readings(self, wanted: Sequence[_Part]) -> None:
        few = [
            _Part(some, part.from_ms, part.to_ms)
            for part in wanted
            for some in _in_statements(part.places)
            if part.length_ms <= _TAKEN_MS
        ]
        many = [part for part in wanted if part.length_ms > _TAKEN_MS]
        statements = [
            influxql.select_together(
                self._machine, self._named(part.places), from_ms=part.from_ms, to_ms=part.to_ms, limit=_ROWS_TAKEN
            )
            for part in few
        ]
        for part, table in zip(few, self._server.query(self._database, statements), strict=True):
            if len(table.values) < _ROWS_TAKEN:
                self._take(part, table)
            else:
                many.append(part)
        self._from_server(many)

    def _take(self, part: _Part, table: Table) -> None:
        found = influxql.together_of(table, self._machine, self._named(part.places))
        strips = [(place, one.t_ms, one.values) for place, one in zip(part.places, found, strict=True) if len(one)]
        self._found.append(aggregated(Strips.of(strips), self._bucket_ms))

    def _from_server(self, wanted: Sequence[_Part]) -> None:
        """The server sums up."""
        parts = [_Part(some, part.from_ms, part.to_ms) for part in wanted for some in _in_statements(part.places)]
        statements = [
            influxql.select_buckets(
                self._machine,
                self._named(part.places),
                from_ms=part.from_ms,
                to_ms=part.to_ms,
                bucket_ms=self._bucket_ms,
            )
            for part in parts
        ]
        for part, table in zip(parts, self._server.query(self._database, statements), strict=True):
            found = influxql.buckets_of(table, self._named(part.places))
            self._found += [_aggregates(one, place) for place, one in zip(part.places, found, strict=True)]

    def _named(self, places: Sequence[int]) -> list[str]:
        return [self._metrics[place] for place in places]


def widened(part: Buckets, width_ms: int) -> Buckets:
    """The same in wider buckets, whose width is a multiple of theirs."""
    return _of(part.metric, _aggregates(part, 0).widened(width_ms))


def _in_statements(places: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(places), influxql.METRICS_PER_STATEMENT):
        yield tuple(places[start : start + influxql.METRICS_PER_STATEMENT])


def _by_time(table: Table, column: str) -> dict[int, int | str]:
    """A column's values that are not null, by the time of their rows; whole numbers as such."""
    if column not in table.columns:
        return {}
    at = table.columns.index(column)
    return {
        int(row[0] or 0): value if isinstance(value, str) else int(value)
        for row in table.values
        if (value := row[at]) is not None
    }


def _aggregates(part: Buckets, series: int) -> Aggregates:
    column = np.full(len(part.t_ms), series, np.int64)
    return Aggregates(column, part.t_ms, part.count, part.minimum, part.maximum, part.mean * part.count)


def _of(metric: str, found: Aggregates) -> Buckets:
    return Buckets(metric, found.t_ms, found.minimum, found.maximum, found.total / found.count, found.count)
