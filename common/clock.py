"""The only place that asks what time it is, so that tests can freeze it."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current instant as an aware UTC datetime."""
    return datetime.now(UTC)


def now_ms() -> int:
    """The current instant as epoch milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds on a clock that never steps; for durations and time-outs only."""
    return time.monotonic()
