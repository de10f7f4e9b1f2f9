"""Which rollups InfluxDB keeps beside the readings, from coarse to fine. Pure."""

from dataclasses import dataclass

MINUTE_MS, SLICE_MS, DAY_MS = 60_000, 600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Level:
    """A point sums up `span_ms` of a machine by steps of `step_ms`; spans begin at multiples of their length.

    worth_ms: shorter windows are read as fast one level below.
    """

    measurement: str
    step_ms: int
    span_ms: int
    worth_ms: int

    @property
    def steps(self) -> int:
        """Steps in a span."""
        return self.span_ms // self.step_ms


MINUTES = Level("readings_minutes", MINUTE_MS, SLICE_MS, worth_ms=3 * SLICE_MS)
QUARTERS = Level("readings_quarters", 15 * MINUTE_MS, DAY_MS, worth_ms=3 * DAY_MS)
HOURS = Level("readings_hours", 60 * MINUTE_MS, DAY_MS, worth_ms=3 * DAY_MS)
LEVELS = (HOURS, QUARTERS, MINUTES)


def levels_for(bucket_ms: int) -> tuple[Level, ...]:
    """The levels that buckets of this width can be read from, each one taking what the one before it does not have.

    >>> [level.measurement for level in levels_for(1_800_000)]
    ['readings_quarters', 'readings_minutes']
    """
    days = next(((level,) for level in (HOURS, QUARTERS) if bucket_ms % level.step_ms == 0), ())
    return (*days, MINUTES) if bucket_ms % MINUTES.step_ms == 0 else ()
