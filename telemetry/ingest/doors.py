"""What the doors do alike: put what was admitted, and what was refused, into the journal."""

import threading
from concurrent.futures import Future

import msgspec
import structlog

from common.errors import DomainError
from common.expiring import ExpiringMap
from telemetry.ingest import counted
from telemetry.ingest.admission import RateLimitedError, refused_charge
from telemetry.ingest.journal import READINGS, REFUSALS, Journal, JournalError
from telemetry.ingest.refusals import Refusal, excerpt, refusals_encode, sayable
from telemetry.readings import ReadingBatch

_log = structlog.get_logger(__name__)
_FLOOD_TOLD_EVERY_S = 1.0


def readings_append(journal: Journal, factory_slug: str, batch: ReadingBatch, *, marks: bytes = b"") -> "Future[int]":
    """Queue readings; acknowledge them when the future has a result. Raises JournalBusyError."""
    return journal.append(factory_slug, batch.to_bytes(), len(batch), kind=READINGS, marks=marks)


def refusals_append(journal: Journal, factory_slug: str, refusals: list[Refusal]) -> "Future[int] | None":
    """Queue refusals for quarantine. They promise nothing, so no room for them is a log line and None."""
    if not refusals:
        return None
    count = sum(refusal.count for refusal in refusals)
    for refusal in refusals:
        counted.READINGS_REFUSED.labels(refusal.code).inc(refusal.count)
    _log.info("readings_refused", factory=factory_slug, count=count, code=refusals[0].code, source=refusals[0].source)
    try:
        return journal.append(factory_slug, refusals_encode(refusals), count, kind=REFUSALS)
    except JournalError as error:
        _log.warning("quarantine_lost", factory=factory_slug, count=count, code=error.code)
        return None


def whole_refused(journal: Journal, factory_slug: str, error: DomainError, *, source: str, body: bytes = b"") -> float:
    """Quarantine a body that was refused whole; returns for how long its sender should rest (s)."""
    count = 1
    if isinstance(error, RateLimitedError):
        # A flood is told once a second: one journal row per refused request would be a flood of its own.
        count = _floods.count(factory_slug)
        wait_s: float = error.retry_after_s
    else:
        wait_s = refused_charge(factory_slug)
    refusal = Refusal(source, "", "", error.code, sayable(error.detail, 300), count, excerpt(body))
    if count:
        refusals_append(journal, factory_slug, [refusal])
    else:
        _tell_rest_later(journal, factory_slug, refusal)
    return wait_s


def _tell_rest_later(journal: Journal, factory_slug: str, refusal: Refusal) -> None:
    """The end of a flood is counted too, though no later request brings it along."""
    if not _floods.rest_due(factory_slug):
        return

    def tell() -> None:
        count = _floods.rest(factory_slug)
        if count:
            refusals_append(journal, factory_slug, [msgspec.structs.replace(refusal, count=count)])

    later = threading.Timer(_FLOOD_TOLD_EVERY_S, tell)
    later.daemon = True
    later.start()


class Floods:
    """Counts per factory, given out at most once a second; what is left waits for the next."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._told: ExpiringMap[str, bool] = ExpiringMap(size=10_000, fresh_s=_FLOOD_TOLD_EVERY_S)
        self._resting: set[str] = set()
        self._lock = threading.Lock()

    def count(self, factory_slug: str, more: int = 1) -> int:
        """Add to a factory's count; returns what is to be told now, 0 when it is too early."""
        with self._lock:
            counted = self._counts.get(factory_slug, 0) + more
            if self._told.fresh(factory_slug):
                self._counts[factory_slug] = counted
                return 0
            self._told.put(factory_slug, True)
            self._counts.pop(factory_slug, None)
            return counted

    def rest_due(self, factory_slug: str) -> bool:
        """Whether nobody has promised yet to ask for the rest of this factory's count."""
        with self._lock:
            promised = factory_slug in self._resting
            self._resting.add(factory_slug)
            return not promised

    def rest(self, factory_slug: str) -> int:
        """What is left of a factory's count, whenever it was told last."""
        with self._lock:
            self._resting.discard(factory_slug)
            return self._counts.pop(factory_slug, 0)


_floods = Floods()
