"""Series of a machine as charts, exports and detectors read them."""

from collections.abc import Sequence

from telemetry.history.downsample import bucket_width
from telemetry.models import Machine
from telemetry.readings import Series
from telemetry.store import reading_store
from telemetry.store.base import Buckets

DEFAULT_POINTS = 1_000
MAX_POINTS = 10_000


def series_read(
    machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, points: int = DEFAULT_POINTS
) -> list[Buckets]:
    """At most `points` buckets of each metric over [from_ms, to_ms), in the order asked.

    Raises StoreUnavailableError; ValueError for an empty window.
    """
    width = bucket_width(from_ms=from_ms, to_ms=to_ms, points=points)
    return reading_store().buckets(machine, metrics, from_ms=from_ms, to_ms=to_ms, bucket_ms=width)


def series_raw(
    machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
) -> list[Series]:
    """Readings as stored, oldest first; with a limit the newest of each metric. Raises StoreUnavailableError."""
    return reading_store().raw(machine, metrics, from_ms=from_ms, to_ms=to_ms, limit=limit)


def metric_names(machine: Machine) -> list[str]:
    """Every metric the machine has sent, by name."""
    return list(machine.metrics.order_by("name").values_list("name", flat=True))
