"""Compaction in InfluxDB: what has passed of a machine is summed up, and again when somebody writes to it later.

Nothing is deleted and nothing is locked: a mark is read, then the readings, and what they come to is written under that
mark. Killed midway, or overtaken by a late reading, the span has another mark than its rollup: it is read from the
readings until a later turn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from common import clock
from telemetry.store import influxql
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx_backfill import marks_missing
from telemetry.store.influx_buckets import BucketReader, widened
from telemetry.store.influx_levels import DAY_MS, HOURS, MINUTES, QUARTERS, SLICE_MS, Level
from telemetry.store.influx_rollups import rollups_body
from telemetry.store.influx_server import InfluxServer
from telemetry.store.line_protocol import MARKED

_log = structlog.get_logger(__name__)
# Readings that come a little late still find their slice open.
_GRACE_MS = 60_000
# Each turn looks at what was written lately; once an hour at a day, and at days that have passed.
_LATELY_MS, _TODAY_MS = 2 * 3_600_000, 26 * 3_600_000
_SWEEP_EVERY_S = 3600.0
_SWEPT_AT_ONCE_MS = 7 * DAY_MS
# A machine's slices that the server can't sum up, beyond which it is the server that has a problem.
_MOST_FAILED = 3

_MOST_IN_RUN = DAY_MS // SLICE_MS

# Of each machine, by its tag, the kept names of its metrics.
MetricsByTag = Callable[[], Mapping[str, Sequence[str]]]
_Tokens = dict[tuple[str, int], int]


class _OutOfTimeError(Exception):
    """The rest is the next turn's."""


@dataclass(slots=True)
class _State:
    """What this process knows about a database. days: machine and day that are due."""

    complete: bool = False
    sweep_s: float = float("-inf")
    days: list[tuple[str, int]] = field(default_factory=list)
    # Spans that the server could not sum up, until when they are left alone.
    failed: dict[tuple[str, int], float] = field(default_factory=dict)


class Compaction:
    """Of all databases of one server."""

    def __init__(self, server: InfluxServer) -> None:
        self._server = server
        self._states: dict[str, _State] = {}

    def forget(self, database: str) -> None:
        """A database is gone."""
        self._states.pop(database, None)

    def compact(self, database: str, metrics: MetricsByTag, *, within_s: float) -> bool:
        """Roll up what is due, the newest first; False when something is left. Raises StoreUnavailableError."""
        state = self._states.setdefault(database, _State())
        turn = _Turn(self._server, database, metrics, state, clock.monotonic_s() + within_s)
        try:
            turn.run()
        except _OutOfTimeError:
            return False
        return not turn.failures


class _Turn:
    """One call's work."""

    def __init__(
        self, server: InfluxServer, database: str, metrics: MetricsByTag, state: _State, deadline_s: float
    ) -> None:
        self._server, self._database, self._state = server, database, state
        self._metrics_by_tag, self._deadline_s = metrics, deadline_s
        self._metrics: Mapping[str, Sequence[str]] | None = None
        self.failures = 0

    def run(self) -> None:
        """Raises _OutOfTimeError, StoreUnavailableError."""
        self._complete_marks()
        now_ms, now_s = clock.now_ms(), clock.monotonic_s()
        closed_ms = (now_ms - _GRACE_MS) // SLICE_MS * SLICE_MS
        sweeping = now_s >= self._state.sweep_s
        self._slices(closed_ms - (_TODAY_MS if sweeping else _LATELY_MS), closed_ms)
        if sweeping:
            self._state.days = list(self._days_due((now_ms - _GRACE_MS) // DAY_MS * DAY_MS))
            self._state.sweep_s = now_s + _SWEEP_EVERY_S
        while self._state.days:
            self._check_time()
            machine, day_ms = self._state.days[-1]
            self._slices(day_ms, min(day_ms + DAY_MS, closed_ms), only=machine)
            with self._noting_failure(machine, day_ms):
                self._roll_day(machine, day_ms)
            self._state.days.pop()

    def _check_time(self) -> None:
        if clock.monotonic_s() > self._deadline_s:
            raise _OutOfTimeError

    def _complete_marks(self) -> None:
        """Readings from before there were marks get some, once for each database."""
        if self._state.complete:
            return
        [found] = self._server.query(self._database, [influxql.select_complete()])
        if not found.values:
            for body in marks_missing(self._server, self._database):
                self._server.write(self._database, body)
                self._check_time()
            if self._first_mark() is None:
                return  # nothing was ever stored, and a write might make a database that keeps it for ever
            self._server.write(self._database, b"%s complete=1i %d\n" % (MARKED.encode(), clock.now_ms()))
        self._state.complete = True

    def _first_mark(self) -> int | None:
        [first] = self._server.query(self._database, [influxql.select_first_mark()])
        return int(first.column("time")[0]) if first.values else None

    # --- slices ---

    def _slices(self, from_ms: int, to_ms: int, *, only: str | None = None) -> None:
        """Ten minutes each whose mark has changed, as many as follow on each other at once."""
        marks = self._tokens(influxql.select_all_marks(from_ms, to_ms), only)
        covers = self._tokens(influxql.select_all_covers(MINUTES.measurement, from_ms, to_ms), only)
        due = sorted(key for key, token in marks.items() if covers.get(key) != token)
        for machine, start_ms, count in _runs(due):
            self._check_time()
            if self._state.failed.get((machine, start_ms), 0.0) > clock.monotonic_s():
                continue
            with self._noting_failure(machine, start_ms):
                tokens = [marks[machine, start_ms + at * SLICE_MS] for at in range(count)]
                self._roll_slices(machine, start_ms, tokens)

    def _roll_slices(self, machine: str, start_ms: int, tokens: list[int]) -> None:
        reader = self._reader(machine, MINUTES, rollups=False)
        parts = reader.read(start_ms, start_ms + len(tokens) * SLICE_MS)
        self._server.write(self._database, rollups_body(MINUTES, machine, parts, start_ms, tokens))

    # --- days ---

    def _days_due(self, closed_ms: int) -> Iterator[tuple[str, int]]:
        """Machines' days that have passed and changed since they were rolled up, the newest last."""
        first_ms = self._first_mark()
        from_ms = closed_ms if first_ms is None else first_ms // DAY_MS * DAY_MS
        for start_ms in range(from_ms, closed_ms, _SWEPT_AT_ONCE_MS):
            end_ms = min(start_ms + _SWEPT_AT_ONCE_MS, closed_ms)
            marks = self._tokens(influxql.select_all_mark_sums(start_ms, end_ms))
            covers = self._tokens(influxql.select_all_covers(HOURS.measurement, start_ms, end_ms))
            yield from sorted((key for key, token in marks.items() if covers.get(key) != token), key=lambda key: key[1])

    def _roll_day(self, machine: str, day_ms: int) -> None:
        end_ms = day_ms + DAY_MS
        # The marks before what they vouch for; the day's slices are read by their rollups where those hold.
        [sums] = self._server.query(self._database, [influxql.select_mark_sums(machine, from_ms=day_ms, to_ms=end_ms)])
        for token in sums.column("token").astype(int).tolist():
            parts = self._reader(machine, QUARTERS, rollups=True).read(day_ms, end_ms)
            # Hours last: their covers say that the day is done.
            for level in (QUARTERS, HOURS):
                body = rollups_body(level, machine, [widened(part, level.step_ms) for part in parts], day_ms, [token])
                self._server.write(self._database, body)

    # --- asking ---

    def _reader(self, machine: str, level: Level, *, rollups: bool) -> BucketReader:
        if self._metrics is None:
            self._metrics = self._metrics_by_tag()
        names = self._metrics.get(machine, ())
        return BucketReader(self._server, self._database, machine, names, bucket_ms=level.step_ms, rollups=rollups)

    def _tokens(self, statement: str, only: str | None = None) -> _Tokens:
        """By machine's tag and span's start."""
        return {
            (tag, int(t_ms)): int(token)
            for table in self._server.query_groups(self._database, statement)
            if (tag := table.tags.get("machine", "")) and only in {None, tag}
            for t_ms, token in zip(table.column("time").tolist(), table.column("token").tolist(), strict=True)
            if token == token  # noqa: PLR0124  # no NaN
        }

    @contextmanager
    def _noting_failure(self, machine: str, start_ms: int) -> Iterator[None]:
        """Leave what the server can't sum up alone for a while. Raises StoreUnavailableError when that is not all."""
        try:
            yield
        except StoreUnavailableError as error:
            self.failures += 1
            if self.failures > _MOST_FAILED:
                raise
            self._state.failed[machine, start_ms] = clock.monotonic_s() + _SWEEP_EVERY_S
            _log.warning("rollup_failed", machine=machine, from_ms=start_ms, error=str(error))


def _runs(due: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Slices that follow on each other, a day's at most: machine, start of the first, how many."""
    first, count = None, 0
    for key in due:
        if first is not None and count < _MOST_IN_RUN and key == (first[0], first[1] + count * SLICE_MS):
            count += 1
            continue
        if first is not None:
            yield *first, count
        first, count = key, 1
    if first is not None:
        yield *first, count
