"""Raw readings page by page, from the newest backwards, each reading on exactly one page."""

from collections.abc import Sequence
from dataclasses import dataclass

from telemetry.history.series import series_raw
from telemetry.models import Machine
from telemetry.readings import Series

MAX_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class RawPage:
    """All readings of [from_ms, to_ms); earlier ones, if there are any, end at `earlier_ms`."""

    series: list[Series]
    from_ms: int
    to_ms: int
    earlier_ms: int | None


def raw_page(machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int) -> RawPage:
    """The newest page of the window: at most `limit` readings of each metric. Raises StoreUnavailableError."""
    found = series_raw(machine, metrics, from_ms=from_ms, to_ms=to_ms, limit=limit)
    # A metric that was cut is whole only from its oldest reading on; the page begins where all of them are.
    begins = max((int(part.t_ms[0]) for part in found if len(part) == limit), default=from_ms)
    if begins <= from_ms:
        return RawPage(found, from_ms, to_ms, None)
    return RawPage([_since(part, begins) for part in found], begins, to_ms, begins)


def _since(part: Series, from_ms: int) -> Series:
    keep = part.t_ms >= from_ms
    return Series(part.machine, part.metric, part.t_ms[keep], part.values[keep])
