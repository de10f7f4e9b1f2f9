"""What may come in: sensible names, times within the window, no more than the factory's plan allows a second."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from common.errors import LimitReachedError
from common.expiring import ExpiringMap
from telemetry.ingest.columns import ParsedPayload
from telemetry.ingest.rate import TokenBucket
from telemetry.ingest.refusals import Rejection
from telemetry.readings import ReadingBatch, Series
from tenants.models import Factory, Plan

OLDEST_MS = 7 * 24 * 3600 * 1000
NEWEST_MS = 10 * 60 * 1000
BURST_S = 4.0
_GARBAGE_COST = 10

# Letters of any script, because plants name things in their own; a slash would end a machine's address.
_MACHINE = re.compile(r"\w(?:[\w .:\-]{0,62}[\w.:\-])?")
_METRIC = re.compile(r"\w(?:[\w .:\-/%°]{0,62}[\w.:\-/%°])?")


class RateLimitedError(LimitReachedError):
    """The factory sends more than its plan allows; `retry_after_s` says for how long to wait."""

    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Admitted:
    """What may be kept, everything that was refused, and how long the sender should rest (s)."""

    batch: ReadingBatch
    rejected: list[Rejection]
    wait_s: float


_rates: ExpiringMap[str, int] = ExpiringMap(size=10_000, fresh_s=5.0)
_buckets: ExpiringMap[str, TokenBucket] = ExpiringMap(size=10_000, fresh_s=math.inf)
_default_rate = Plan().max_readings_per_s


def plan_learn(factory: Factory) -> None:
    """Take note of a factory's plan, from whoever has just looked it up; `admit` itself never asks the database."""
    if _rates.fresh(factory.slug):
        return
    rate = factory.plan.max_readings_per_s if factory.plan else _default_rate
    held = _buckets.fresh(factory.slug)
    if held:
        held.value.tune(rate=rate, burst=rate * BURST_S)
    _rates.put(factory.slug, rate)


def rate_check(factory_slug: str) -> None:
    """Refuse before the work of reading a body is done. Raises RateLimitedError."""
    wait_s = rate_wait_s(factory_slug)
    if wait_s > 0:
        raise RateLimitedError(
            f"This factory sends more than its plan allows; wait {math.ceil(wait_s)} s.",
            retry_after_s=math.ceil(wait_s),
        )


def rate_wait_s(factory_slug: str) -> float:
    """For how long the factory should send nothing (s); 0 when it may."""
    return _bucket(factory_slug).wait_s()


def refused_charge(factory_slug: str) -> float:
    """Charge a body that was refused whole, so that a flood of garbage runs into the rate too; returns the wait (s)."""
    return _bucket(factory_slug).charge(_GARBAGE_COST)


def admit(parsed: ParsedPayload, *, factory_slug: str, now_ms: int) -> Admitted:
    """Sort what may be kept from what is refused, and charge both to the factory's rate.

    now_ms: the time of arrival, in the middle of the accepted window.
    """
    rejected = list(parsed.rejected)
    kept = []
    unsure = not _all_within(parsed.batch, now_ms)
    for series, index in zip(parsed.batch, parsed.index, strict=True):
        fault = name_fault(series.machine, series.metric)
        if fault is not None:
            rejected += [Rejection(place, series.metric, *fault, series.machine) for place in index.tolist()]
            continue
        whole = _within(series, index, now_ms, rejected) if unsure else series
        if len(whole):
            kept.append(whole)
    wait_s = _bucket(factory_slug).charge(len(parsed.batch) + len(parsed.rejected))
    return Admitted(ReadingBatch(kept), rejected, wait_s)


def _bucket(slug: str) -> TokenBucket:
    held = _buckets.fresh(slug)
    if held is None:
        rate = _rates.stale(slug, within_s=math.inf)
        per_s = rate.value if rate else _default_rate
        bucket = TokenBucket(rate=per_s, burst=per_s * BURST_S)
        _buckets.put(slug, bucket)
        return bucket
    return held.value


def _all_within(batch: ReadingBatch, now_ms: int) -> bool:
    if not batch.series:
        return True
    times = np.concatenate([series.t_ms for series in batch])
    return bool(times.min() >= now_ms - OLDEST_MS and times.max() <= now_ms + NEWEST_MS)


def _within(series: Series, index: NDArray[np.int64], now_ms: int, rejected: list[Rejection]) -> Series:
    old, early = series.t_ms < now_ms - OLDEST_MS, series.t_ms > now_ms + NEWEST_MS
    good = ~(old | early)
    if good.all():
        return series
    for place in np.flatnonzero(~good).tolist():
        code, detail = _window_fault(int(series.t_ms[place]), bool(old[place]), now_ms)
        rejected.append(Rejection(int(index[place]), series.metric, code, detail, series.machine))
    return Series(series.machine, series.metric, series.t_ms[good], series.values[good])


def _window_fault(t_ms: int, old: bool, now_ms: int) -> tuple[str, str]:
    if not old:
        return "timestamp_in_future", f"more than 10 minutes ahead: {t_ms}"
    if abs(t_ms * 1000 - now_ms) <= OLDEST_MS:
        return "timestamp_too_old", f"{t_ms} looks like seconds: send milliseconds"
    return "timestamp_too_old", f"older than 7 days: {t_ms}"


@lru_cache(maxsize=100_000)
def name_fault(machine: str, metric: str) -> tuple[str, str] | None:
    """What is wrong with a machine's or a metric's name, as code and detail; None when nothing is."""
    if not _MACHINE.fullmatch(machine):
        return "machine_invalid", "a machine's name is 1 to 64 letters, digits, spaces and _ . : -"
    if not _METRIC.fullmatch(metric):
        return "metric_invalid", "a metric's name is 1 to 64 letters, digits, spaces and _ . : - / % °"
    return None
