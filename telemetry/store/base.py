"""The protocol that every reading store keeps; `tests/contracts/test_reading_store.py` holds each one to it.

All calls happen inside `factory_context`: a store never sees two factories at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.utils.translation import gettext as _

from common.errors import DomainError
from telemetry.models import Machine
from telemetry.readings import Float64Array, Int64Array, ReadingBatch, Series


class StoreUnavailableError(DomainError):
    """The store can't be reached or refused for a reason that may pass; the drain retries with back-off.

    The reason is for logs (`str(error)`); people are told what it means for them.
    """

    code = "history_unavailable"
    status = 503
    retry_after_s = 5

    def __init__(self, reason: str) -> None:
        super().__init__(_("The history can't be read just now. Nothing is lost; try again in a few seconds."))
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class Buckets:
    """One metric downsampled: four columns of equal length, one row per non-empty bucket.

    t_ms: bucket starts, ascending; minimum, maximum, mean: over the bucket's readings; count: readings in it.
    """

    metric: str
    t_ms: Int64Array
    minimum: Float64Array
    maximum: Float64Array
    mean: Float64Array
    count: Int64Array


class ReadingStore(Protocol):
    """Readings of the current factory. Times are epoch milliseconds, windows half-open [from_ms, to_ms).

    A reading answers one part per metric asked for, in the order asked, empty where there is nothing.

    outlives_schema: whether readings stand outside the factory's PostgreSQL schema, so that dropping it leaves them.
    """

    outlives_schema: bool

    def write(self, batch: ReadingBatch, *, machines: Mapping[str, Machine]) -> None:
        """Store every reading of the batch once; equal (machine, metric, time) overwrites.

        machines: by key, registered with their metrics before. Raises StoreUnavailableError; a retry is safe.
        """

    def raw(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, limit: int | None = None
    ) -> list[Series]:
        """Readings as stored, oldest first, at most `limit` of each metric (the newest ones, when cut)."""

    def together(self, wanted: Mapping[Machine, Sequence[str]], *, from_ms: int, to_ms: int) -> ReadingBatch:
        """Readings of these metrics of several machines at once, each series oldest first: what rules look at."""

    def buckets(
        self, machine: Machine, metrics: Sequence[str], *, from_ms: int, to_ms: int, bucket_ms: int
    ) -> list[Buckets]:
        """Minimum, maximum, mean and count per bucket of `bucket_ms`; bucket starts are multiples of it."""

    def compact(self, *, within_s: float = 5.0) -> bool:
        """Put what was written in the order in which it is read fastest; changes nothing that can be read.

        Takes about `within_s` seconds at most; False when something is left to do. Called every ten seconds.
        Raises StoreUnavailableError.
        """

    def delete_machine(self, machine: Machine) -> None:
        """Remove every reading of a machine."""

    def delete_metric(self, machine: Machine, metric: str) -> None:
        """Remove every reading of one metric: one of that name that comes later begins anew.

        Changes `machine` where a store can't remove them; its row is saved with it.
        """

    def delete_before(self, before_ms: int) -> int:
        """Remove readings older than an instant (retention); the number removed where the server tells it, else 0."""

    def delete_all(self) -> None:
        """Remove everything the current factory has stored: its address may be given to somebody else afterwards."""
