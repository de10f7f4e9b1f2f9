"""Retention in PostgreSQL: what is older than an instant goes, hour by hour, to the millisecond."""

from telemetry.store.compaction import compact
from telemetry.store.hour_format import HOUR_MS, hours_decode, hours_encode
from telemetry.store.pg_tables import hours_insert, reorganising, rows_read, statement

_SERIES_PER_STEP = 200
# Every series that has hours, also those of metrics deleted since: hops from key to key of the index.
_SERIES_STORED = statement("""
    WITH RECURSIVE hop (series) AS (
        (SELECT min(series) FROM {hour}) UNION ALL
        SELECT (SELECT min(next.series) FROM {hour} AS next WHERE next.series > hop.series) FROM hop
        WHERE hop.series IS NOT NULL
    ) SELECT series FROM hop WHERE series IS NOT NULL
""")
_DELETE_HOURS = statement("""
    WITH gone AS (DELETE FROM {hour} WHERE series = ANY(%(series)s) AND hour < %(hour)s RETURNING n)
    SELECT coalesce(sum(n), 0)::int8 FROM gone
""")
_TAKE_CUT = statement("""
    DELETE FROM {hour} WHERE series = ANY(%(series)s) AND hour = %(hour)s RETURNING series, hour, body
""")


def readings_delete_before(before_ms: int) -> int:
    """Remove readings older than an instant; how many. Raises StoreUnavailableError, and then some may be left."""
    # Runs that reach back so far become hours first, so that hours are all there is to cut.
    compact(closed_ms=before_ms, within_s=float("inf"), wait=True)
    stored = [row[0] for row in rows_read(_SERIES_STORED)]
    removed = 0
    for start in range(0, len(stored), _SERIES_PER_STEP):
        with reorganising():
            removed += _step(stored[start : start + _SERIES_PER_STEP], before_ms)
    return removed


def _step(series: list[int], before_ms: int) -> int:
    hour = before_ms // HOUR_MS
    [(removed,)] = rows_read(_DELETE_HOURS, series=series, hour=hour)
    if before_ms % HOUR_MS == 0:
        return int(removed)
    cut = hours_decode(sorted(rows_read(_TAKE_CUT, series=series, hour=hour)))
    kept = cut.kept(cut.t_ms >= before_ms)
    hours_insert(hours_encode(kept))
    return int(removed) + len(cut) - len(kept)
